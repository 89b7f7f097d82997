//! Samples of registries, liveness, acknowledgements and time-lapses.

use crate::event::animal::Location;
use crate::event::liveness::{
    CameraReturned, CameraWentSilent, EventAcknowledged, SensorReturned, SensorWentSilent,
};
use crate::event::registry::{
    CameraRegistered, ClassificationConfigured, ConfiguredRule, SensorRegistered,
};
use crate::event::timelapse::{TimelapseRequested, TimelapseScheduled, TimelapseUnscheduled};
use crate::event::{Event, Kind};

const THEN: i64 = 1_795_132_830_000_000_000;

pub(super) fn sample(kind: Kind) -> Event {
    match kind {
        Kind::CameraRegistered => CameraRegistered {
            registered: true,
            name: "Back yard".into(),
            location: Some(Location::Exterior),
            source_url: Some("rtsp://[redacted]@192.0.2.9/s".into()),
            enabled: true,
        }
        .into(),
        Kind::SensorRegistered => SensorRegistered {
            registered: true,
            name: "Front door".into(),
            r#type: Some("contact".into()),
            protocol: Some("zigbee".into()),
            device_address: Some("0x00158d0001".into()),
            location: Some("hall".into()),
            enabled: true,
            silent_after_ms: Some(7_200_000),
        }
        .into(),
        Kind::ClassificationConfigured => ClassificationConfigured {
            rules: vec![ConfiguredRule {
                id: "freezer".into(),
                kind: "sensor.reported".into(),
                stream: "sensor/freezer*".into(),
                key: Some("temperature".into()),
                value: Some("warm".into()),
                above: Some(-12.0),
                below: Some(40.0),
                r#type: Some("FREEZER_WARM".into()),
                severity: 4,
                message: Some("{subject} is at {value} {unit}".into()),
            }],
        }
        .into(),
        Kind::SensorWentSilent => SensorWentSilent {
            last_at: Some(THEN),
            allowed_s: 900,
        }
        .into(),
        Kind::SensorReturned => SensorReturned { silent_since: THEN }.into(),
        Kind::CameraWentSilent => CameraWentSilent {
            last_at: Some(THEN),
            allowed_s: 300,
        }
        .into(),
        Kind::CameraReturned => CameraReturned { silent_since: THEN }.into(),
        Kind::EventAcknowledged => EventAcknowledged {
            position: 41,
            acknowledged: true,
            by: "ada".into(),
        }
        .into(),
        Kind::TimelapseScheduled => TimelapseScheduled {
            camera: "yard".into(),
            start_hour: 6,
            end_hour: 20,
            generate_time: "23:30".into(),
            enabled: true,
        }
        .into(),
        Kind::TimelapseUnscheduled => TimelapseUnscheduled {}.into(),
        _ => TimelapseRequested {
            camera: "yard".into(),
            due_at: THEN,
            start_hour: 6,
            end_hour: 20,
        }
        .into(),
    }
}
