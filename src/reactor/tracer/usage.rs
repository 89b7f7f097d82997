//! A host whose processor, memory or disk is used up.

use super::{CHAIN_MAX, is_traced, span, traced};
use crate::base::clock::{HOUR_NS, SECOND_NS};
use crate::event::system::MetricsSampled;
use crate::event::trace::{TraceRecorded, Trigger};
use crate::event::{Envelope, NewEvent};
use crate::reactor::{Reaction, Scene, severity};
use crate::storage::{Session, StorageError, all};
use crate::values;

/// From so many percent on something is used up.
const HIGH_PERCENT: f64 = 90.0;
/// Processor and memory only when it lasts so long …
const LASTS_NS: i64 = 300 * SECOND_NS;
/// … in so many samples: two far apart say nothing of the time between them.
const SAMPLES: usize = 3;
/// Samples that are this far apart do not belong together.
const GAP_NS: i64 = LASTS_NS;
/// One trace of a subject within so long.
const COOLDOWN_NS: i64 = HOUR_NS;
/// Most samples that are looked at; an hour of samples every 10 seconds.
const LOOKED_AT: i64 = 360;

/// Something that can be used up.
struct Resource {
    field: &'static str,
    subject: &'static str,
    name: &'static str,
    root_cause: &'static str,
    /// The samples before one, the newest first; none when one sample is enough.
    samples: Option<&'static str>,
}

macro_rules! samples {
    ($column:literal) => {
        concat!(
            "SELECT id, at, ",
            $column,
            " FROM system_samples WHERE host = ?1 AND at > ?2 AND at <= ?3 AND ",
            $column,
            " IS NOT NULL ORDER BY at DESC, id DESC LIMIT ?4"
        )
    };
}

const RESOURCES: [Resource; 3] = [
    Resource {
        field: "cpu_percent",
        subject: "cpu",
        name: "Processor",
        root_cause: "More work than the processor can do; the trace shows which processes",
        samples: Some(samples!("cpu_percent")),
    },
    Resource {
        field: "memory_percent",
        subject: "memory",
        name: "Memory",
        root_cause: "Processes need nearly all of the memory; the trace shows which",
        samples: Some(samples!("memory_percent")),
    },
    Resource {
        field: "disk_percent",
        subject: "disk",
        name: "Disk",
        root_cause: "The disk fills up; when it is full nothing can be stored any more",
        samples: None,
    },
];

pub(super) fn react(scene: &mut Scene<'_>, event: &Envelope, sample: &MetricsSampled) -> Reaction {
    let mut made = Vec::new();
    for resource in &RESOURCES {
        let percent = sample.values.get(resource.field);
        let percent = percent.and_then(serde_json::Value::as_f64);
        let is_high = |percent: &f64| (HIGH_PERCENT..=100.0).contains(percent);
        if let Some(percent) = percent.filter(is_high) {
            made.extend(used_up(scene, event, sample, resource, percent)?);
        }
    }
    Ok(made)
}

fn used_up(
    scene: &mut Scene<'_>,
    event: &Envelope,
    sample: &MetricsSampled,
    resource: &Resource,
    percent: f64,
) -> Result<Option<NewEvent>, StorageError> {
    let subject = format!("{}/{}", sample.host, resource.subject);
    let at = event.occurred_at;
    if is_traced(scene.session, Trigger::HighUsage, &subject, at, COOLDOWN_NS)? {
        return Ok(None);
    }
    let (chain, lasts) = match resource.samples {
        None => (Vec::new(), String::new()),
        Some(sql) => {
            let streak = streak(scene.session, sql, &sample.host, event)?;
            let since = streak.last().map_or(at, |(_, at)| *at);
            let lasts_ns = at.saturating_sub(since);
            if streak.len() < SAMPLES || lasts_ns < LASTS_NS {
                return Ok(None);
            }
            let most = usize::try_from(CHAIN_MAX).unwrap_or(usize::MAX);
            let others = streak
                .iter()
                .map(|(id, _)| *id)
                .filter(|id| *id != event.position);
            let mut chain: Vec<i64> = others.take(most).collect();
            chain.reverse();
            (chain, format!(" for {}", span(lasts_ns)))
        }
    };
    let trace = TraceRecorded {
        trigger: Trigger::HighUsage,
        subject,
        host: sample.host.clone(),
        severity_score: severity::of_usage(percent),
        action: None,
        service: None,
        user: None,
        ip: None,
        root_cause: Some(resource.root_cause.to_owned()),
        chain,
        related_services: Vec::new(),
        error: None,
    };
    let text = format!(
        "{} of {} at {percent:.0} %{lasts}",
        resource.name, sample.host
    );
    Ok(Some(traced(scene, event, trace, text)))
}

/// The samples up to this one that are high without a break, the newest first.
fn streak(
    session: &mut dyn Session,
    sql: &'static str,
    host: &str,
    event: &Envelope,
) -> Result<Vec<(i64, i64)>, StorageError> {
    let at = event.occurred_at;
    let values = values![host, at.saturating_sub(HOUR_NS), at, LOOKED_AT];
    let samples = all(session, sql, values, |row| {
        Ok((row.int(0)?, row.int(1)?, row.real(2)?))
    })?;
    let mut streak = Vec::new();
    let mut next_at = at;
    for (id, sampled_at, percent) in samples {
        if percent < HIGH_PERCENT || next_at.saturating_sub(sampled_at) > GAP_NS {
            break;
        }
        streak.push((id, sampled_at));
        next_at = sampled_at;
    }
    Ok(streak)
}
