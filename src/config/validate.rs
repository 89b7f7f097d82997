//! What values must hold beyond their type: ranges of single keys, and what keys say together.

use std::ops::RangeInclusive;

use super::sections::{Config, Filters, Mqtt, Recordings};
use super::tables;
use super::units::{Duration, Size};
use super::wildlife;
use super::{alarm, alerts, health, host, people, registry, retention, rules};
use crate::base::secret::Secret;

/// A key and what is wrong with it.
pub(super) type Complaint = (&'static str, String);

/// MQTT counts the keep-alive in seconds and in 16 bits.
const KEEP_ALIVE: RangeInclusive<Duration> =
    Duration::from_secs(5)..=Duration::from_secs(18 * 3_600);
/// From a usual message up to the largest that MQTT can frame.
const PACKET: RangeInclusive<Size> = Size::kib(16)..=Size::mib(256);
/// From the least that SQLite works well with to what no box of this kind has.
const CACHE: RangeInclusive<Size> = Size::mib(1)..=Size::gib(16);
/// The database needs some room for itself; the upper end is ext4's largest file.
const RESERVE: RangeInclusive<Size> = Size::mib(16)..=Size::gib(16 << 10);
/// The upper end is ext4's largest file.
const MAX_FILE: RangeInclusive<Size> = Size::mib(1)..=Size::gib(16 << 10);
/// A whole scan takes a while, and a day without one is too long.
const SCAN_EVERY: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 3_600);

/// Longest site name: it is part of every client id, and MQTT 3.1.1 promises 23 to 65,535 bytes.
const SITE_NAME_MAX: usize = 32;
/// Longest host name in DNS.
const HOST_MAX_BYTES: usize = 253;
/// Longest prefix, so that the topics below it stay far below MQTT's 65,535 bytes.
const PREFIX_MAX_BYTES: usize = 128;
/// Longest text in MQTT, bytes.
const MQTT_TEXT_MAX_BYTES: usize = 65_535;
/// Longest path of a unix socket on Linux, bytes, without the final zero.
const SOCKET_PATH_MAX_BYTES: usize = 107;
/// Most extra filters per family; each is a subscription.
const FILTERS_MAX: usize = 64;
/// Most extensions; they are compared one by one.
const EXTENSIONS_MAX: usize = 32;
/// Longest extension.
const EXTENSION_MAX_BYTES: usize = 16;
/// Extensions that the vault itself gives.
const OWN_EXTENSIONS: [&str; 3] = ["vge", "auth", "tmp"];

/// What is wrong with single values, as a sentence that the key begins.
pub(super) fn values(config: &Config) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let name = &config.site.name;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > SITE_NAME_MAX || !name.bytes().all(plain) {
        complaints.push((
            "site.name",
            format!("is {name:?}, but must be 1 to {SITE_NAME_MAX} of a-z, 0-9 and `-`"),
        ));
    }
    range(
        "storage.cache",
        config.storage.cache,
        &CACHE,
        &mut complaints,
    );
    mqtt(&config.mqtt, &mut complaints);
    recordings(&config.recordings, &mut complaints);
    retention::values(&config.retention, &mut complaints);
    alarm::values(&config.alarm, &mut complaints);
    rules::values(&config.rule, &mut complaints);
    alerts::values(&config.alerts, &mut complaints);
    registry::values(config, &mut complaints);
    wildlife::values(&config.wildlife, &mut complaints);
    tables::values(&config.tables, &mut complaints);
    people::values(config, &mut complaints);
    health::values(config, &mut complaints);
    host::values(config, &mut complaints);
    complaints
}

/// What is wrong with keys together.
pub(super) fn conflicts(config: &Config) -> Vec<Complaint> {
    let mut conflicts = retention::conflicts(&config.retention);
    conflicts.extend(rules::conflicts(&config.rule, &config.mqtt));
    conflicts.extend(alerts::conflicts(&config.alerts));
    conflicts.extend(wildlife::conflicts(&config.wildlife));
    conflicts.extend(people::conflicts(config));
    let mqtt = &config.mqtt;
    if mqtt.max_packet > mqtt.receive_hard_cap {
        conflicts.push((
            "mqtt.max_packet",
            format!(
                "`mqtt.max_packet` is {}, but `mqtt.receive_hard_cap` only {}; raise the cap",
                mqtt.max_packet, mqtt.receive_hard_cap
            ),
        ));
    }
    let below = |inner: &str, outer: &str| {
        let behind = inner.strip_prefix(outer);
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('/'))
    };
    let (ours, theirs) = (&mqtt.publish_prefix, &mqtt.prefix);
    if below(ours, theirs) || below(theirs, ours) {
        conflicts.push((
            "mqtt.publish_prefix",
            format!(
                "`mqtt.publish_prefix` is \"{ours}\" and `mqtt.prefix` \"{theirs}\"; one must not \
                 lie below the other, or Nightjar would hear itself"
            ),
        ));
    }
    if mqtt.password.is_some() && mqtt.username.is_none() {
        conflicts.push((
            "mqtt.password",
            "`mqtt.password` is set without `mqtt.username`; MQTT knows no password without a name"
                .into(),
        ));
    }
    let pattern = config.recordings.path_pattern.as_str();
    let extensions = config.recordings.extensions.iter();
    if let Some(extension) = extensions
        .filter(|extension| !extension.is_empty())
        .find(|extension| pattern.ends_with(&format!(".{extension}")))
    {
        conflicts.push((
            "recordings.path_pattern",
            format!(
                "`recordings.path_pattern` ends in \".{extension}\"; leave the extension out, it \
                 is cut off before a path is compared"
            ),
        ));
    }
    conflicts
}

