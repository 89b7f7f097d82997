//! `vault rotate`: another key seals from now on.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::keys::{environment, keyring_error, needs};
use crate::base::ids;
use crate::cli::decide::{decide, with_writer};
use crate::cli::exit::{CliError, Exit};
use crate::cli::opening::{fs_error, key_error};
use crate::cli::term::grouped;
use crate::cli::{Context, folder, setup};
use crate::config::Config;
use crate::event::NewEvent;
use crate::event::vault::KeyRotated;
use crate::ingest::control::{self, Ask};
use crate::ingest::recordings::{self, ReencryptError, Stop};
use crate::storage::{StorageError, first};
use crate::values;
use crate::vault::key;
use crate::vault::keyring::Keyring;
use crate::vault::rotation::{Due, Plan, Rotation, RotationError, Wish};

/// Options of `vault rotate`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar vault rotate                a new key; old recordings keep theirs and stay open
  nightjar vault rotate --reencrypt    and old recordings are encrypted anew under it
  nightjar vault rotate --finish       finish what a crash cut short, without another key

The key until now goes into the keyring. Cut short at any moment, nothing is lost: the next
`nightjar vault rotate` goes on where it stopped, and shows the recovery sheet again.")]
pub(super) struct RotateArgs {
    /// Also encrypt the recordings of earlier keys anew under the new one
    #[arg(long)]
    reencrypt: bool,
    /// Only finish what was begun; makes no new key
    #[arg(long, conflicts_with = "reencrypt")]
    finish: bool,
}

/// Runs `vault rotate`.
pub(super) fn rotate(args: &RotateArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    let config = setup::load(context)?.config;
    let options = setup::key_options(&config);
    let ring = Keyring::of(&options);
    let wish = Wish {
        reencrypt: args.reencrypt,
        only_finish: args.finish,
    };
    let rotation = Rotation::begin(&options, &environment(), &ring, ids::random(), wish);
    let reencrypts = if let Some(rotation) = rotation.map_err(rotation_error)? {
        carry_out(rotation, &ring, context)?
    } else {
        context.note("no rotation was cut short");
        true
    };
    if reencrypts {
        reencrypt(&config, context)?;
    }
    Ok(())
}

/// Takes the steps of a rotation; returns whether recordings are to be encrypted anew.
fn carry_out(
    mut rotation: Rotation<'_>,
    ring: &Keyring,
    context: &mut Context<'_>,
) -> Result<bool, CliError> {
    let Plan {
        from,
        to,
        reencrypt,
    } = rotation.plan();
    if rotation.is_resumed() {
        context.note(&format!(
            "finishing the rotation from {from} to {to} that was cut short"
        ));
    }
    loop {
        match rotation.advance().map_err(rotation_error)? {
            Due::Nothing => {}
            Due::Show(sheet) => setup::show_sheet(context, sheet.reveal())?,
            Due::Record(plan) => record(plan, context)?,
            Due::End => break,
        }
    }
    writeln!(
        context.out,
        "rotated: recordings are sealed under {to} from now on\n{from} is kept in {}",
        ring.path().display()
    )?;
    context.out.flush()?;
    Ok(reencrypt)
}

/// Records the rotation, unless a run that was cut short did.
fn record(plan: Plan, context: &Context<'_>) -> Result<(), CliError> {
    if is_recorded(plan, context)? {
        return Ok(());
    }
    let event = KeyRotated {
        from: plan.from.0.to_vec(),
        to: plan.to.0.to_vec(),
        reencrypt: plan.reencrypt,
    };
    let event = NewEvent::own(context.clock.now(), "vault/keys", event);
    decide(context, vec![event]).map_err(|error| {
        error.context(
            "the key is rotated, but not recorded yet; run `nightjar vault rotate --finish`",
        )
    })
}

