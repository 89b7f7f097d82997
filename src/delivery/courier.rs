//! The courier: one message to one target, over the channel that the target names.
//!
//! Shared by the daemon's workers and by `nightjar alerts test`, so that what the test shows is what
//! an alert gets.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::ntfy::Ntfy;
use super::web_push::subscription::Subscription;
use super::web_push::vapid::Vapid;
use super::web_push::{self, RANDOM_BYTES};
use super::webhook::Webhook;
use super::{Message, Outcome, Poster};
use crate::base::clock::UnixNanos;
use crate::event::alarm::{Channel, Target};
use crate::read_model::alerts::PushSubscription;
use zeroize::Zeroizing;

/// A channel of the configuration, or why it cannot be used, such as a secret's file that is
/// missing. That is tried again: the file may be restored before the alert is given up.
pub type Way<T> = Result<T, String>;

/// How one recipient can be reached.
#[derive(Debug, Default)]
pub struct Ways {
    /// By a message on the bus.
    pub mqtt: bool,
    /// By their topic of ntfy.
    pub ntfy: Option<Way<Ntfy>>,
    /// By a signed request.
    pub webhook: Option<Way<Webhook>>,
    /// By the browsers that they subscribed.
    pub web_push: bool,
}

/// Everybody who can be reached.
#[derive(Debug, Default)]
pub struct Directory {
    /// By name.
    pub recipients: BTreeMap<String, Ways>,
    /// What signs requests to push services.
    pub vapid: Option<Way<Vapid>>,
}

impl Directory {
    /// What keeps channels of the configuration from being used.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        for (name, ways) in &self.recipients {
            let ntfy = ways.ntfy.as_ref().and_then(|way| way.as_ref().err());
            let webhook = ways.webhook.as_ref().and_then(|way| way.as_ref().err());
            let found = ntfy.into_iter().chain(webhook);
            troubles.extend(found.map(|reason| format!("{name} cannot be alerted: {reason}")));
        }
        let vapid = self.vapid.as_ref().and_then(|way| way.as_ref().err());
        troubles.extend(vapid.map(|reason| format!("no alerts by web push: {reason}")));
        troubles
    }
}

/// Publishes on a topic and waits for the broker's answer, with a bound.
pub type Publish = dyn Fn(&str, Vec<u8>) -> Outcome + Send + Sync;

/// What sends.
pub struct Courier {
    /// Who can be reached.
    pub directory: Directory,
    /// What makes the requests.
    pub poster: Poster,
    /// The way to the bus.
    pub publish: Box<Publish>,
    /// What our own topics lie below, such as `nightjar/home`.
    pub base: String,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// The message on the bus: what the other channels carry, and the two names that Home Assistant
/// looks for.
#[derive(Serialize)]
struct OnTheBus<'a> {
    #[serde(flatten)]
    message: &'a Message,
    event_type: &'a str,
    #[serde(rename = "message")]
    text: &'a str,
}

impl Courier {
    /// Sends; `browser` is the subscription that a target of web push names, if there is one,
    /// `random` fresh from the system's random source.
    pub fn send(
        &self,
        target: &Target,
        browser: Option<&PushSubscription>,
        message: &Message,
        now: UnixNanos,
        random: &Zeroizing<[u8; RANDOM_BYTES]>,
    ) -> Outcome {
        let who = &target.recipient;
        let Some(ways) = self.directory.recipients.get(who) else {
            return refused(format!(
                "{who} is no recipient of the configuration any more"
            ));
        };
        let not_configured = || {
            let channel = target.channel.name();
            refused(format!("{who} is not to be told by {channel} any more"))
        };
        match target.channel {
            Channel::Mqtt if ways.mqtt => self.publish(who, message),
            Channel::Mqtt => not_configured(),
            Channel::Ntfy => match &ways.ntfy {
                Some(Ok(ntfy)) => ntfy.send(&self.poster, message, now),
                Some(Err(reason)) => later(reason),
                None => not_configured(),
            },
            Channel::Webhook => match &ways.webhook {
                Some(Ok(webhook)) => webhook.send(&self.poster, message, now),
                Some(Err(reason)) => later(reason),
                None => not_configured(),
            },
            Channel::WebPush if !ways.web_push => not_configured(),
            Channel::WebPush => {
                let vapid = match &self.directory.vapid {
                    Some(Ok(vapid)) => vapid,
                    Some(Err(reason)) => return later(reason),
                    None => return refused("there is no key for web push any more".to_owned()),
                };
                let Some(browser) = browser.filter(|browser| browser.recipient == *who) else {
                    let id = target.address;
                    return refused(format!("push subscription {id} was removed"));
                };
                let read =
                    Subscription::from_bytes(&browser.endpoint, &browser.p256dh, &browser.auth);
                match read {
                    Ok(to) => web_push::send(&self.poster, vapid, &to, message, now, random),
                    Err(error) => refused(error.to_string()),
                }
            }
        }
    }

    fn publish(&self, recipient: &str, message: &Message) -> Outcome {
        let payload = serde_json::to_vec(&OnTheBus {
            message,
            event_type: &message.kind,
            text: &message.body,
        })
        .expect("texts and numbers can be written as JSON");
        (self.publish)(&format!("{}/alert/{recipient}", self.base), payload)
    }
}

fn refused(reason: String) -> Outcome {
    Outcome::Refused { reason }
}

fn later(reason: &str) -> Outcome {
    Outcome::Retry {
        reason: reason.to_owned(),
        after: None,
    }
}