fn mqtt(mqtt: &Mqtt, complaints: &mut Vec<Complaint>) {
    if let Some(message) = host(&mqtt.host) {
        complaints.push(("mqtt.host", message));
    }
    for (key, prefix) in [
        ("mqtt.prefix", &mqtt.prefix),
        ("mqtt.publish_prefix", &mqtt.publish_prefix),
    ] {
        if let Some(message) = topic_prefix(prefix) {
            complaints.push((key, message));
        }
    }
    if let Some(socket) = &mqtt.socket
        && socket.as_os_str().len() > SOCKET_PATH_MAX_BYTES
    {
        complaints.push((
            "mqtt.socket",
            format!("is longer than the {SOCKET_PATH_MAX_BYTES} bytes that Linux allows"),
        ));
    }
    let username = mqtt.username.as_deref();
    let password = mqtt.password.as_ref().map(Secret::expose);
    for (key, text) in [("mqtt.username", username), ("mqtt.password", password)] {
        if text.is_some_and(|text| text.is_empty() || text.len() > MQTT_TEXT_MAX_BYTES) {
            complaints.push((
                key,
                format!("must have 1 to {MQTT_TEXT_MAX_BYTES} bytes; to do without, leave it out"),
            ));
        }
    }
    range("mqtt.keep_alive", mqtt.keep_alive, &KEEP_ALIVE, complaints);
    if !mqtt.keep_alive.as_millis().is_multiple_of(1_000) {
        let message = format!(
            "is {}, but MQTT counts it in whole seconds",
            mqtt.keep_alive
        );
        complaints.push(("mqtt.keep_alive", message));
    }
    range("mqtt.max_packet", mqtt.max_packet, &PACKET, complaints);
    let cap = mqtt.receive_hard_cap;
    range("mqtt.receive_hard_cap", cap, &PACKET, complaints);
    filters(&mqtt.filters, complaints);
}

/// Does not show what was written if that may hold a password, as `mqtt://name:password@host` does.
fn host(host: &str) -> Option<String> {
    let odd = |letter: char| letter.is_whitespace() || letter.is_control();
    if host.is_empty()
        || host.len() > HOST_MAX_BYTES
        || host.contains(odd)
        || host.contains(['/', '@'])
    {
        let message = "must be a host name or address alone, without `mqtt://` and without a name";
        return Some(message.into());
    }
    // More than one colon is an IPv6 address.
    let (name, port) = host.split_once(':')?;
    (!port.contains(':')).then(|| {
        format!("is {host:?}; write the host \"{name}\" here and the port {port} as `mqtt.port`")
    })
}

fn topic_prefix(prefix: &str) -> Option<String> {
    let odd = |letter: char| matches!(letter, '+' | '#') || letter.is_control();
    if prefix.is_empty() || prefix.len() > PREFIX_MAX_BYTES {
        return Some(format!("must have 1 to {PREFIX_MAX_BYTES} bytes"));
    }
    (prefix.contains(odd) || prefix.starts_with('$') || prefix.split('/').any(str::is_empty)).then(
        || {
            format!(
                "is {prefix:?}, but must be a topic without `+`, `#`, empty levels, or `$` in front"
            )
        },
    )
}

fn filters(filters: &Filters, complaints: &mut Vec<Complaint>) {
    for (key, filters) in [
        ("mqtt.filters.sensor", &filters.sensor),
        ("mqtt.filters.camera", &filters.camera),
        ("mqtt.filters.pet", &filters.pet),
        ("mqtt.filters.wildlife", &filters.wildlife),
        ("mqtt.filters.log", &filters.log),
        ("mqtt.filters.house", &filters.house),
    ] {
        if filters.len() > FILTERS_MAX {
            complaints.push((key, format!("has more than {FILTERS_MAX} filters")));
        }
        let fits = |filter: &String| (1..=MQTT_TEXT_MAX_BYTES).contains(&filter.len());
        if !filters.iter().all(fits) {
            complaints.push((
                key,
                "has an empty filter, or one that MQTT cannot hold".into(),
            ));
        }
    }
}

fn recordings(recordings: &Recordings, complaints: &mut Vec<Complaint>) {
    let key = "recordings.extensions";
    let extensions = &recordings.extensions;
    if extensions.is_empty() || extensions.len() > EXTENSIONS_MAX {
        let message = format!(
            "must name 1 to {EXTENSIONS_MAX} extensions; to seal nothing, set `recordings.enabled` \
             to false"
        );
        complaints.push((key, message));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    for extension in extensions {
        if extension.is_empty()
            || extension.len() > EXTENSION_MAX_BYTES
            || !extension.bytes().all(plain)
        {
            let message = format!(
                "has {extension:?}; an extension is 1 to {EXTENSION_MAX_BYTES} of a-z and 0-9, \
                 without the dot"
            );
            complaints.push((key, message));
        }
        if OWN_EXTENSIONS.contains(&extension.as_str()) {
            let message = format!("has {extension:?}, which the vault uses itself");
            complaints.push((key, message));
        }
    }
    range(
        "recordings.reserve",
        recordings.reserve,
        &RESERVE,
        complaints,
    );
    range(
        "recordings.max_file",
        recordings.max_file,
        &MAX_FILE,
        complaints,
    );
    let scan_every = recordings.scan_every;
    range("recordings.scan_every", scan_every, &SCAN_EVERY, complaints);
}

pub(super) fn range<T: Copy + PartialOrd + std::fmt::Display>(
    key: &'static str,
    value: T,
    allowed: &RangeInclusive<T>,
    complaints: &mut Vec<Complaint>,
) {
    if !allowed.contains(&value) {
        let (least, most) = (allowed.start(), allowed.end());
        complaints.push((
            key,
            format!("is {value}, but must be from {least} to {most}"),
        ));
    }
}
