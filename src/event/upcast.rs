//! Upcasters: how a body that an older version wrote becomes one of today, step by step.

use ciborium::Value;

use super::Kind;

/// One step from `from` to `from + 1` of one kind.
#[derive(Debug)]
pub struct Step {
    /// The kind that it belongs to.
    pub kind: Kind,
    /// The version that it takes.
    pub from: u16,
    /// The change, on the CBOR value.
    pub apply: fn(Value) -> Value,
}

/// Every step there is. A raised version in the catalog without its step here fails a test.
pub const STEPS: &[Step] = &[
    // What is new has a value of its own for "not said".
    Step {
        kind: Kind::AlertRaised,
        from: 1,
        apply: |same| same,
    },
    Step {
        kind: Kind::AlertSuppressed,
        from: 1,
        apply: |same| same,
    },
];

/// Carries `body` from version `from` up to the kind's version.
pub fn upcast(steps: &[Step], kind: Kind, from: u16, mut body: Value) -> Result<Value, String> {
    for version in from..kind.version() {
        body = apply(steps, kind, version, body)?;
    }
    Ok(body)
}

fn apply(steps: &[Step], kind: Kind, version: u16, body: Value) -> Result<Value, String> {
    let step = steps
        .iter()
        .find(|step| step.kind == kind && step.from == version)
        .ok_or_else(|| format!("no upcaster from version {version}"))?;
    Ok((step.apply)(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_below_the_catalogs_has_its_step() {
        for &kind in Kind::ALL {
            for version in 1..kind.version() {
                let known = STEPS
                    .iter()
                    .any(|step| step.kind == kind && step.from == version);
                assert!(
                    known,
                    "{} has no upcaster from version {version}",
                    kind.name()
                );
            }
        }
    }

    #[test]
    fn a_step_changes_the_value_and_a_missing_step_is_an_error() {
        let steps = [Step {
            kind: Kind::LogWritten,
            from: 1,
            apply: |value| Value::Array(vec![value]),
        }];
        let changed = apply(&steps, Kind::LogWritten, 1, Value::Null);
        assert_eq!(changed, Ok(Value::Array(vec![Value::Null])));
        assert!(apply(&steps, Kind::LogWritten, 2, Value::Null).is_err());
        assert!(apply(&steps, Kind::PetSighted, 1, Value::Null).is_err());
    }
}
