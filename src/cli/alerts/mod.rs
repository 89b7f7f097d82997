//! `alerts`: who was told of what, what they said of it, and whether they can be reached.

mod list;
mod say;
mod show;
mod stats;
mod subscriptions;
mod test;
mod vapid_key;

use clap::Subcommand;

use super::events::severity_name;
use super::exit::{CliError, Exit};
use super::table::{FormatArgs, Heading, RowWriter};
use super::{Context, folder, suggestion};
use crate::config::Config;
use crate::event::alarm::Channel;
use crate::read_model::view::Shape;
use crate::storage::Owned;
use crate::store::alert::{AlertStoreError, Alerts};

const EXAMPLES: &str = "\
Examples:
  nightjar alerts list --since today
  nightjar alerts list --status pending                 what is still to be delivered
  nightjar alerts list --open --unacknowledged          what nobody has looked at yet
  nightjar alerts list --entity camera/yard --severity ALERT
  nightjar alerts show 1234                             one alert, what was counted on it, every try
  nightjar alerts ack 1234 1240                         somebody has seen them
  nightjar alerts feedback 1234 fp --note \"the cat\"    it was a false one
  nightjar alerts snooze 1234 --for 2h                  nobody is told of such for two hours
  nightjar alerts stats --by rule                       which rules are right how often
  nightjar alerts log --recipient ada --status failed
  nightjar alerts test --recipient ada                  a message now, by every channel of ada
  nightjar alerts vapid-key --out /etc/nightjar/secrets/vapid.key
  nightjar alerts subscriptions add --recipient ada --file subscription.json";

/// Arguments of `alerts`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The alerts, the newest first, and how many deliveries are done
    List(list::List),
    /// One alert: what was counted on it, what people said of it, its deliveries and every try
    Show(show::Args),
    /// Somebody has seen them
    Ack(say::Ack),
    /// Say whether an alert was right
    Feedback(say::Feedback),
    /// Tell nobody of such alerts for a while; they are raised and counted all the same
    Snooze(say::Snooze),
    /// How many there were, and how many of them were right
    Stats(stats::Args),
    /// Each try to tell somebody, and what was held back
    Log(list::Log),
    /// Send a message to a recipient now, and tell whether it arrived
    Test(test::Args),
    /// Browsers that want to be told
    Subscriptions(subscriptions::Args),
    /// Make the key for web push, or show its public half
    VapidKey(vapid_key::Args),
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list::list(args, context),
        Verb::Show(args) => show::run(args, context),
        Verb::Ack(args) => say::ack(args, context),
        Verb::Feedback(args) => say::feedback(args, context),
        Verb::Snooze(args) => say::snooze(args, context),
        Verb::Stats(args) => stats::run(args, context),
        Verb::Log(args) => list::log(args, context),
        Verb::Test(args) => test::run(args, context),
        Verb::Subscriptions(args) => subscriptions::run(args, context),
        Verb::VapidKey(args) => vapid_key::run(args, context),
    }
}

/// The alerts of the data folder, for reading.
fn store(context: &Context<'_>) -> Result<Alerts, CliError> {
    let database = folder::open_reader(&context.folder)?;
    Ok(Alerts::new(database, None, context.clock.clone()))
}

fn store_error(error: AlertStoreError) -> CliError {
    let code = match error {
        AlertStoreError::Storage(error) => return error.into(),
        AlertStoreError::Writer(error) => return error.into(),
        AlertStoreError::Unknown(_) => Exit::NoInput,
        AlertStoreError::PageSize | AlertStoreError::Range | AlertStoreError::Unfit { .. } => {
            Exit::Usage
        }
        AlertStoreError::ReadOnly | AlertStoreError::Undecided(_) => Exit::Bug,
    };
    CliError::new(code, error.to_string())
}

/// A severity as people know it; one without a word is its number.
fn severity(id: i64) -> String {
    match severity_name(id) {
        "?" => id.to_string(),
        name => name.to_owned(),
    }
}

/// A channel as it is typed: `ntfy`, `web-push`.
fn channel(text: &str) -> Result<Channel, String> {
    let name = text.to_uppercase().replace('-', "_");
    Channel::from_name(&name).ok_or_else(|| {
        let names = Channel::ALL.map(spoken);
        let hint = suggestion::hint(text, names.iter().map(String::as_str));
        format!(
            "there is no such channel{hint} (channels: {})",
            names.join(", ")
        )
    })
}

/// A channel as people write it.
fn spoken(channel: Channel) -> String {
    channel.name().to_lowercase().replace('_', "-")
}

/// Refuses a recipient that the configuration does not know.
fn check_recipient(name: &str, config: &Config) -> Result<(), CliError> {
    let names = || config.alerts.recipient.iter().map(|one| one.name.as_str());
    if names().any(|known| known == name) {
        return Ok(());
    }
    let hint = suggestion::hint(name, names());
    let text = match names().collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => format!(
            "there is no recipient {name:?}: the configuration has none; add [[alerts.recipient]]"
        ),
        all => format!("there is no recipient {name:?}{hint}\nRecipients are: {all}"),
    };
    Err(CliError::new(Exit::Usage, text))
}

/// Writes rows of which one more than `limit` was asked for.
fn write_rows(
    columns: &[(&str, Shape)],
    mut rows: Vec<Vec<Owned>>,
    limit: u32,
    format: FormatArgs,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let heading = |(name, shape): &(&str, Shape)| Heading {
        name: (*name).to_owned(),
        shape: Some(*shape),
    };
    let headings = columns.iter().map(heading).collect();
    let mut writer = RowWriter::begin(context.out, format.format(), headings)?;
    for row in rows {
        writer.row(context.out, row)?;
    }
    writer.end(context.out, context.screen, &context.zone, more)?;
    if more {
        context.out.flush()?;
        context.note(&format!("these are the newest {limit}; --limit shows more"));
    }
    Ok(())
}
