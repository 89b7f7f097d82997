//! `alerts subscriptions`: the browsers that want to be told.
//!
//! Of an address only the server is shown: the rest is as good as a password.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Subcommand;

use super::super::exit::{CliError, Exit};
use super::super::table::FormatArgs;
use super::super::{Context, decide, folder, setup};
use super::{check_recipient, write_rows};
use crate::delivery::web_push::subscription::Subscription;
use crate::read_model::view::{Shape, Window};
use crate::read_model::{alerts, views};
use crate::storage::Owned;
use crate::writer::StateChange;
use crate::writer::change::SUBSCRIPTIONS_MAX;

/// Longest file that is read, bytes; browsers write about 500.
const FILE_MAX_BYTES: u64 = 16 * 1_024;
/// Longest name of a browser that is kept, characters.
const BROWSER_CHARS: usize = 200;

const EXAMPLES: &str = "\
Examples:
  nightjar alerts subscriptions list
  nightjar alerts subscriptions add --recipient ada --file subscription.json
  nightjar alerts subscriptions add --recipient ada --file - < subscription.json
  nightjar alerts subscriptions remove 3 --yes

The file holds what PushSubscription.toJSON() gives in the browser that is to be told, after it
subscribed with the key that `nightjar alerts vapid-key` shows.";

/// Arguments of `alerts subscriptions`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The browsers, the newest first
    List(List),
    /// Add a browser, or renew what is known of it
    Add(Add),
    /// Tell a browser no more
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only of this recipient
    #[arg(long, value_name = "NAME")]
    recipient: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Whose browser it is
    #[arg(long, value_name = "NAME")]
    recipient: String,
    /// The subscription as JSON; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Which browser it is, in your own words
    #[arg(long, value_name = "TEXT")]
    browser: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Remove {
    /// Its number, as `list` tells it
    id: i64,
    /// Really do it: the browser must subscribe again to be told
    #[arg(long)]
    yes: bool,
}

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list(args, context),
        Verb::Add(args) => add(args, context),
        Verb::Remove(args) => remove(args, context),
    }
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let view = views()
        .find(|view| view.name == "push_subscriptions")
        .expect("the read model has this view");
    // Every recipient of the configuration with as many browsers as one can have.
    let limit = 64 * SUBSCRIPTIONS_MAX as u32;
    let window = Window {
        since: i64::MIN,
        until: i64::MAX,
        limit: i64::from(limit) + 1,
    };
    let columns: Vec<(&str, Shape)> = view
        .columns
        .iter()
        .map(|column| (column.name, column.shape))
        .collect();
    let of = columns.iter().position(|(name, _)| *name == "recipient");
    let mut database = folder::open_reader(&context.folder)?;
    let mut rows = view.rows(&mut database.snapshot()?, window)?;
    if let (Some(of), Some(name)) = (of, &args.recipient) {
        rows.retain(|row| row[of] == Owned::Text(name.clone()));
    }
    write_rows(&columns, rows, limit, args.format, context)
}

fn add(args: &Add, context: &mut Context<'_>) -> Result<(), CliError> {
    let config = setup::load(context)?.config;
    check_recipient(&args.recipient, &config)?;
    let shown = args.file.display().to_string();
    let mut text = Vec::new();
    if shown == "-" {
        (&mut *context.input)
            .take(FILE_MAX_BYTES)
            .read_to_end(&mut text)?;
    } else {
        std::fs::File::open(&args.file)
            .and_then(|file| file.take(FILE_MAX_BYTES).read_to_end(&mut text))
            .map_err(|error| {
                CliError::new(Exit::NoInput, format!("cannot read {shown}: {error}"))
            })?;
    }
    let subscription = Subscription::from_json(&text)
        .map_err(|error| CliError::new(Exit::BadData, format!("{shown}: {error}")))?;
    let (p256dh, auth) = subscription.to_bytes();
    let browser = args.browser.as_ref();
    let row = decide::change(
        context,
        StateChange::PushSubscribed {
            recipient: args.recipient.clone(),
            endpoint: subscription.endpoint().expose(),
            p256dh,
            auth,
            user_agent: browser.map(|text| text.chars().take(BROWSER_CHARS).collect()),
        },
    )?;
    writeln!(
        context.out,
        "subscription {} of {} at {}",
        row.unwrap_or_default(),
        args.recipient,
        subscription.endpoint().host()
    )?;
    let recipients = &config.alerts.recipient;
    if !recipients
        .iter()
        .any(|one| one.name == args.recipient && one.web_push)
    {
        context.note(&format!(
            "{} is not told by web push yet: set `web_push = true` in [[alerts.recipient]]",
            args.recipient
        ));
    }
    Ok(())
}

fn remove(args: &Remove, context: &mut Context<'_>) -> Result<(), CliError> {
    let id = args.id;
    let known = {
        let mut database = folder::open_reader(&context.folder)?;
        alerts::push_subscription(&mut database.snapshot()?, id)?
    };
    let Some(known) = known else {
        let text = format!(
            "there is no subscription {id}; `nightjar alerts subscriptions list` shows them"
        );
        return Err(CliError::new(Exit::NoInput, text));
    };
    if !args.yes {
        let text = format!(
            "subscription {id} is a browser of {}; to tell it no more, add --yes",
            known.recipient
        );
        return Err(CliError::new(Exit::Usage, text));
    }
    decide::change(context, StateChange::PushUnsubscribed { id })?;
    Ok(writeln!(
        context.out,
        "removed subscription {id} of {}",
        known.recipient
    )?)
}
