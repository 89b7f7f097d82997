//! `nightjar publish`: one message to the broker, without other tools.

use std::io::Read as _;
use std::time::Duration;

use super::exit::{CliError, Exit};
use super::{Context, setup};
use crate::decode::topic::Topic;
use crate::ingest::mqtt::publish::{Message, publish};

/// Largest payload that is published, bytes: what the broker's example configuration takes.
const MAX_PAYLOAD_BYTES: u64 = 16 * 1024 * 1024;

/// Options of `publish`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar publish vigilar/sensor/back_door/contact_open '{\"battery\": 88}'
  nightjar publish --broker localhost:18883 vigilar/sensor/porch/temperature 4.5
  cat picture.jpg | nightjar publish vigilar/camera/porch/snapshot -")]
pub struct Args {
    /// Topic
    pub topic: String,
    /// Payload; `-` reads it from stdin
    pub payload: String,
    /// The broker keeps it for later subscribers
    #[arg(long)]
    pub retain: bool,
    /// 0: sent and forgotten; 1: until the broker has answered
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    /// Another broker than the configured one
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Option<String>,
}

/// Runs the verb.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    args.topic
        .parse::<Topic>()
        .map_err(|error| CliError::new(Exit::Usage, format!("topic: {error}")))?;
    let mut broker = setup::broker(&setup::load(context)?.config);
    if let Some(address) = &args.broker {
        (broker.host, broker.port) = setup::parse_broker(address)?;
    } else if let Some(address) = setup::running_broker(context) {
        (broker.host, broker.port) = address;
    }
    let payload = if args.payload == "-" {
        let mut bytes = Vec::new();
        (&mut *context.input).take(MAX_PAYLOAD_BYTES).read_to_end(&mut bytes)?;
        bytes
    } else {
        args.payload.clone().into_bytes()
    };
    let message = Message {
        after: Duration::ZERO,
        topic: args.topic.clone(),
        qos: args.qos,
        retain: args.retain,
        payload,
    };
    setup::edge()?
        .block_on(publish(&broker, [message], |_| {}))
        .map_err(|error| CliError::new(Exit::Unavailable, error.to_string()))?;
    writeln!(context.messages, "published to {}:{}", broker.host, broker.port)?;
    Ok(())
}
