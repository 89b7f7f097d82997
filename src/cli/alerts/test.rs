//! `alerts test`: a message now, over the very channels that an alert would take.

use std::time::{Duration, Instant};

use serde_json::json;
use zeroize::Zeroizing;

use super::super::exit::{CliError, Exit};
use super::super::grid::Grid;
use super::super::term::{Ink, visible};
use super::super::{Context, channels, decide, folder, setup};
use super::{channel, check_recipient, spoken};
use crate::base::ids;
use crate::config::Config;
use crate::delivery::courier::Courier;
use crate::delivery::{Message, Outcome, Poster, Severity, post};
use crate::event::alarm::{Channel, Target};
use crate::ingest::mqtt::Broker;
use crate::ingest::mqtt::publish::{self, publish};
use crate::read_model::alerts::{self, PushSubscription};
use crate::writer::StateChange;

/// Arguments of `alerts test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Who is to be told
    #[arg(long, value_name = "NAME")]
    recipient: String,
    /// Only by this channel: mqtt, ntfy, webhook or web-push
    #[arg(long, value_parser = channel)]
    channel: Option<Channel>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What came of one channel.
struct Tried {
    target: Target,
    outcome: Outcome,
    latency: Duration,
}

impl Tried {
    fn said(&self) -> &str {
        match &self.outcome {
            Outcome::Sent => "sent",
            Outcome::Retry { reason, .. } | Outcome::Refused { reason } => reason,
            Outcome::Gone => "the browser is gone; its subscription is removed",
        }
    }
}

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let config = setup::load(context)?.config;
    check_recipient(&args.recipient, &config)?;
    let targets = targets(args, &config, context)?;
    let mut broker = setup::broker(&config);
    if targets
        .iter()
        .any(|(target, _)| target.channel == Channel::Mqtt)
        && let Some(address) = setup::running_broker(context)
    {
        (broker.host, broker.port) = address;
    }
    let courier = Courier {
        directory: channels::directory(&config.alerts),
        poster: Poster::new(post::TIMEOUT),
        publish: Box::new(move |topic, payload| publish_once(&broker, topic, payload)),
        base: setup::own_topics(&config),
    };
    let run = ids::hex(&ids::random::<4>());
    let mut tried = Vec::new();
    for (target, browser) in targets {
        let began = Instant::now();
        let now = context.clock.now();
        let message = message(&config.site.name, &run, &target, now);
        let random = Zeroizing::new(ids::random());
        let outcome = if target.channel == Channel::WebPush && browser.is_none() {
            let reason = "no browser is subscribed; see `nightjar alerts subscriptions --help`";
            Outcome::Refused {
                reason: reason.to_owned(),
            }
        } else {
            courier.send(&target, browser.as_ref(), &message, now, &random)
        };
        let latency = began.elapsed();
        let id = target.address;
        match (target.channel, &outcome) {
            (Channel::WebPush, Outcome::Gone) => {
                decide::change(context, StateChange::PushUnsubscribed { id })?;
            }
            (Channel::WebPush, Outcome::Sent) => {
                decide::change(context, StateChange::PushUsed { id, at: now })?;
            }
            _ => {}
        }
        tried.push(Tried {
            target,
            outcome,
            latency,
        });
    }
    tell(args, &tried, context)?;
    let failed = tried
        .iter()
        .filter(|one| one.outcome != Outcome::Sent)
        .count();
    if failed == 0 {
        return Ok(());
    }
    let text = format!("{failed} of {} messages did not go out", tried.len());
    Err(CliError::new(Exit::ProblemsFound, text))
}

