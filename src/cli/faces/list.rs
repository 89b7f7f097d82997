//! `faces list`, `unknown`, `show`, `visits`: what is known.

use super::super::exit::{CliError, Exit};
use super::super::table::{Format, FormatArgs, write_all};
use super::super::{Context, folder};
use super::find;
use crate::read_model::view::Shape;
use crate::storage::{Owned, Row, StorageError, all};
use crate::values;

/// Arguments of `faces list` and `unknown`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

/// Arguments of `faces show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// A number, or a name
    #[arg(value_name = "ID|NAME")]
    person: String,
    #[command(flatten)]
    format: FormatArgs,
}

/// Arguments of `faces visits`.
#[derive(Debug, clap::Args)]
pub(super) struct Visits {
    /// A number, or a name; everybody's without it
    #[arg(value_name = "ID|NAME")]
    person: Option<String>,
    /// Begun at or after this: RFC 3339, "2026-11-19 22:00", today, -2h, 3d
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Begun before this
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// At most this many, the newest
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

const PROFILE: &[(&str, Shape)] = &[
    ("id", Shape::Number),
    ("name", Shape::Text),
    ("visits", Shape::Number),
    ("last_seen_at", Shape::Time),
    ("first_seen_at", Shape::Time),
    ("household", Shape::Flag),
    ("presence_member", Shape::Text),
    ("ignored", Shape::Flag),
    ("faces_kept", Shape::Number),
];

fn owned(row: &dyn Row, columns: usize) -> Result<Vec<Owned>, StorageError> {
    (0..columns).map(|column| row.owned(column)).collect()
}

pub(super) fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let rows = all(
        &mut database.snapshot()?,
        "SELECT id, name, visit_count, last_seen_at, first_seen_at, household, presence_member, \
         ignored, (SELECT count(*) FROM face_embeddings e WHERE e.profile_id = face_profiles.id) \
         FROM face_profiles ORDER BY last_seen_at DESC, id DESC LIMIT ?1",
        values![i64::from(args.limit)],
        |row| owned(row, PROFILE.len()),
    )?;
    let nothing =
        "nobody was recognised; faces are compared only for cameras that `faces.cameras` names";
    Ok(write_all(
        context,
        args.format.format(),
        PROFILE,
        rows,
        nothing,
    )?)
}

pub(super) fn unknown(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let rows = all(
        &mut database.snapshot()?,
        "SELECT id, name, visit_count, last_seen_at, first_seen_at, household, presence_member, \
         ignored, (SELECT count(*) FROM face_embeddings e WHERE e.profile_id = face_profiles.id) \
         FROM face_profiles WHERE name IS NULL AND ignored = 0 \
         ORDER BY visit_count DESC, last_seen_at DESC, id DESC LIMIT ?1",
        values![i64::from(args.limit)],
        |row| owned(row, PROFILE.len()),
    )?;
    let nothing = "nobody is unknown";
    Ok(write_all(
        context,
        args.format.format(),
        PROFILE,
        rows,
        nothing,
    )?)
}

pub(super) fn show(args: &Show, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let person = find(&mut session, &args.person)?;
    let profile = all(
        &mut session,
        "SELECT id, name, visit_count, last_seen_at, first_seen_at, household, presence_member, \
         ignored, (SELECT count(*) FROM face_embeddings e WHERE e.profile_id = face_profiles.id) \
         FROM face_profiles WHERE id = ?1",
        values![person.id],
        |row| owned(row, PROFILE.len()),
    )?;
    let format = args.format.format();
    if format != Format::Table {
        return Ok(write_all(context, format, PROFILE, profile, "")?);
    }
    let aliases = all(
        &mut session,
        "SELECT alias FROM face_aliases WHERE profile_id = ?1 ORDER BY alias",
        values![person.id],
        |row| owned(row, 1),
    )?;
    let pictures = all(
        &mut session,
        "SELECT captured_at, camera_id, crop_path FROM face_embeddings WHERE profile_id = ?1 \
         ORDER BY id DESC LIMIT 10",
        values![person.id],
        |row| owned(row, 3),
    )?;
    let visits = all(
        &mut session,
        "SELECT arrived_at, profile_id, ?2, camera_id, departed_at, duration_s FROM visits \
         WHERE profile_id = ?1 ORDER BY arrived_at DESC, id DESC LIMIT 10",
        values![person.id, person.name.as_deref()],
        |row| owned(row, VISIT.len()),
    )?;
    drop(session);
    write_all(context, format, PROFILE, profile, "")?;
    if !aliases.is_empty() {
        writeln!(context.out, "\nWhat publishers call this person")?;
        write_all(context, format, &[("alias", Shape::Text)], aliases, "")?;
    }
    writeln!(context.out, "\nThe last visits")?;
    write_all(context, format, VISIT, visits, "none")?;
    writeln!(context.out, "\nThe last faces that are kept")?;
    let columns = [
        ("captured_at", Shape::Time),
        ("camera", Shape::Text),
        ("picture", Shape::Text),
    ];
    Ok(write_all(context, format, &columns, pictures, "none")?)
}

const VISIT: &[(&str, Shape)] = &[
    ("arrived_at", Shape::Time),
    ("person", Shape::Number),
    ("name", Shape::Text),
    ("camera", Shape::Text),
    ("departed_at", Shape::Time),
    ("duration_s", Shape::Number),
];

pub(super) fn visits(args: &Visits, context: &mut Context<'_>) -> Result<(), CliError> {
    let moment = |option, text: &Option<String>, otherwise| match text {
        Some(text) => context.moment(option, text),
        None => Ok(otherwise),
    };
    let since = moment("--since", &args.since, i64::MIN)?;
    let until = moment("--until", &args.until, i64::MAX)?;
    if since >= until {
        let text = "--until is not after --since: no visit can lie between them";
        return Err(CliError::new(Exit::Usage, text));
    }
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let person = match &args.person {
        Some(named) => Some(find(&mut session, named)?.id),
        None => None,
    };
    let rows = all(
        &mut session,
        "SELECT v.arrived_at, v.profile_id, p.name, v.camera_id, v.departed_at, v.duration_s \
         FROM visits v LEFT JOIN face_profiles p ON p.id = v.profile_id \
         WHERE v.arrived_at >= ?1 AND v.arrived_at < ?2 AND (?3 IS NULL OR v.profile_id = ?3) \
         ORDER BY v.arrived_at DESC, v.id DESC LIMIT ?4",
        values![since, until, person, i64::from(args.limit)],
        |row| owned(row, VISIT.len()),
    )?;
    drop(session);
    Ok(write_all(
        context,
        args.format.format(),
        VISIT,
        rows,
        "no visits",
    )?)
}
