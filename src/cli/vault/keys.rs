//! `vault keys`: which keys there are, where, and what needs them.

use std::collections::BTreeMap;
use std::io::Write;

use super::rotate::rotation_error;
use crate::base::clock::rfc3339;
use crate::cli::exit::{CliError, Exit};
use crate::cli::grid::Grid;
use crate::cli::opening::{fs_error, key_error};
use crate::cli::term::{Ink, grouped};
use crate::cli::when::local;
use crate::cli::{Context, folder, setup};
use crate::config::Config;
use crate::ingest::recordings;
use crate::storage::{Session, StorageError, all};
use crate::vault::folder::Folder;
use crate::vault::key::{self, Key, KeyEnvironment, KeyId, KeyOptions, KeySource, NotAKeyId};
use crate::vault::keyring::{Keyring, KeyringError};
use crate::vault::rotation::{self, Plan};
use crate::vault::scan::{Entry, IgnoreReason, scan};
use crate::vault::sidecar;
use crate::vault::unseal::{open_sealed, unseal};

/// Bytes from which a container of video is known.
const HEAD_BYTES: usize = 512;

/// Options of `vault keys`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar vault keys                            which keys there are, and what needs them
  nightjar vault keys --json
  nightjar vault keys --drop a8cc6e3c1c993f1e    delete a key that nothing needs any more")]
pub(super) struct KeysArgs {
    /// Delete this key from the keyring; refused while anything needs it
    #[arg(long, value_name = "ID")]
    drop: Option<String>,
    /// One JSON object
    #[arg(long, conflicts_with = "drop")]
    json: bool,
}

/// What the database says of a key.
#[derive(Debug, Default)]
pub(super) struct Need {
    /// Unix nanoseconds; none for keys from before the first rotation.
    since: Option<i64>,
    is_retired: bool,
    pub(super) reencrypt: bool,
    /// Recordings that are sealed under it.
    recordings: i64,
    /// The same with their thumbnails.
    pub(super) files: i64,
}

pub(super) fn needs(session: &mut dyn Session) -> Result<BTreeMap<String, Need>, StorageError> {
    let mut needs = BTreeMap::<String, Need>::new();
    let keys = all(
        session,
        "SELECT key_id, since, retired_at, reencrypt FROM vault_keys",
        &[],
        |row| {
            let need = Need {
                since: Some(row.int(1)?).filter(|since| *since > 0),
                is_retired: row.opt_int(2)?.is_some(),
                reencrypt: row.int(3)? == 1,
                ..Need::default()
            };
            Ok((row.text(0)?.to_owned(), need))
        },
    )?;
    needs.extend(keys);
    let counts = all(
        session,
        "SELECT key_id, sum(video), count(*) FROM (\
         SELECT key_id, 1 AS video FROM recordings WHERE state = 'sealed' AND key_id <> '' \
         UNION ALL SELECT thumbnail_key_id, 0 FROM recordings \
         WHERE state = 'sealed' AND thumbnail_key_id <> '') GROUP BY key_id",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.int(2)?)),
    )?;
    for (id, recordings, files) in counts {
        let need = needs.entry(id).or_default();
        (need.recordings, need.files) = (recordings, files);
    }
    Ok(needs)
}

/// One line of `vault keys`.
#[derive(Debug)]
struct Line {
    id: String,
    places: Vec<&'static str>,
    state: &'static str,
    need: Need,
    problem: Option<String>,
}

/// All that `vault keys` shows.
struct Keys {
    lines: Vec<Line>,
    ring: Keyring,
    unfinished: Option<Plan>,
    problems: Vec<String>,
}

/// Runs `vault keys`.
pub(super) fn keys(args: &KeysArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    if let Some(id) = &args.drop {
        let id = id
            .parse()
            .map_err(|error: NotAKeyId| CliError::new(Exit::Usage, format!("{id}: {error}")))?;
        return drop_key(id, context);
    }
    let keys = gather(context)?;
    if args.json {
        show_json(&keys, context)?;
    } else {
        show(&keys, context)?;
    }
    context.out.flush()?;
    for problem in &keys.problems {
        context.note(problem);
    }
    if let Some(Plan { from, to, .. }) = keys.unfinished {
        context.note(&format!(
            "the rotation from {from} to {to} was cut short; `nightjar vault rotate --finish` \
             finishes it"
        ));
    }
    Ok(())
}

