//! `recordings list`.

use super::super::exit::{CliError, Exit};
use super::super::grid::Grid;
use super::super::table::{Format, FormatArgs, Heading, RowWriter};
use super::super::term::{Ink, human_bytes, visible};
use super::super::when::local;
use super::super::{Context, folder};
use crate::read_model::view::Shape;
use crate::storage::{Owned, all};
use crate::values;

/// The columns, as the statement below gives them.
const COLUMNS: [(&str, Shape); 16] = [
    ("id", Shape::Number),
    ("started_at", Shape::Time),
    ("camera_id", Shape::Text),
    ("duration_s", Shape::Number),
    ("file_size", Shape::Bytes),
    ("trigger", Shape::Text),
    ("state", Shape::Text),
    ("integrity", Shape::Text),
    ("starred", Shape::Flag),
    ("held", Shape::Flag),
    ("original_name", Shape::Text),
    ("file_path", Shape::Text),
    ("detection_type", Shape::Text),
    ("failure", Shape::Text),
    ("deleted_at", Shape::Time),
    ("deleted_by", Shape::Text),
];

/// Arguments of `recordings list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Begun at or after this: RFC 3339, "2026-11-19 22:00", today, -2h, 3d
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Begun before this
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// Of this camera
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// In this state; deleted ones are left out unless asked for here
    #[arg(long, value_parser = ["found", "sealed", "empty", "failed", "deleted"])]
    state: Option<String>,
    /// With a star
    #[arg(long)]
    starred: bool,
    /// That are held
    #[arg(long)]
    held: bool,
    /// At most this many, the newest
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let moment = |option, text: &Option<String>, otherwise| match text {
        Some(text) => context.moment(option, text),
        None => Ok(otherwise),
    };
    let since = moment("--since", &args.since, i64::MIN)?;
    let until = moment("--until", &args.until, i64::MAX)?;
    if since >= until {
        let text = "--until is not after --since: no recording can lie between them";
        return Err(CliError::new(Exit::Usage, text));
    }
    let mut database = folder::open_reader(&context.folder)?;
    let mut rows = all(
        &mut database.snapshot()?,
        "SELECT id, started_at, camera_id, duration_s, file_size, trigger, state, integrity, \
         starred, held, original_name, file_path, detection_type, failure, deleted_at, deleted_by \
         FROM recordings WHERE coalesce(started_at, recorded_at, 0) >= ?1 \
         AND coalesce(started_at, recorded_at, 0) < ?2 AND (?3 IS NULL OR camera_id = ?3) \
         AND (state = ?4 OR ?4 IS NULL AND state <> 'deleted') AND (?5 = 0 OR starred = 1) \
         AND (?6 = 0 OR held = 1) \
         ORDER BY coalesce(started_at, recorded_at, 0) DESC, id DESC LIMIT ?7",
        values![
            since,
            until,
            args.camera.as_deref(),
            args.state.as_deref(),
            args.starred,
            args.held,
            i64::from(args.limit) + 1
        ],
        |row| (0..COLUMNS.len()).map(|column| row.owned(column)).collect(),
    )?;
    let more = rows.len() > args.limit as usize;
    rows.truncate(args.limit as usize);
    match args.format.format() {
        Format::Table => write_table(&rows, context)?,
        format => {
            let heading = |(name, shape): &(&str, Shape)| Heading {
                name: (*name).to_owned(),
                shape: Some(*shape),
            };
            let headings = COLUMNS.iter().map(heading).collect();
            let mut writer = RowWriter::begin(context.out, format, headings)?;
            for row in rows {
                writer.row(context.out, row)?;
            }
            writer.end(context.out, context.screen, &context.zone, more)?;
        }
    }
    if more {
        context.out.flush()?;
        context.note(&format!(
            "these are the newest {}; --limit shows more",
            args.limit
        ));
    }
    Ok(())
}

fn write_table(rows: &[Vec<Owned>], context: &mut Context<'_>) -> std::io::Result<()> {
    if rows.is_empty() {
        return writeln!(context.out, "no recordings");
    }
    let mut grid = Grid::new(context.screen);
    let heads = [
        "id",
        "start",
        "camera",
        "length",
        "size",
        "trigger",
        "state",
        "integrity",
        "kept",
    ];
    grid.head(heads.map(ToOwned::to_owned).into());
    for column in [0, 3, 4] {
        grid.align_right(column);
    }
    for row in rows {
        let text = |column: usize| match &row[column] {
            Owned::Text(text) => visible(text).into_owned(),
            _ => "–".to_owned(),
        };
        let number = |column: usize| match row[column] {
            Owned::Integer(number) => Some(number),
            _ => None,
        };
        let is = |column| number(column) == Some(1);
        let state = text(6);
        let (integrity, ink) = match (state.as_str(), text(7)) {
            ("sealed", integrity) if integrity == "tampered" || integrity == "missing" => {
                (integrity, Ink::Worst)
            }
            ("sealed", integrity) => (integrity, Ink::Plain),
            ("failed", _) => ("–".to_owned(), Ink::Bad),
            _ => ("–".to_owned(), Ink::Plain),
        };
        let marks = [(is(8), "★ star"), (is(9), "held")];
        let marks: Vec<_> = marks
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, mark)| *mark)
            .collect();
        let cells = vec![
            number(0).unwrap_or_default().to_string(),
            number(1).map_or("–".to_owned(), |at| local(at, &context.zone)),
            text(2),
            match row[3] {
                Owned::Real(seconds) => length(seconds),
                Owned::Integer(seconds) => length(seconds as f64),
                _ => "–".to_owned(),
            },
            human_bytes(number(4).unwrap_or_default()),
            text(5).to_lowercase(),
            state,
            integrity,
            marks.join(", "),
        ];
        grid.row_in(cells, ink);
    }
    grid.write(context.out)
}

/// `0:07`, `12:30`, `1:02:03`.
pub(super) fn length(seconds: f64) -> String {
    let seconds = seconds.round().max(0.0) as i64;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{rest:02}")
    } else {
        format!("{minutes}:{rest:02}")
    }
}