/// Every address of the recipient, or those of one channel.
fn targets(
    args: &Args,
    config: &Config,
    context: &Context<'_>,
) -> Result<Vec<(Target, Option<PushSubscription>)>, CliError> {
    let name = &args.recipient;
    let recipients = config.reactions().alerts.recipients;
    let configured = recipients
        .into_iter()
        .find(|one| one.name == *name)
        .map_or_else(Vec::new, |one| one.channels);
    if let Some(wanted) = args.channel
        && !configured.contains(&wanted)
    {
        let names: Vec<_> = configured.iter().map(|one| spoken(*one)).collect();
        let text = format!(
            "{name} is not told by {}; their channels are: {}",
            spoken(wanted),
            names.join(", ")
        );
        return Err(CliError::new(Exit::Usage, text));
    }
    let mut targets = Vec::new();
    for channel in configured {
        if args.channel.is_some_and(|wanted| wanted != channel) {
            continue;
        }
        let target = |address| Target {
            recipient: name.clone(),
            channel,
            address,
        };
        if channel != Channel::WebPush {
            targets.push((target(0), None));
            continue;
        }
        let mut database = folder::open_reader(&context.folder)?;
        let mut session = database.snapshot()?;
        let ids = alerts::subscriptions(&mut session, name)?;
        if ids.is_empty() {
            let outcome = (target(0), None);
            targets.push(outcome);
        }
        for id in ids {
            let browser = alerts::push_subscription(&mut session, id)?;
            targets.push((target(id), browser));
        }
    }
    Ok(targets)
}

fn message(site: &str, run: &str, target: &Target, now: i64) -> Message {
    Message {
        delivery_id: format!(
            "{site}-test-{run}-{}-{}-{}",
            target.recipient,
            target.channel.name(),
            target.address
        ),
        alert_id: 0,
        at: now,
        severity: Severity::Info,
        kind: "TEST".to_owned(),
        title: "Test of nightjar".to_owned(),
        body: format!(
            "Alerts for {} from {site} arrive here by {}",
            target.recipient,
            spoken(target.channel)
        ),
        url: None,
        dedupe_key: None,
    }
}

/// The daemon's own connection is the daemon's; a test makes one for itself.
fn publish_once(broker: &Broker, topic: &str, payload: Vec<u8>) -> Outcome {
    let message = publish::Message {
        after: Duration::ZERO,
        topic: topic.to_owned(),
        qos: 1,
        retain: false,
        payload,
    };
    let sent = setup::edge().and_then(|edge| {
        let sending =
            async { tokio::time::timeout(post::TIMEOUT, publish(broker, [message], |_| {})).await };
        let late = |_| CliError::new(Exit::Unavailable, "the broker does not answer");
        let refused =
            |error: publish::PublishError| CliError::new(Exit::Unavailable, error.to_string());
        edge.block_on(sending).map_err(late)?.map_err(refused)
    });
    match sent {
        Ok(_) => Outcome::Sent,
        Err(error) => Outcome::Retry {
            reason: error.message,
            after: None,
        },
    }
}

fn tell(args: &Args, tried: &[Tried], context: &mut Context<'_>) -> Result<(), CliError> {
    if args.json {
        let rows: Vec<_> = tried
            .iter()
            .map(|one| {
                json!({
                    "recipient": one.target.recipient,
                    "channel": one.target.channel.name(),
                    "address": one.target.address,
                    "sent": one.outcome == Outcome::Sent,
                    "latency_ms": one.latency.as_millis() as u64,
                    "error": (one.outcome != Outcome::Sent).then(|| one.said()),
                })
            })
            .collect();
        return Ok(writeln!(context.out, "{:#}", json!({ "tests": rows }))?);
    }
    let mut grid = Grid::new(context.screen);
    for one in tried {
        let way = match (one.target.channel, one.target.address) {
            (Channel::WebPush, 0) => spoken(Channel::WebPush),
            (Channel::WebPush, id) => format!("web-push, subscription {id}"),
            (channel, _) => spoken(channel),
        };
        let ink = if one.outcome == Outcome::Sent {
            Ink::Good
        } else {
            Ink::Bad
        };
        let took = format!("{} ms", one.latency.as_millis());
        grid.row_in(vec![way, took, visible(one.said()).into_owned()], ink);
    }
    Ok(grid.write(context.out)?)
}