fn gather(context: &Context<'_>) -> Result<Keys, CliError> {
    let config = setup::load(context)?.config;
    let options = setup::key_options(&config);
    let ring = Keyring::of(&options);
    let mut problems = Vec::new();
    let mut needs = if context.folder.join(folder::DATABASE_FILE).exists() {
        let mut database = folder::open_reader(&context.folder)?;
        needs(&mut database.snapshot()?)?
    } else {
        BTreeMap::new()
    };
    let Found {
        mut places,
        mut unfit,
        current,
    } = find(&options, &ring, &mut problems);
    problems.extend(unfit.values().cloned());
    let mut ids: Vec<String> = needs
        .iter()
        // A key that nothing needs and that is nowhere is history.
        .filter(|(_, need)| need.files > 0)
        .map(|(id, _)| id.clone())
        .chain(places.keys().cloned())
        .chain(unfit.keys().cloned())
        .collect();
    ids.sort();
    ids.dedup();
    let mut lines: Vec<Line> = ids
        .into_iter()
        .map(|id| {
            let places = places.remove(&id).unwrap_or_default();
            let need = needs.remove(&id).unwrap_or_default();
            let problem = unfit.remove(&id);
            let state = if current.as_ref() == Some(&id) {
                "current"
            } else if !places.is_empty() {
                "retired"
            } else if problem.is_some() {
                "unfit"
            } else {
                "missing"
            };
            Line {
                id,
                places,
                state,
                need,
                problem,
            }
        })
        .collect();
    // The current one first, then the newest.
    lines.sort_by_key(|line| (line.state != "current", -line.need.since.unwrap_or(0)));
    let unfinished = rotation::unfinished(&ring).unwrap_or_else(|error| {
        problems.push(error.to_string());
        None
    });
    Ok(Keys {
        lines,
        ring,
        unfinished,
        problems,
    })
}

/// The keys that are there.
#[derive(Default)]
struct Found {
    places: BTreeMap<String, Vec<&'static str>>,
    /// Files of the keyring that cannot be used, and why.
    unfit: BTreeMap<String, String>,
    current: Option<String>,
}

fn find(options: &KeyOptions, ring: &Keyring, problems: &mut Vec<String>) -> Found {
    let mut found = Found::default();
    match key::find(options, &environment()) {
        Ok((key, source)) => {
            let place = match source {
                KeySource::Credential(_) => "credential",
                KeySource::KeyFile(_) => "key file",
                KeySource::Environment => "environment",
            };
            let id = key.id().to_string();
            found.places.entry(id.clone()).or_default().push(place);
            found.current = Some(id);
        }
        Err(error) => problems.push(error.to_string()),
    }
    let ids = ring.ids().unwrap_or_else(|error| {
        problems.push(error.to_string());
        Vec::new()
    });
    for id in ids {
        match ring.load(&id) {
            Ok(Some(_)) => {
                let places = found.places.entry(id.to_string()).or_default();
                places.push("keyring");
            }
            Ok(None) => {}
            Err(error) => {
                found.unfit.insert(id.to_string(), error.to_string());
            }
        }
    }
    found
}

fn show(keys: &Keys, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut grid = Grid::new(context.screen);
    let names = ["key", "where", "since", "recordings", "state"];
    grid.head(names.map(String::from).into());
    grid.align_right(3);
    for line in &keys.lines {
        let state = if line.need.reencrypt && line.need.files > 0 {
            format!(
                "{}; {} files to encrypt anew",
                line.state,
                grouped(line.need.files)
            )
        } else {
            line.state.to_owned()
        };
        let ink = match line.state {
            "current" => Ink::Good,
            "missing" | "unfit" => Ink::Bad,
            _ => Ink::Plain,
        };
        let places = if line.places.is_empty() {
            "–".to_owned()
        } else {
            line.places.join(", ")
        };
        let since = line.need.since;
        let cells = vec![
            line.id.clone(),
            places,
            since.map_or_else(|| "–".into(), |at| local(at, &context.zone)),
            grouped(line.need.recordings),
            state,
        ];
        grid.row_in(cells, ink);
    }
    if keys.lines.is_empty() {
        writeln!(context.out, "no keys")?;
    } else {
        grid.write(context.out)?;
    }
    Ok(())
}

fn show_json(keys: &Keys, context: &mut Context<'_>) -> Result<(), CliError> {
    let lines: Vec<_> = keys
        .lines
        .iter()
        .map(|line| {
            serde_json::json!({
                "key_id": line.id,
                "places": line.places,
                "state": line.state,
                "since": line.need.since.map(rfc3339),
                "is_retired": line.need.is_retired,
                "recordings": line.need.recordings,
                "files": line.need.files,
                "to_reencrypt": if line.need.reencrypt { line.need.files } else { 0 },
                "problem": line.problem,
            })
        })
        .collect();
    let object = serde_json::json!({
        "keyring": keys.ring.path(),
        "keys": lines,
        "unfinished_rotation": keys.unfinished,
    });
    writeln!(context.out, "{object:#}")?;
    Ok(())
}

