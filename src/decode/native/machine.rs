//! Hosts and subsystems: health and metrics. Their values are kept by name, as they came.

use super::super::Reason;
use super::super::fields::Fields;
use super::Fact;
use crate::event::system::{HealthReported, MetricsSampled};

#[expect(clippy::unnecessary_wraps, reason = "a rule like the others")]
pub(super) fn health(fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let health = HealthReported {
        values: fields.rest(),
    };
    Ok(Fact::of("system/health".to_owned(), health))
}

#[expect(clippy::unnecessary_wraps, reason = "a rule like the others")]
pub(super) fn metrics(host: &str, group: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let sampled = MetricsSampled {
        host: host.to_owned(),
        group: group.to_owned(),
        values: fields.rest(),
    };
    Ok(Fact::of(format!("metrics/{host}"), sampled))
}
