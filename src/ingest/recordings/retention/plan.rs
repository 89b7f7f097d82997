//! Which recordings are to go: a pure function of what is there, the policies, the disk and the
//! time.
//!
//! Invariants: nothing that is protected goes; the oldest go first; no more goes than a rule needs,
//! and never more than a tenth of all in one run; when all that was planned is gone, the next plan
//! is empty.

use crate::base::clock::{DAY_NS, UnixNanos};

/// The share of the sealed recordings that one run may take, as a divisor: whatever is wrong with
/// clock, configuration or disk, most are still there when somebody notices.
const RUN_DIVISOR: usize = 10;
/// The days whose recordings tell how much comes per day.
const RATE_NS: i64 = 7 * DAY_NS;
/// Less than this tells nothing of a day.
const RATE_LEAST_NS: i64 = DAY_NS / 4;
/// Cameras without a battery begin in 1970 or 2000; a start before 2001 is no time at all.
const PLAUSIBLE_SINCE: UnixNanos = 978_307_200_000_000_000;

/// One sealed recording. Small, because there may be a hundred thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its row.
    pub id: i64,
    /// From when its age counts, Unix nanoseconds; see [`since`].
    pub since: UnixNanos,
    /// What it takes on the disk, bytes, with sidecar and thumbnail.
    pub bytes: i64,
    /// Its policy: an index into [`Policies::list`], or the length of that for the general one.
    pub policy: usize,
    /// Whether a star or a hold protects it.
    pub is_protected: bool,
}

/// From when a recording's age counts: its start, unless that cannot be (before cameras were, or
/// after it was found), else when it was found.
pub fn since(started_at: Option<UnixNanos>, recorded_at: Option<UnixNanos>) -> UnixNanos {
    let recorded_at = recorded_at.unwrap_or(UnixNanos::MAX);
    started_at
        .filter(|start| *start >= PLAUSIBLE_SINCE && *start <= recorded_at.saturating_add(DAY_NS))
        .unwrap_or(recorded_at)
}

/// What one policy asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Only recordings of this camera.
    pub camera: Option<String>,
    /// Only recordings with this trigger, by its name.
    pub trigger: Option<String>,
    /// Those older than this go, nanoseconds.
    pub max_age_ns: Option<i64>,
    /// The oldest go while they take more than this together, bytes.
    pub max_total_bytes: Option<i64>,
}

impl Policy {
    /// What it is for, such as `recordings of yard by CONTINUOUS`.
    pub fn name(&self) -> String {
        let camera = self.camera.as_deref().map(|camera| format!(" of {camera}"));
        let trigger = self.trigger.as_deref().map(|name| format!(" by {name}"));
        format!(
            "recordings{}{}",
            camera.unwrap_or_default(),
            trigger.unwrap_or_default()
        )
    }

    fn matches(&self, camera: Option<&str>, trigger: Option<&str>) -> bool {
        let fits = |wanted: &Option<String>, is: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
        };
        fits(&self.camera, camera) && fits(&self.trigger, trigger)
    }
}

/// All policies: the first that matches a recording counts, else the general one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// In their order.
    pub list: Vec<Policy>,
    /// For those that none matches.
    pub general: Policy,
}

impl Policies {
    /// The policy of such a recording; see [`Candidate::policy`].
    pub fn index(&self, camera: Option<&str>, trigger: Option<&str>) -> usize {
        let found = self
            .list
            .iter()
            .position(|one| one.matches(camera, trigger));
        found.unwrap_or(self.list.len())
    }

    /// The policy with this index.
    pub fn get(&self, index: usize) -> &Policy {
        self.list.get(index).unwrap_or(&self.general)
    }

    fn len(&self) -> usize {
        self.list.len() + 1
    }

    fn name(&self, index: usize) -> String {
        match self.list.get(index) {
            Some(policy) => policy.name(),
            None if self.list.is_empty() => "all recordings".to_owned(),
            None => "recordings that no policy names".to_owned(),
        }
    }
}

/// When the disk decides; used space in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskLimits {
    /// From here on people are warned.
    pub warn_percent: u8,
    /// From here on recordings go.
    pub critical_percent: u8,
    /// Until no more than this is used.
    pub target_percent: u8,
}

/// The recordings' file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Disk {
    /// Its size, as far as this process may use it, bytes.
    pub total_bytes: i64,
    /// What is used of it, bytes.
    pub used_bytes: i64,
}

impl Disk {
    /// Bytes that may be used before it is `percent` full; negative when it is fuller.
    fn room(self, percent: u8) -> i64 {
        let limit = i128::from(self.total_bytes) * i128::from(percent) / 100;
        (limit - i128::from(self.used_bytes)) as i64
    }

    /// Used space, percent.
    pub fn percent(self) -> f64 {
        self.used_bytes as f64 / (self.total_bytes as f64).max(1.0) * 100.0
    }

    /// Whether `percent` or more is used.
    pub fn reaches(self, percent: u8) -> bool {
        self.room(percent) <= 0
    }
}