fn drop_key(id: KeyId, context: &mut Context<'_>) -> Result<(), CliError> {
    let config = setup::load(context)?.config;
    let options = setup::key_options(&config);
    let ring = Keyring::of(&options);
    let refuse = |reason: &str| CliError::new(Exit::BadData, format!("{id} stays: {reason}"));
    let (current, _) = key::find(&options, &environment()).map_err(key_error)?;
    if current.id() == id {
        return Err(refuse("it is the key that recordings are sealed under now"));
    }
    if rotation::unfinished(&ring)
        .map_err(rotation_error)?
        .is_some()
    {
        return Err(refuse(
            "a rotation was cut short; finish it first with `nightjar vault rotate --finish`",
        ));
    }
    if !ring.ids().map_err(keyring_error)?.contains(&id) {
        let text = format!("{} has no key {id}", ring.path().display());
        return Err(CliError::new(Exit::NoInput, text));
    }
    // Nothing but the database knows of files that are elsewhere for the moment.
    let mut database = folder::open_reader(&context.folder)?;
    let needs = needs(&mut database.snapshot()?)?;
    let rows = needs.get(&id.to_string()).map_or(0, |need| need.files);
    if rows > 0 {
        let text = format!(
            "{} recorded files are sealed under it; `nightjar vault rotate --reencrypt` seals them \
             under another key",
            grouped(rows)
        );
        return Err(refuse(&text));
    }
    let key = ring.load(&id).map_err(keyring_error)?;
    let (count, example) = files_under(&config, id, key.as_ref())?;
    if let Some(example) = example {
        let text = format!(
            "{} files in the recordings folder are sealed under it, though no row says so: {example}",
            grouped(count)
        );
        return Err(refuse(&text));
    }
    let locked = ring.lock().map_err(keyring_error)?;
    locked.remove(&id).map_err(keyring_error)?;
    writeln!(
        context.out,
        "deleted {}; nothing in the database or the recordings folder needs it",
        ring.file(&id).display()
    )?;
    Ok(())
}

/// How many sealed files of the recordings folder need a key, and the first of them.
fn files_under(
    config: &Config,
    id: KeyId,
    key: Option<&Key>,
) -> Result<(i64, Option<String>), CliError> {
    let path = config.recordings_folder();
    if !path.exists() {
        let text = format!(
            "{} is not there, so it is not known what needs the key; mount it and try again",
            path.display()
        );
        return Err(CliError::new(Exit::NoInput, text));
    }
    let folder = Folder::open(&path).map_err(fs_error)?;
    let (mut count, mut example, mut unknown) = (0, None, None);
    let tally = scan(&folder, &mut |entry| {
        let Entry::Sealed { path, .. } = entry else {
            return;
        };
        let Ok(Ok(file)) = open_sealed(&folder, &path) else {
            unknown.get_or_insert(path);
            return;
        };
        let needs_it = match (sidecar::key_of(&file), key) {
            (Some(named), _) => named == id,
            // Without a sidecar, what comes out of it has to tell.
            (None, Some(key)) => {
                let mut head = Head(Vec::with_capacity(HEAD_BYTES));
                // Ends in an error once the head is full, which is what is wanted.
                let _ = unseal(&file, key, &mut head);
                recordings::is_known_content(&head.0)
            }
            (None, None) => false,
        };
        if needs_it {
            count += 1;
            example.get_or_insert_with(|| folder.shown(&path).display().to_string());
        }
    })
    .map_err(fs_error)?;
    let is_closed = tally.ignored.contains_key(&IgnoreReason::NoPermission);
    if is_closed || unknown.is_some() {
        let what = unknown.map_or(folder.path().to_owned(), |path| folder.shown(&path));
        let text = format!(
            "not all of {} can be read, so it is not known what needs the key; run this as the \
             service's user, or repair it",
            what.display()
        );
        return Err(CliError::new(Exit::Forbidden, text));
    }
    Ok((count, example))
}

/// Takes the first bytes and no more.
struct Head(Vec<u8>);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = HEAD_BYTES - self.0.len();
        if room == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        let taken = bytes.len().min(room);
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn environment() -> KeyEnvironment {
    KeyEnvironment::from_variables(|name| std::env::var_os(name))
}

pub(super) fn keyring_error(error: KeyringError) -> CliError {
    match error {
        KeyringError::Key(error) => key_error(error),
        KeyringError::System(error) => fs_error(error),
        KeyringError::Busy { .. } => CliError::new(Exit::Locked, error.to_string()),
        KeyringError::OtherKey { .. } => CliError::new(Exit::BadData, error.to_string()),
        KeyringError::OpenToOthers { .. }
        | KeyringError::ForeignOwner { .. }
        | KeyringError::NotFolder { .. } => CliError::new(Exit::Forbidden, error.to_string()),
    }
}
