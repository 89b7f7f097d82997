//! `[retention]`: which recordings may go, and when. By default only the disk decides.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{Duration, Size};
use super::validate::{Complaint, range};
use crate::event::recording::Trigger;

/// Which recordings are deleted by themselves: the oldest first, never one with a star or a hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Retention {
    /// Whether anything is deleted by itself.
    pub enabled: bool,
    /// Time between two looks, 1m to 1d.
    pub every: Duration,
    /// Recordings older than this go; 1h to 36500d. Without it none goes for its age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// The oldest recordings go while all together take more than this; 1 MiB or more. Without it
    /// only the disk sets a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_total: Option<Size>,
    /// Other limits for some recordings. The first policy that matches one is the one that counts;
    /// the limits above are for those that none matches.
    pub policy: Vec<Policy>,
    /// What happens when the disk fills up.
    pub disk: DiskLimits,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            enabled: true,
            every: Duration::from_secs(600),
            max_age: None,
            max_total: None,
            policy: Vec::new(),
            disk: DiskLimits::default(),
        }
    }
}

/// Limits for the recordings of a camera, or of a trigger, or of both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Policy {
    /// Only recordings of this camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// Only recordings that were made for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub trigger: Option<Trigger>,
    /// Those older than this go; without it none goes for its age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// The oldest of them go while they take more than this together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_total: Option<Size>,
}

/// Used space of the recordings' file system, percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct DiskLimits {
    /// From here on `nightjar status` warns.
    #[schemars(range(min = 1, max = 100))]
    pub warn_percent: u8,
    /// From here on the oldest recordings go, whatever the other limits say.
    #[schemars(range(min = 1, max = 100))]
    pub critical_percent: u8,
    /// They go until no more than this is used.
    #[schemars(range(min = 1, max = 100))]
    pub target_percent: u8,
}

impl Default for DiskLimits {
    fn default() -> Self {
        Self {
            warn_percent: 85,
            critical_percent: 95,
            target_percent: 90,
        }
    }
}

/// More often would only keep the disk busy; a day without a look is too long.
const EVERY: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(86_400);
/// Less than an hour is a slip of the pen that costs recordings.
const AGE: RangeInclusive<Duration> =
    Duration::from_secs(3_600)..=Duration::from_secs(36_500 * 86_400);
/// Less than one clip would delete everything at once.
const TOTAL: RangeInclusive<Size> = Size::mib(1)..=Size::gib(1 << 30);
/// Most policies; each recording is compared with them one by one.
const POLICIES_MAX: usize = 64;

/// What is wrong with single values.
pub(super) fn values(retention: &Retention, complaints: &mut Vec<Complaint>) {
    range("retention.every", retention.every, &EVERY, complaints);
    if let Some(age) = retention.max_age {
        range("retention.max_age", age, &AGE, complaints);
    }
    if let Some(total) = retention.max_total {
        range("retention.max_total", total, &TOTAL, complaints);
    }
    let key = "retention.policy";
    if retention.policy.len() > POLICIES_MAX {
        complaints.push((key, format!("has more than {POLICIES_MAX} policies")));
    }
    for (index, policy) in retention.policy.iter().enumerate() {
        let mut inner = Vec::new();
        if let Some(age) = policy.max_age {
            range("max_age", age, &AGE, &mut inner);
        }
        if let Some(total) = policy.max_total {
            range("max_total", total, &TOTAL, &mut inner);
        }
        if policy.camera.is_none() && policy.trigger.is_none() {
            let message = "names neither camera nor trigger; for all recordings set \
                           `retention.max_age` and `retention.max_total`";
            complaints.push((key, format!("number {} {message}", index + 1)));
        }
        for (name, message) in inner {
            complaints.push((key, format!("number {}: `{name}` {message}", index + 1)));
        }
    }
}

/// What is wrong with keys together.
pub(super) fn conflicts(retention: &Retention) -> Vec<Complaint> {
    let disk = &retention.disk;
    let below_critical = |key, name: &str, percent| {
        (percent >= disk.critical_percent).then(|| {
            let message = format!(
                "`retention.disk.{name}` is {percent}, but must be less than \
                 `retention.disk.critical_percent`, which is {}",
                disk.critical_percent
            );
            (key, message)
        })
    };
    let warn = below_critical(
        "retention.disk.warn_percent",
        "warn_percent",
        disk.warn_percent,
    );
    let target = below_critical(
        "retention.disk.target_percent",
        "target_percent",
        disk.target_percent,
    );
    warn.into_iter().chain(target).collect()
}