/// The rule that makes a recording go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// It is older than its policy keeps them.
    Age,
    /// Those of its policy take more than they may.
    Total,
    /// The disk fills up.
    Disk,
    /// A person wants it gone.
    Person,
}

impl Rule {
    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Total => "total",
            Self::Disk => "disk",
            Self::Person => "person",
        }
    }
}

/// A recording that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Which.
    pub candidate: Candidate,
    /// By which rule.
    pub rule: Rule,
    /// Which policy, and why, for people.
    pub text: String,
}

/// Which rules may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acting {
    /// Age and total; not while the clock cannot be trusted.
    pub by_time: bool,
    /// The disk.
    pub by_disk: bool,
}

/// What is to go, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Those of this run.
    pub removals: Vec<Removal>,
    /// How many more the rules ask for than one run may take.
    pub left_for_later: usize,
    /// Bytes that the disk rule wants and that no recording can give.
    pub unmet_bytes: i64,
}

/// What decides beside the recordings.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// What was asked for.
    pub policies: &'a Policies,
    /// When the disk decides.
    pub limits: DiskLimits,
    /// The disk now; none when it cannot be told.
    pub disk: Option<Disk>,
    /// Bytes that must be free for a recording that could not be sealed; 0 when none waits.
    pub wanted_free_bytes: i64,
    /// Which rules may act.
    pub acting: Acting,
    /// The time.
    pub now: UnixNanos,
}

/// How many of `count` recordings one run may take.
pub fn most_of(count: usize) -> usize {
    (count / RUN_DIVISOR).max(1)
}

/// Plans one run. `candidates` are all sealed recordings.
pub fn plan(candidates: &[Candidate], around: &Circumstances<'_>) -> Plan {
    let mut oldest_first: Vec<&Candidate> = candidates.iter().collect();
    oldest_first.sort_by_key(|one| (one.since, one.id));
    let mut rules: Vec<Option<Rule>> = vec![None; oldest_first.len()];
    if around.acting.by_time {
        by_age(&oldest_first, around, &mut rules);
        by_total(&oldest_first, around, &mut rules);
    }
    let unmet_bytes = if around.acting.by_disk {
        by_disk(&oldest_first, around, &mut rules)
    } else {
        0
    };
    let mut removals: Vec<Removal> = oldest_first
        .iter()
        .zip(&rules)
        .filter_map(|(one, rule)| {
            let rule = (*rule)?;
            let text = reason(one, rule, around);
            Some(Removal {
                candidate: **one,
                rule,
                text,
            })
        })
        .collect();
    let most = most_of(candidates.len());
    let left_for_later = removals.len().saturating_sub(most);
    removals.truncate(most);
    Plan {
        removals,
        left_for_later,
        unmet_bytes,
    }
}

fn by_age(oldest_first: &[&Candidate], around: &Circumstances<'_>, rules: &mut [Option<Rule>]) {
    for (one, rule) in oldest_first.iter().zip(rules) {
        let most = around.policies.get(one.policy).max_age_ns;
        let is_old = most.is_some_and(|most| around.now.saturating_sub(one.since) > most);
        if is_old && !one.is_protected {
            *rule = Some(Rule::Age);
        }
    }
}

fn by_total(oldest_first: &[&Candidate], around: &Circumstances<'_>, rules: &mut [Option<Rule>]) {
    let mut totals = vec![0_i64; around.policies.len()];
    for (one, rule) in oldest_first.iter().zip(rules.iter()) {
        if rule.is_none() {
            totals[one.policy] = totals[one.policy].saturating_add(one.bytes);
        }
    }
    for (one, rule) in oldest_first.iter().zip(rules) {
        let most = around.policies.get(one.policy).max_total_bytes;
        let too_many = most.is_some_and(|most| totals[one.policy] > most);
        if too_many && rule.is_none() && !one.is_protected {
            totals[one.policy] -= one.bytes;
            *rule = Some(Rule::Total);
        }
    }
}

/// Returns the bytes that it could not find.
fn by_disk(
    oldest_first: &[&Candidate],
    around: &Circumstances<'_>,
    rules: &mut [Option<Rule>],
) -> i64 {
    let Some(disk) = around.disk else {
        return 0;
    };
    let mut need = disk_need(disk, around);
    for (one, rule) in oldest_first.iter().zip(rules.iter()) {
        if rule.is_some() {
            need = need.saturating_sub(one.bytes);
        }
    }
    for (one, rule) in oldest_first.iter().zip(rules) {
        if need <= 0 {
            break;
        }
        if rule.is_none() && !one.is_protected {
            need -= one.bytes;
            *rule = Some(Rule::Disk);
        }
    }
    need.max(0)
}

/// Bytes that are to become free.
fn disk_need(disk: Disk, around: &Circumstances<'_>) -> i64 {
    let limits = around.limits;
    let critical = disk.reaches(limits.critical_percent);
    let need = if critical {
        -disk.room(limits.target_percent)
    } else {
        0
    };
    // A reserve of half the disk is a mistake, and must not cost every recording.
    let wanted = around.wanted_free_bytes;
    if wanted <= disk.total_bytes / 2 {
        need.max(wanted - (disk.total_bytes - disk.used_bytes))
    } else {
        need
    }
}

