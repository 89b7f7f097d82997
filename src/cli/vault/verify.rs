//! `vault verify`: whether sealed files are what was sealed, with the key alone or with all that the
//! data folder knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::beneath;
use crate::cli::decide::decide;
use crate::cli::exit::{CliError, Exit};
use crate::cli::opening::{find_keys, fs_error, read_error};
use crate::cli::term::{Ink, human_bytes, visible};
use crate::cli::{Context, folder, setup};
use crate::event::NewEvent;
use crate::event::recording::{Checked, Integrity, path_of, printable_path};
use crate::storage::{self, StorageError, all, first};
use crate::values;
use crate::vault::admission::Refusal;
use crate::vault::auth::HeaderTag;
use crate::vault::folder::Folder;
use crate::vault::key::KeyId;
use crate::vault::reader::{Expected, Keys, ReadError};
use crate::vault::scan::{Entry, scan};
use crate::vault::unseal::{self, SealedFile, open_sealed, verify_hash};
use crate::vault::verify::{Verdict, verify};

/// Pause before a second look at what seems bad; an exchange is two renames.
const EXCHANGE_PAUSE: Duration = Duration::from_millis(20);
/// Chunks that are named; the others are counted.
const CHUNKS_NAMED: usize = 8;

/// Options of `vault verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The .vge files, or folders of them
    #[arg(required_unless_present = "all")]
    files: Vec<PathBuf>,
    /// Every recording of the data folder, against its row in the database as well; what is found
    /// is recorded
    #[arg(long, conflicts_with = "files")]
    all: bool,
    /// Key file [default: as configured]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// A sealed file that is meant.
#[derive(Debug)]
pub(super) struct Target {
    folder: Arc<Folder>,
    path: PathBuf,
    /// What the database knows of it.
    row: Option<Row>,
}

#[derive(Debug)]
struct Row {
    id: i64,
    name: String,
    header_tag: Option<HeaderTag>,
    plain_sha256: Option<[u8; 32]>,
    key_id: Option<KeyId>,
    integrity: String,
}

impl Target {
    /// Its path for people.
    pub(super) fn shown(&self) -> String {
        self.folder.path().join(&self.path).display().to_string()
    }

    /// Its one true path, by which two of them are compared; none if it is not there.
    pub(super) fn whole(&self) -> Option<PathBuf> {
        let path = self.folder.path().join(&self.path);
        path.canonicalize().ok()
    }

    /// The hash that the database knows of the plaintext.
    pub(super) fn known_sha256(&self) -> Option<[u8; 32]> {
        self.row.as_ref()?.plain_sha256
    }

    /// Id and name of a recording whose row knows no sidecar.
    pub(super) fn without_tag(&self) -> Option<(i64, &str)> {
        let row = self.row.as_ref().filter(|row| row.header_tag.is_none())?;
        Some((row.id, &row.name))
    }

    /// Opens the file.
    pub(super) fn open(&self) -> Result<SealedFile, ReadError> {
        open_sealed(&self.folder, &self.path)?.map_err(|refusal| ReadError::Refused {
            path: self.folder.path().join(&self.path),
            refusal,
        })
    }
}

/// The sealed files that these arguments mean: files themselves, folders with all below them.
pub(super) fn targets(files: &[PathBuf]) -> Result<Vec<Target>, CliError> {
    let mut targets = Vec::new();
    for file in files {
        if !file.is_dir() {
            let (folder, path) = beneath(file)?;
            targets.push(Target {
                folder: Arc::new(folder),
                path,
                row: None,
            });
            continue;
        }
        let folder = Arc::new(Folder::open(file).map_err(fs_error)?);
        let mut paths = Vec::new();
        scan(&folder, &mut |entry| match entry {
            Entry::Sealed { path, .. } => paths.push(path),
            // A sidecar says that there was a file.
            Entry::Sidecar { path } => paths.push(path.with_extension("")),
            _ => {}
        })
        .map_err(fs_error)?;
        paths.sort();
        paths.dedup();
        targets.extend(paths.into_iter().map(|path| Target {
            folder: Arc::clone(&folder),
            path,
            row: None,
        }));
    }
    Ok(targets)
}

