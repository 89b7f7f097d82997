//! From `[alerts]` to what can be sent: addresses are read, secrets fetched from their files.
//!
//! What is missing keeps one channel of one recipient from being used, and nothing else: the daemon
//! starts, `nightjar status` says what is wrong, and alerts wait for as long as they are tried.

use std::path::Path;

use rustix::fs::Mode;

use crate::base::secret::Secret;
use crate::config::{Alerts, Recipient};
use crate::delivery::courier::{Directory, Way, Ways};
use crate::delivery::ntfy::Ntfy;
use crate::delivery::web_push::vapid::{Vapid, VapidKey};
use crate::delivery::webhook::Webhook;
use crate::vault::key;

/// Longest secret in a file, bytes, with its line end.
const SECRET_MAX_BYTES: u64 = 4_096;

/// Who can be reached, and how.
pub(super) fn directory(alerts: &Alerts) -> Directory {
    let recipients = alerts.recipient.iter();
    Directory {
        recipients: recipients
            .map(|one| (one.name.clone(), ways(one)))
            .collect(),
        vapid: alerts
            .vapid_key_file
            .as_deref()
            .map(|path| vapid(path, alerts.contact.as_deref())),
    }
}

fn ways(recipient: &Recipient) -> Ways {
    let ntfy = recipient
        .ntfy_url
        .as_ref()
        .zip(recipient.ntfy_topic.as_ref());
    let webhook = recipient
        .webhook_url
        .as_ref()
        .zip(recipient.webhook_secret_file.as_ref());
    Ways {
        mqtt: recipient.mqtt,
        ntfy: ntfy.map(|(server, topic)| {
            let token = recipient.ntfy_token_file.as_deref().map(secret);
            let token = token.transpose()?;
            Ntfy::new(server, topic, token.as_ref()).map_err(|error| error.to_string())
        }),
        webhook: webhook.map(|(address, file)| {
            Webhook::new(address, secret(file)?).map_err(|error| error.to_string())
        }),
        web_push: recipient.web_push,
    }
}

fn secret(path: &Path) -> Way<Secret> {
    let user = rustix::process::geteuid().as_raw();
    let bytes = key::read_private(path, user, Mode::empty(), SECRET_MAX_BYTES + 1)
        .map_err(|error| error.to_string())?
        .ok_or_else(|| format!("there is no file {}", path.display()))?;
    if bytes.len() as u64 > SECRET_MAX_BYTES {
        return Err(format!(
            "{} has more than {SECRET_MAX_BYTES} bytes, so it is no secret",
            path.display()
        ));
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|_| format!("{} is not UTF-8 text", path.display()))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    Ok(Secret::new(
        line.strip_suffix('\r').unwrap_or(line).to_owned(),
    ))
}

fn vapid(path: &Path, contact: Option<&str>) -> Way<Vapid> {
    let user = rustix::process::geteuid().as_raw();
    let key = VapidKey::load(path, user).map_err(|error| error.to_string())?;
    let contact = contact.ok_or("`alerts.contact` is missing")?;
    Vapid::new(key, contact).map_err(|error| error.to_string())
}
