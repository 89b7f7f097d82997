//! `timelapse`: when films of a camera's day are made.

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::table::FormatArgs;
use super::{Context, decide, events, folder, suggestion};
use crate::event::timelapse::{TimelapseScheduled, TimelapseUnscheduled};
use crate::event::{Event, NewEvent};
use crate::reactor::timelapse::next_due;
use crate::read_model::timelapse::{Schedule, schedules};
use crate::read_model::view::Shape;
use crate::storage::Owned;

const EXAMPLES: &str = "\
Examples:
  nightjar timelapse add garden --camera yard --from 6 --to 20 --at 23:30
  nightjar timelapse list
  nightjar timelapse due
  nightjar timelapse disable garden
  nightjar timelapse remove garden";

const ID_MAX_BYTES: usize = 64;

/// Arguments of `timelapse`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every schedule
    List {
        #[command(flatten)]
        format: FormatArgs,
    },
    /// A film every day; one of the same name is replaced
    Add(Add),
    /// No film any more
    Remove {
        /// Its name
        id: String,
    },
    /// In force again
    Enable {
        /// Its name
        id: String,
    },
    /// Not in force for now
    Disable {
        /// Its name
        id: String,
    },
    /// When the next films are made
    Due {
        #[command(flatten)]
        format: FormatArgs,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Its name
    id: String,
    /// The camera
    #[arg(long)]
    camera: String,
    /// First hour of the day that is filmed
    #[arg(long, value_name = "HOUR", default_value_t = 0)]
    from: i64,
    /// The hour before which filming ends
    #[arg(long, value_name = "HOUR", default_value_t = 24)]
    to: i64,
    /// When the film is made, local time
    #[arg(long, value_name = "HH:MM")]
    at: String,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List { format } => list(*format, context),
        Verb::Due { format } => due(*format, context),
        Verb::Add(add) => {
            let odd = |letter: char| letter.is_control() || letter == '/';
            if add.id.is_empty() || add.id.len() > ID_MAX_BYTES || add.id.contains(odd) {
                let text = format!("a name has 1 to {ID_MAX_BYTES} bytes, without `/`");
                return Err(CliError::new(Exit::Usage, text));
            }
            let plan = TimelapseScheduled {
                camera: add.camera.clone(),
                start_hour: add.from,
                end_hour: add.to,
                generate_time: add.at.clone(),
                enabled: true,
            };
            if !plan.is_sound() {
                let text = "give --from 0 to 23, --to after it up to 24, and --at such as 23:30";
                return Err(CliError::new(Exit::Usage, text));
            }
            let line = format!("time-lapse {} is made every day at {}", add.id, add.at);
            store(&add.id, plan.into(), &line, context)
        }
        Verb::Remove { id } => {
            find(id, context)?;
            let line = format!("time-lapse {id} is made no more");
            store(id, TimelapseUnscheduled {}.into(), &line, context)
        }
        Verb::Enable { id } => switch(id, true, context),
        Verb::Disable { id } => switch(id, false, context),
    }
}

fn switch(id: &str, enabled: bool, context: &mut Context<'_>) -> Result<(), CliError> {
    let known = find(id, context)?;
    let word = if enabled { "in force" } else { "not in force" };
    if known.enabled == enabled {
        writeln!(context.out, "time-lapse {id} is {word} already")?;
        return Ok(());
    }
    let plan = TimelapseScheduled {
        camera: known.camera,
        start_hour: known.start_hour,
        end_hour: known.end_hour,
        generate_time: known.generate_time,
        enabled,
    };
    store(
        id,
        plan.into(),
        &format!("time-lapse {id} is {word} now"),
        context,
    )
}

fn store(id: &str, event: Event, line: &str, context: &mut Context<'_>) -> Result<(), CliError> {
    let event = NewEvent::own(context.clock.now(), format!("timelapse/{id}"), event);
    decide::decide(context, vec![event])?;
    writeln!(context.out, "{}", super::term::visible(line))?;
    Ok(())
}

fn all(context: &Context<'_>) -> Result<Vec<Schedule>, CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    Ok(schedules(&mut database.snapshot()?)?)
}

fn find(id: &str, context: &Context<'_>) -> Result<Schedule, CliError> {
    let known = all(context)?;
    let hint = suggestion::hint(id, known.iter().map(|plan| plan.id.as_str()));
    known
        .iter()
        .find(|plan| plan.id == id)
        .cloned()
        .ok_or_else(|| {
            let text =
                format!("there is no time-lapse {id}{hint} (`nightjar timelapse list` shows all)");
            CliError::new(Exit::NoInput, text)
        })
}

fn list(format: FormatArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    const COLUMNS: [(&str, Shape); 7] = [
        ("id", Shape::Text),
        ("camera", Shape::Text),
        ("from_hour", Shape::Number),
        ("to_hour", Shape::Number),
        ("at", Shape::Text),
        ("enabled", Shape::Flag),
        ("last_due_at", Shape::Time),
    ];
    let rows = all(context)?.into_iter().map(|plan| {
        vec![
            Owned::Text(plan.id),
            Owned::Text(plan.camera),
            Owned::Integer(plan.start_hour),
            Owned::Integer(plan.end_hour),
            Owned::Text(plan.generate_time),
            Owned::Integer(i64::from(plan.enabled)),
            plan.last_due_at.map_or(Owned::Null, Owned::Integer),
        ]
    });
    events::write(&COLUMNS, rows.collect(), false, format, context)
}

fn due(format: FormatArgs, context: &mut Context<'_>) -> Result<(), CliError> {
    const COLUMNS: [(&str, Shape); 3] = [
        ("id", Shape::Text),
        ("camera", Shape::Text),
        ("next_due_at", Shape::Time),
    ];
    let now = context.clock.now();
    let mut plans: Vec<_> = all(context)?
        .into_iter()
        .map(|plan| (next_due(&plan, now, &context.zone), plan))
        .collect();
    plans.sort_by_key(|(due, plan)| (due.is_none(), *due, plan.id.clone()));
    let rows = plans.into_iter().map(|(due, plan)| {
        vec![
            Owned::Text(plan.id),
            Owned::Text(plan.camera),
            due.map_or(Owned::Null, Owned::Integer),
        ]
    });
    events::write(&COLUMNS, rows.collect(), false, format, context)
}