/// Every sealed recording of the data folder.
pub(super) fn recorded(context: &Context<'_>) -> Result<Vec<Target>, CliError> {
    let config = setup::load(context)?.config;
    let path = match &config.recordings.folder {
        Some(folder) => folder.clone(),
        None => context.folder.join(folder::RECORDINGS_FOLDER),
    };
    let mut database = folder::open_reader(&context.folder)?;
    let rows = all(
        &mut database.snapshot()?,
        "SELECT id, original_name, file_path, header_tag, plain_sha256, key_id, integrity \
         FROM recordings WHERE state = 'sealed' ORDER BY id",
        values![],
        |row| Ok((path_of(row.text(2)?), row_of(row)?)),
    )?;
    let folder = Arc::new(Folder::open(&path).map_err(fs_error)?);
    let target = |(path, row)| Target {
        folder: Arc::clone(&folder),
        path,
        row: Some(row),
    };
    Ok(rows.into_iter().map(target).collect())
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    crate::vault::hex::decode(text)
}

/// What came out for one file.
struct Outcome {
    integrity: Integrity,
    /// What is wrong, or why nothing can be said; for people.
    detail: Option<String>,
    bad_chunks: Vec<u64>,
}

impl Outcome {
    fn of(integrity: Integrity) -> Self {
        Self {
            integrity,
            detail: None,
            bad_chunks: Vec::new(),
        }
    }

    fn with(integrity: Integrity, detail: impl ToString) -> Self {
        Self {
            detail: Some(detail.to_string()),
            ..Self::of(integrity)
        }
    }

    const fn is_bad(&self) -> bool {
        matches!(self.integrity, Integrity::Tampered | Integrity::Missing)
    }

    const fn word(&self) -> (&'static str, Ink) {
        match self.integrity {
            Integrity::Verified => ("verified", Ink::Good),
            Integrity::Unverified => ("unverified", Ink::Warning),
            Integrity::Tampered => ("TAMPERED", Ink::Worst),
            Integrity::Missing => ("MISSING", Ink::Worst),
        }
    }
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let keys = find_keys(args.key_file.as_deref(), context)?;
    let targets = if args.all {
        recorded(context)?
    } else {
        targets(&args.files)?
    };
    let bytes = |target: &Target| {
        let found = std::fs::symlink_metadata(target.folder.path().join(&target.path));
        found.map_or(0, |found| found.len())
    };
    let all_bytes: u64 = targets.iter().map(bytes).sum();
    let bar = progress(context, all_bytes);
    let began = Instant::now();
    let mut outcomes = Vec::new();
    for target in targets {
        outcomes.extend(look_well(target, &keys, &|bytes| bar.inc(bytes), context)?);
    }
    bar.finish_and_clear();
    record(&outcomes, context);
    if args.json {
        show_json(&outcomes, context)?;
    } else {
        let few = args.files.iter().all(|file| !file.is_dir()) && !args.all;
        show(&outcomes, few || context.global.verbose > 0, context)?;
        writeln!(
            context.out,
            "{} looked at, {} in {}",
            count(outcomes.len(), "file"),
            human_bytes(all_bytes as i64),
            setup::spoken(began.elapsed())
        )?;
    }
    let bad = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_bad())
        .count();
    if bad > 0 {
        context.out.flush()?;
        let verb = if bad == 1 { "is" } else { "are" };
        let text = format!("{} {verb} not what was sealed", count(bad, "file"));
        return Err(CliError::new(Exit::ProblemsFound, text));
    }
    Ok(())
}