fn reason(one: &Candidate, rule: Rule, around: &Circumstances<'_>) -> String {
    let policy = around.policies.get(one.policy);
    let name = around.policies.name(one.policy);
    match rule {
        Rule::Age => {
            let age = around.now.saturating_sub(one.since).max(0);
            let unit = if age < 2 * DAY_NS {
                DAY_NS / 24
            } else {
                DAY_NS
            };
            let age = days(age - age % unit);
            let most = policy.max_age_ns.unwrap_or_default();
            format!("{name} are kept for {}; this one is {age} old", days(most))
        }
        Rule::Total => {
            let most = policy.max_total_bytes.unwrap_or_default();
            format!("{name} may take {}; this one is the oldest", bytes(most))
        }
        Rule::Disk => {
            let percent = around.disk.map_or(0.0, Disk::percent);
            let target = around.limits.target_percent;
            format!("the disk is {percent:.1} % full, to become {target} %; this one is the oldest")
        }
        Rule::Person => "a person wants it gone".to_owned(),
    }
}

fn days(span_ns: i64) -> String {
    if span_ns == DAY_NS {
        return "a day".to_owned();
    }
    if span_ns == DAY_NS / 24 {
        return "an hour".to_owned();
    }
    if span_ns % DAY_NS == 0 {
        format!("{} days", span_ns / DAY_NS)
    } else {
        format!("{} hours", span_ns / (DAY_NS / 24))
    }
}

fn bytes(size: i64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = UNITS.into_iter().find(|(_, shift)| size >= 1 << shift);
    fits.map_or_else(
        || format!("{size} bytes"),
        |(unit, shift)| format!("{:.1} {unit}", size as f64 / (1_i64 << shift) as f64),
    )
}

/// What comes, if the next days are like the last ones; days, and none where nothing will happen.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Forecast {
    /// What is recorded per day, bytes; none when it cannot be told yet.
    pub bytes_per_day: Option<i64>,
    /// Until people are warned of a full disk.
    pub days_until_warn: Option<f64>,
    /// Until recordings go for the disk.
    pub days_until_critical: Option<f64>,
    /// Until the first limit by age or total makes recordings go; 0 when one does already.
    pub days_until_limit: Option<f64>,
    /// Which limit that is.
    pub limit: Option<String>,
}

/// Looks ahead.
pub fn forecast(candidates: &[Candidate], around: &Circumstances<'_>) -> Forecast {
    let now = around.now;
    let past = candidates.iter().filter(|one| one.since <= now);
    let oldest = past.clone().map(|one| one.since).min();
    let span = oldest.map_or(0, |oldest| now.saturating_sub(oldest).min(RATE_NS));
    let per_day = |bytes: i64| bytes as f64 / (span as f64 / DAY_NS as f64);
    let mut rates = vec![0_i64; around.policies.len()];
    for one in past.filter(|one| now.saturating_sub(one.since) <= span) {
        rates[one.policy] = rates[one.policy].saturating_add(one.bytes);
    }
    let rate = (span >= RATE_LEAST_NS).then(|| per_day(rates.iter().sum()));
    let until = |room: i64, rate: f64| match room {
        ..=0 => Some(0.0),
        room => (rate > 0.0).then(|| room as f64 / rate),
    };
    let disk_in = |percent| until(around.disk?.room(percent), rate?);
    let mut first: Option<(f64, String)> = None;
    for (index, rate) in rates.iter().enumerate() {
        let policy = around.policies.get(index);
        let own = || candidates.iter().filter(|one| one.policy == index);
        let by_total = policy.max_total_bytes.and_then(|most| {
            let total: i64 = own().map(|one| one.bytes).sum();
            let rate = (span >= RATE_LEAST_NS).then(|| per_day(*rate));
            Some((until(most - total, rate.unwrap_or(0.0))?, "max_total"))
        });
        let by_age = policy.max_age_ns.and_then(|most| {
            let oldest = own()
                .filter(|one| !one.is_protected)
                .map(|one| one.since)
                .min()?;
            let left = most - now.saturating_sub(oldest);
            Some(((left as f64 / DAY_NS as f64).max(0.0), "max_age"))
        });
        for (days, key) in by_total.into_iter().chain(by_age) {
            if first.as_ref().is_none_or(|(soonest, _)| days < *soonest) {
                first = Some((days, format!("{key} of {}", around.policies.name(index))));
            }
        }
    }
    let (days_until_limit, limit) = first.unzip();
    Forecast {
        bytes_per_day: rate.map(|rate| rate as i64),
        days_until_warn: disk_in(around.limits.warn_percent),
        days_until_critical: disk_in(around.limits.critical_percent),
        days_until_limit,
        limit,
    }
}

#[cfg(test)]
mod tests;