fn is_recorded(plan: Plan, context: &Context<'_>) -> Result<bool, CliError> {
    if !context.folder.join(folder::DATABASE_FILE).exists() {
        return Ok(false);
    }
    let mut database = folder::open_reader(&context.folder)?;
    let found = first(
        &mut database.snapshot()?,
        "SELECT 1 FROM vault_keys a JOIN vault_keys b ON b.key_id = ?2 AND b.retired_at IS NULL \
         WHERE a.key_id = ?1 AND a.retired_at IS NOT NULL AND a.reencrypt >= ?3",
        values![
            &plan.from.to_string(),
            &plan.to.to_string(),
            i64::from(plan.reencrypt)
        ],
        |row| row.int(0),
    );
    match found {
        Ok(found) => Ok(found.is_some()),
        // A database of an earlier release, which the writer brings up to date.
        Err(StorageError::Sql(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Encrypts anew what is marked for it, or says that the daemon does.
fn reencrypt(config: &Config, context: &mut Context<'_>) -> Result<(), CliError> {
    let daemon = control::ask(&context.folder, Ask::Status, &mut |_| Ok(()));
    if matches!(daemon, Ok(Some(_))) {
        writeln!(
            context.out,
            "the daemon encrypts earlier recordings anew when it has time; `nightjar vault keys` \
             shows what is left"
        )?;
        return Ok(());
    }
    let Some(options) = setup::recordings(config, &context.folder)? else {
        context.note("recordings are not enabled, so none is encrypted anew");
        return Ok(());
    };
    let (current, _) = key::find(&options.key, &environment()).map_err(key_error)?;
    let bar = Bar::new(context);
    let clock = context.clock.clone();
    let shutdown = context.shutdown.clone();
    let tally = with_writer(context, |writer| {
        bar.begin(pending(context)?);
        recordings::reencrypt(&options, current, writer, &clock, &mut |tally| {
            bar.show(tally.done + tally.left);
            !shutdown.is_stopped()
        })
        .map_err(reencrypt_error)
    });
    bar.end();
    let tally = tally?;
    if tally == recordings::Reencrypted::default() {
        writeln!(context.out, "nothing is to be encrypted anew")?;
        return Ok(());
    }
    writeln!(
        context.out,
        "{} files encrypted anew",
        grouped(tally.done as i64)
    )?;
    if tally.left > 0 {
        context.out.flush()?;
        let text = format!(
            "{} files could not be encrypted anew and are as they were; `nightjar tail --level \
             alert` says why",
            tally.left
        );
        return Err(CliError::new(Exit::ProblemsFound, text));
    }
    Ok(())
}

fn pending(context: &Context<'_>) -> Result<u64, CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let needs = needs(&mut database.snapshot()?)?;
    Ok(needs
        .values()
        .filter(|need| need.reencrypt)
        .map(|need| need.files as u64)
        .sum())
}

/// A progress bar on stderr, where stderr is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(context: &Context<'_>) -> Self {
        let target = if context.screen.live {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(
            "encrypting anew {bar:30} {human_pos} of {human_len} files, {eta} left",
        )
        .expect("the template is right");
        Self(ProgressBar::with_draw_target(None, target).with_style(style))
    }

    fn begin(&self, files: u64) {
        self.0.set_length(files);
    }

    fn show(&self, files: u64) {
        self.0.set_position(files);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

pub(super) fn rotation_error(error: RotationError) -> CliError {
    match error {
        RotationError::Key(error) => key_error(error),
        RotationError::Keyring(error) => keyring_error(error),
        RotationError::System(error) => fs_error(error),
        RotationError::Credential { .. } | RotationError::Environment { .. } => {
            CliError::new(Exit::Config, error.to_string())
        }
        RotationError::Folder { .. } => CliError::new(Exit::Forbidden, error.to_string()),
        RotationError::OtherPlan { .. } | RotationError::Plan { .. } => {
            CliError::new(Exit::BadData, error.to_string())
        }
    }
}

fn reencrypt_error(error: ReencryptError) -> CliError {
    match error {
        ReencryptError::Stop(Stop::Storage(error)) => error.into(),
        ReencryptError::Stop(Stop::Writer(error)) => error.into(),
        ReencryptError::Folder(error) => fs_error(error),
    }
}