/// Looks at a file; again before anything bad is said of it, as the daemon may be exchanging it for
/// another copy, or may have deleted it since the list was made. None if there is nothing to say.
fn look_well(
    mut target: Target,
    keys: &dyn Keys,
    progress: &(dyn Fn(u64) + Sync),
    context: &Context<'_>,
) -> Result<Option<(Target, Outcome)>, CliError> {
    let mut outcome = look(&target, keys, progress)?;
    if !outcome.is_bad() {
        return Ok(Some((target, outcome)));
    }
    std::thread::park_timeout(EXCHANGE_PAUSE);
    if let Some(row) = &target.row {
        let Some(now) = row_now(row.id, context)? else {
            return Ok(None);
        };
        target.row = Some(now);
    }
    outcome = look(&target, keys, &|_| {})?;
    Ok(Some((target, outcome)))
}

/// What the database says by now of a recording that is sealed.
fn row_now(id: i64, context: &Context<'_>) -> Result<Option<Row>, CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    Ok(first(
        &mut database.snapshot()?,
        "SELECT id, original_name, file_path, header_tag, plain_sha256, key_id, integrity \
         FROM recordings WHERE id = ?1 AND state = 'sealed'",
        values![id],
        row_of,
    )?)
}

fn row_of(row: &dyn storage::Row) -> Result<Row, StorageError> {
    Ok(Row {
        id: row.int(0)?,
        name: row.text(1)?.to_owned(),
        header_tag: row.opt_text(3)?.and_then(unhex).map(HeaderTag),
        plain_sha256: row.opt_text(4)?.and_then(unhex),
        key_id: row.opt_text(5)?.and_then(unhex).map(KeyId),
        integrity: row.text(6)?.to_owned(),
    })
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn look(
    target: &Target,
    keys: &dyn Keys,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Outcome, CliError> {
    let sealed = match target.open() {
        Ok(sealed) => sealed,
        Err(ReadError::Refused {
            refusal: Refusal::Vanished,
            ..
        }) => return Ok(Outcome::with(Integrity::Missing, "the file is gone")),
        Err(ReadError::Refused { refusal, .. }) => {
            return Ok(Outcome::with(Integrity::Unverified, refusal));
        }
        Err(error) => return Err(read_error(error)),
    };
    let expected = Expected {
        header_tag: target.row.as_ref().and_then(|row| row.header_tag),
        key_id: target.row.as_ref().and_then(|row| row.key_id),
    };
    Ok(match verify(&sealed, keys, expected, progress) {
        Ok(Verdict::Verified { .. }) => Outcome::of(Integrity::Verified),
        Ok(Verdict::Tampered {
            damage,
            bad_chunks,
            bad_count,
        }) => {
            let detail = match bad_count {
                0 | 1 => damage.to_string(),
                _ => chunks_in_words(&bad_chunks, bad_count),
            };
            Outcome {
                integrity: Integrity::Tampered,
                detail: Some(detail),
                bad_chunks,
            }
        }
        Ok(Verdict::Unverified) => by_hash(target, &sealed, keys),
        Err(error @ ReadError::TooShort { .. }) => Outcome::with(Integrity::Tampered, error),
        Err(error) => Outcome::with(Integrity::Unverified, error),
    })
}

/// A file without a sidecar can be compared with the hash in its row.
fn by_hash(target: &Target, sealed: &SealedFile, keys: &dyn Keys) -> Outcome {
    let none = "it has no sidecar; `nightjar vault seal-legacy` adds one";
    let Some((row, sha256)) = target
        .row
        .as_ref()
        .and_then(|row| Some((row, row.plain_sha256?)))
    else {
        return Outcome::with(Integrity::Unverified, none);
    };
    let key = match row.key_id {
        Some(id) => keys.get(&id),
        None => keys.current(),
    };
    let Some(key) = key else {
        return Outcome::with(Integrity::Unverified, "the key that sealed it is not here");
    };
    match verify_hash(sealed, key, &sha256) {
        Ok(unseal::Verdict::Matches(_)) => Outcome::with(Integrity::Unverified, none),
        Ok(unseal::Verdict::Differs(_)) => {
            Outcome::with(Integrity::Tampered, "its content is not the recorded one")
        }
        Err(error) => Outcome::with(Integrity::Unverified, error),
    }
}

fn chunks_in_words(bad: &[u64], count: u64) -> String {
    let named: Vec<_> = bad
        .iter()
        .take(CHUNKS_NAMED)
        .map(ToString::to_string)
        .collect();
    let more = count - named.len() as u64;
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("chunks {}{rest} were changed", named.join(", "))
}

/// Records what differs from what the rows say.
fn record(outcomes: &[(Target, Outcome)], context: &mut Context<'_>) {
    let is_missing = |(_, outcome): &(Target, Outcome)| outcome.integrity == Integrity::Missing;
    if !outcomes.is_empty() && outcomes.iter().all(is_missing) {
        context
            .note("none of the recordings is there, so nothing is recorded: is the disk mounted?");
        return;
    }
    let now = context.clock.now();
    let events: Vec<_> = outcomes
        .iter()
        .filter_map(|(target, outcome)| {
            let row = target.row.as_ref()?;
            if row.integrity == outcome.integrity.name() {
                return None;
            }
            let checked = Checked {
                recording: row.id,
                integrity: outcome.integrity,
                bad_chunks: outcome.bad_chunks.iter().map(|i| *i as i64).collect(),
            };
            let event = NewEvent::own(now, format!("recording/{}", row.name), checked);
            Some(match &outcome.detail {
                Some(detail) => event.with_text(detail),
                None => event,
            })
        })
        .collect();
    if !events.is_empty()
        && let Err(error) = decide(context, events)
    {
        context.note(&format!("what was found could not be recorded: {error}"));
    }
}

fn show(
    outcomes: &[(Target, Outcome)],
    each: bool,
    context: &mut Context<'_>,
) -> std::io::Result<()> {
    let screen = context.screen;
    for (target, outcome) in outcomes {
        if !each && outcome.integrity == Integrity::Verified {
            continue;
        }
        let (word, ink) = outcome.word();
        let word = format!("{word:<10}");
        let shown = shown(target);
        let detail = outcome.detail.as_ref().map(|text| format!(": {text}"));
        writeln!(
            context.out,
            "{}  {}{}",
            screen.paint(ink, &word),
            visible(&shown),
            visible(detail.as_deref().unwrap_or_default())
        )?;
    }
    let number = |integrity| {
        let of = outcomes.iter().filter(|(_, o)| o.integrity == integrity);
        of.count()
    };
    writeln!(
        context.out,
        "{} verified, {} unverified, {} tampered, {} missing",
        number(Integrity::Verified),
        number(Integrity::Unverified),
        number(Integrity::Tampered),
        number(Integrity::Missing)
    )
}

fn shown(target: &Target) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let within = printable_path(target.path.as_os_str().as_bytes());
    match target.folder.path() {
        here if here == Path::new(".") => within,
        folder => format!("{}/{within}", folder.display()),
    }
}

fn show_json(outcomes: &[(Target, Outcome)], context: &mut Context<'_>) -> std::io::Result<()> {
    let files: Vec<_> = outcomes
        .iter()
        .map(|(target, outcome)| {
            json!({
                "path": shown(target),
                "recording": target.row.as_ref().map(|row| row.id),
                "integrity": outcome.integrity.name(),
                "detail": outcome.detail,
                "bad_chunks": outcome.bad_chunks,
            })
        })
        .collect();
    let ok = outcomes.iter().all(|(_, outcome)| !outcome.is_bad());
    writeln!(context.out, "{:#}", json!({ "ok": ok, "files": files }))
}

fn progress(context: &Context<'_>, bytes: u64) -> ProgressBar {
    if !context.screen.live {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    let template = "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
