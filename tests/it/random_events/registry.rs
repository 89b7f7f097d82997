//! Random registrations, silences, acknowledgements and schedules, sensible ones and others.

use nightjar::event::Event;
use nightjar::event::animal::Location;
use nightjar::event::liveness::{
    CameraReturned, CameraWentSilent, EventAcknowledged, SensorReturned, SensorWentSilent,
};
use nightjar::event::registry::{
    CameraRegistered, ClassificationConfigured, ConfiguredRule, SensorRegistered,
};
use nightjar::event::timelapse::{TimelapseRequested, TimelapseScheduled, TimelapseUnscheduled};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{OnStream, camera_id, number, odd_text};
use crate::bench_box::NOW;

pub(super) fn registry() -> BoxedStrategy<OnStream> {
    prop_oneof![
        2 => camera(),
        2 => sensor(),
        2 => rules(),
        3 => silence(),
        2 => acknowledged(),
        2 => timelapse(),
    ]
    .boxed()
}

fn sensor_id() -> BoxedStrategy<&'static str> {
    select(vec!["front_door", "attic", "cellar"]).boxed()
}

fn camera() -> BoxedStrategy<OnStream> {
    let location = option::of(select(vec![Location::Exterior, Location::Interior]));
    (
        camera_id(),
        any::<bool>(),
        odd_text(),
        location,
        any::<bool>(),
    )
        .prop_map(|(id, registered, name, location, enabled)| {
            let told = CameraRegistered {
                registered,
                name,
                location,
                source_url: None,
                enabled,
            };
            (format!("camera/{id}"), told.into())
        })
        .boxed()
}

fn sensor() -> BoxedStrategy<OnStream> {
    let span = option::of(select(vec![0, 60_000, i64::MAX, -1]));
    (
        sensor_id(),
        any::<bool>(),
        odd_text(),
        option::of(odd_text()),
        span,
    )
        .prop_map(|(id, registered, name, other, silent_after_ms)| {
            let told = SensorRegistered {
                registered,
                name,
                r#type: other.clone(),
                protocol: other.clone(),
                device_address: other,
                location: None,
                enabled: true,
                silent_after_ms,
            };
            (format!("sensor/{id}"), told.into())
        })
        .boxed()
}

fn rules() -> BoxedStrategy<OnStream> {
    let kind = select(vec!["sensor.reported", "camera.motion_started", "no.kind"]);
    let stream = select(vec!["*", "sensor/*", "sensor/attic", "camera/p*"]);
    let key = option::of(select(vec!["temperature", "contact"]));
    let value = option::of(select(vec!["open", "detected", "on"]));
    let rule = (
        (odd_text(), kind, stream, key, value),
        (
            option::of(number()),
            option::of(number()),
            option::of(odd_text()),
        ),
        (any::<i64>(), option::of(odd_text())),
    )
        .prop_map(
            |((id, kind, stream, key, value), (above, below, name), (severity, message))| {
                ConfiguredRule {
                    id,
                    kind: kind.into(),
                    stream: stream.into(),
                    key: key.map(Into::into),
                    value: value.map(Into::into),
                    above,
                    below,
                    r#type: name,
                    severity,
                    message: message.map(|text| format!("{{subject}} {text} {{value}}")),
                }
            },
        );
    vec(rule, 0..3)
        .prop_map(|rules| {
            let told = ClassificationConfigured { rules };
            ("system/classification".to_owned(), told.into())
        })
        .boxed()
}

fn silence() -> BoxedStrategy<OnStream> {
    let on_sensor = (sensor_id(), any::<bool>()).prop_map(|(id, silent)| {
        let event = if silent {
            Event::from(SensorWentSilent {
                last_at: None,
                allowed_s: 300,
            })
        } else {
            Event::from(SensorReturned { silent_since: NOW })
        };
        (format!("sensor/{id}"), event)
    });
    let on_camera = (camera_id(), any::<bool>()).prop_map(|(id, silent)| {
        let event = if silent {
            Event::from(CameraWentSilent {
                last_at: Some(NOW),
                allowed_s: 300,
            })
        } else {
            Event::from(CameraReturned { silent_since: NOW })
        };
        (format!("camera/{id}"), event)
    });
    prop_oneof![on_sensor, on_camera].boxed()
}

fn acknowledged() -> BoxedStrategy<OnStream> {
    (-1_i64..40, any::<bool>(), odd_text())
        .prop_map(|(position, acknowledged, by)| {
            let seen = EventAcknowledged {
                position,
                acknowledged,
                by,
            };
            ("house/events".to_owned(), seen.into())
        })
        .boxed()
}

fn timelapse() -> BoxedStrategy<OnStream> {
    let time = select(vec!["23:30", "02:30", "24:00", "soon"]);
    let scheduled = (camera_id(), -1_i64..25, 0_i64..26, time, any::<bool>()).prop_map(
        |(camera, start_hour, end_hour, time, enabled)| {
            Event::from(TimelapseScheduled {
                camera,
                start_hour,
                end_hour,
                generate_time: time.into(),
                enabled,
            })
        },
    );
    let requested = (camera_id(), -3_i64..3).prop_map(|(camera, due)| {
        Event::from(TimelapseRequested {
            camera,
            due_at: NOW + due,
            start_hour: 0,
            end_hour: 24,
        })
    });
    let unscheduled = Just(Event::from(TimelapseUnscheduled {}));
    prop_oneof![3 => scheduled, 2 => requested, 1 => unscheduled]
        .prop_map(|event| ("timelapse/garden".to_owned(), event))
        .boxed()
}
