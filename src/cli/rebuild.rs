//! `rebuild`: every table folded again from the event log, or the proof that it would come out the
//! same.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::exit::{CliError, Exit};
use super::grid::Grid;
use super::term::{Ink, grouped};
use super::{Context, folder};
use serde_json::Value;

use crate::base::lock::{self, FolderLock, LockError};
use crate::ingest::control::{self, Ask, ControlError};
use crate::read_model;
use crate::storage::sqlite::{Database, Durability, Options};
use crate::writer::rebuild::{Comparison, compare};
use crate::writer::{self, sabotage::Sabotage};

/// Front of the names of scratch databases; the process id follows.
const SCRATCH: &str = "rebuild-check-";

const EXAMPLES: &str = "\
Examples:
  nightjar rebuild --check        fold into a scratch database and compare; changes nothing
  nightjar rebuild                empty every table and fold the event log into it again";

/// Arguments of `rebuild`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only compare with what a rebuild would give; exit code 1 when a table differs
    #[arg(long)]
    check: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    if args.check {
        run_check(args, context)
    } else {
        run_rebuild(args, context)
    }
}

fn run_check(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut live = folder::open_reader(&context.folder)?;
    remove_leftovers(&context.folder);
    let scratch = Scratch::new(&context.folder);
    let options = Options {
        durability: Durability::Scratch,
        ..Options::default()
    };
    let mut database = Database::open_writer(&scratch.0, options)
        .map_err(|error| CliError::new(Exit::CannotCreate, error.to_string()))?;
    let bar = Bar::new(context);
    let compared = compare(
        &mut live,
        &mut database,
        read_model::ALL,
        &mut |_, at, all| {
            bar.show("folding", at, all);
        },
    );
    bar.end();
    drop(database);
    let compared = compared?;
    if args.json {
        show_json(&compared, context)?;
    } else {
        show(&compared, context)?;
    }
    let different = compared.iter().filter(|table| !table.is_equal()).count();
    if different > 0 {
        context.out.flush()?;
        let text = format!(
            "{different} of {} tables are not what the event log says; `nightjar rebuild` makes \
             them so",
            compared.len()
        );
        return Err(CliError::new(Exit::ProblemsFound, text));
    }
    Ok(())
}

fn run_rebuild(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    drop(folder::open_reader(&context.folder)?);
    let events = match FolderLock::acquire(&context.folder) {
        Ok(lock) => {
            let events = rebuild_at_rest(context)?;
            drop(lock);
            events
        }
        Err(LockError::Held { .. }) => ask_daemon_to_rebuild(&context.folder)?,
        Err(error) => return Err(error.into()),
    };
    if args.json {
        let object = serde_json::json!({ "events": events });
        writeln!(context.out, "{object}")?;
    } else {
        writeln!(
            context.out,
            "every table is rebuilt from {} events",
            grouped(events as i64)
        )?;
    }
    Ok(())
}

fn rebuild_at_rest(context: &Context<'_>) -> Result<u64, CliError> {
    let options = writer::Options {
        path: context.folder.join(folder::DATABASE_FILE),
        durability: Durability::Full,
        cache_kib: Options::default().cache_kib,
        clock: context.clock.clone(),
        projections: read_model::ALL,
        reactions: writer::Reactions::none(),
        tick_every: None,
        sabotage: Sabotage::NONE,
    };
    let bar = Bar::new(context);
    let rebuilt = writer::rebuild::rebuild_at_rest(&options, &mut |projection, at, all| {
        bar.show(projection, at, all);
    });
    bar.end();
    Ok(rebuilt?)
}

/// Lets the daemon that holds `dir` rebuild, and waits for the number of events.
fn ask_daemon_to_rebuild(dir: &Path) -> Result<u64, CliError> {
    match control::ask(dir, Ask::Rebuild, &mut |_| Ok(())) {
        Ok(Some(answer)) => Ok(answer
            .get("events")
            .and_then(Value::as_u64)
            .unwrap_or_default()),
        Ok(None) => {
            let who = match lock::holder(dir) {
                Some(pid) if pid != 0 => format!("process {pid}"),
                _ => "another nightjar".to_owned(),
            };
            let text = format!("{who} holds {} and does not answer", dir.display());
            Err(CliError::new(Exit::Locked, text))
        }
        Err(error @ ControlError::Refused(_)) => Err(CliError::new(Exit::Io, error.to_string())),
        Err(error) => Err(CliError::new(Exit::Unavailable, error.to_string())),
    }
}

fn show(compared: &[Comparison], context: &mut Context<'_>) -> std::io::Result<()> {
    let mut grid = Grid::new(context.screen);
    grid.head(["table", "rows", "rebuilt", ""].map(String::from).into());
    grid.align_right(1);
    grid.align_right(2);
    for table in compared {
        let (word, ink) = if table.is_equal() {
            ("equal", Ink::Good)
        } else {
            ("DIFFERENT", Ink::Worst)
        };
        let cells = vec![
            table.live.table.to_owned(),
            grouped(table.live.rows as i64),
            grouped(table.rebuilt.rows as i64),
            word.to_owned(),
        ];
        grid.row_in(cells, ink);
    }
    grid.write(context.out)
}

fn show_json(compared: &[Comparison], context: &mut Context<'_>) -> std::io::Result<()> {
    let tables: Vec<_> = compared
        .iter()
        .map(|table| {
            serde_json::json!({
                "table": table.live.table,
                "projection": table.projection,
                "rows": table.live.rows,
                "rebuilt_rows": table.rebuilt.rows,
                "sha256": table.live.sha256,
                "rebuilt_sha256": table.rebuilt.sha256,
                "equal": table.is_equal(),
            })
        })
        .collect();
    let equal = compared.iter().all(Comparison::is_equal);
    let object = serde_json::json!({ "equal": equal, "tables": tables });
    writeln!(context.out, "{object:#}")
}

/// A progress bar on stderr, where stderr is a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(context: &Context<'_>) -> Self {
        let target = if context.screen.live {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(
            "{msg:16} {bar:30} {human_pos} of {human_len} events, {eta} left",
        )
        .expect("the template is right");
        Self(ProgressBar::with_draw_target(None, target).with_style(style))
    }

    pub(super) fn show(&self, doing: &str, at: i64, all: i64) {
        self.0.set_length(all as u64);
        self.0.set_message(doing.to_owned());
        self.0.set_position(at as u64);
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// A scratch database, removed with all that SQLite lays beside it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: &Path) -> Self {
        Self(folder.join(format!("{SCRATCH}{}.db", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(end);
            // What cannot be removed now is a leftover for the next run.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes scratch databases whose process was killed.
fn remove_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| {
            let (pid, _) = name.strip_prefix(SCRATCH)?.split_once(".db")?;
            rustix::process::Pid::from_raw(pid.parse().ok()?)
        });
        if pid.is_some_and(|pid| {
            rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
        }) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_the_scratch_of_dead_processes_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let touch = |name: String| {
            std::fs::File::create(folder.path().join(&name)).unwrap();
            folder.path().join(name)
        };
        // Beyond the highest process id that Linux gives.
        let dead = touch(format!("{SCRATCH}{}.db-wal", 1 << 23));
        let own = touch(format!("{SCRATCH}{}.db", std::process::id()));
        let other = touch(format!("{SCRATCH}notes.db"));
        remove_leftovers(folder.path());
        assert!(!dead.exists());
        assert!(own.exists() && other.exists());
    }
}
