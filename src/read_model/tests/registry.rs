//! Registered devices, configured rules, acknowledgements, the UPS, and what armed means.

use super::*;
use crate::event::alarm::{ArmState, StateChanged};
use crate::event::animal::Location;
use crate::event::house::{UpsBatteryLow, UpsStatusReported};
use crate::event::liveness::EventAcknowledged;
use crate::event::registry::{
    CameraRegistered, ClassificationConfigured, ConfiguredRule, SensorRegistered,
};

fn camera(id: &str, location: Option<Location>) -> NewEvent {
    let told = CameraRegistered {
        registered: true,
        name: "Back yard".into(),
        location,
        source_url: None,
        enabled: true,
    };
    at(MIDNIGHT, &format!("camera/{id}"), told)
}

fn sensor(id: &str, registered: bool) -> NewEvent {
    let told = SensorRegistered {
        registered,
        name: "Front door".into(),
        r#type: Some("contact".into()),
        protocol: Some("zigbee".into()),
        device_address: Some("0x1".into()),
        location: Some("hall".into()),
        enabled: true,
        silent_after_ms: None,
    };
    at(MIDNIGHT, &format!("sensor/{id}"), told)
}

fn rules(rules: &[ConfiguredRule]) -> NewEvent {
    let told = ClassificationConfigured {
        rules: rules.to_vec(),
    };
    at(MIDNIGHT, "system/classification", told)
}

fn freezer() -> ConfiguredRule {
    ConfiguredRule {
        id: "freezer".into(),
        kind: "sensor.reported".into(),
        stream: "sensor/att*".into(),
        key: Some("temperature".into()),
        value: None,
        above: Some(-12.0),
        below: None,
        r#type: Some("FREEZER_WARM".into()),
        severity: 4,
        message: Some("{subject} is at {value} {unit}{unit} {".into()),
    }
}

#[test]
fn what_is_registered_goes_before_what_traffic_says() {
    let mut bench = Bench::new();
    bench.tell(&report("door", "battery", Reading::Number(80.0), MIDNIGHT));
    bench.tell(&sensor("door", true));
    bench.tell(&sensor("shed", true));
    bench.tell(&door("open", MIDNIGHT + 5));
    let columns = [
        "id",
        "display_name",
        "type",
        "protocol",
        "registered",
        "last_seen_at",
    ];
    let row = |id: &str, seen: Owned| {
        vec![
            text(id),
            text("Front door"),
            text("contact"),
            text("zigbee"),
            Owned::Integer(1),
            seen,
        ]
    };
    assert_eq!(
        bench.view("sensors", &columns),
        [
            row("door", Owned::Integer(MIDNIGHT + 5)),
            row("shed", Owned::Null)
        ]
    );
    assert_eq!(
        bench.view("events", &["message"]),
        [[text("Front door opened")]]
    );
    // What leaves the configuration is what its traffic says again, or gone.
    bench.tell(&sensor("door", false));
    bench.tell(&sensor("shed", false));
    assert_eq!(
        bench.view("sensors", &columns[..4]),
        [[text("door"), text("Door"), text("battery"), text("mqtt")]]
    );
    bench.tell(&door("closed", MIDNIGHT + 6));
    assert_eq!(bench.view("events", &["message"])[0], [text("Door closed")]);
}

#[test]
fn a_known_pet_escapes_where_the_message_or_else_the_registry_says_outside() {
    let mut bench = Bench::new();
    let pet = |location, when: i64| {
        let sighting = PetSighted {
            camera: "yard".into(),
            pet_id: Some("minka".into()),
            species: "cat".into(),
            confidence: 0.9,
            bbox: None,
            crop_path: None,
            location,
            extra: Extra::new(),
        };
        at(MIDNIGHT + when, "camera/yard", sighting)
    };
    bench.tell(&pet(None, 1));
    bench.tell(&camera("yard", Some(Location::Transition)));
    bench.tell(&pet(None, 2));
    bench.tell(&pet(Some(Location::Interior), 3));
    assert_eq!(
        bench.event_types(),
        ["PET_DETECTED", "PET_ESCAPE", "PET_DETECTED"]
    );
    let message = bench.view("events", &["message"]);
    assert_eq!(message[0], [text("Minka seen at Back yard")]);
    assert_eq!(
        bench.view("cameras", &["location"]),
        [[text("TRANSITION")]],
        "the message does not overwrite what is registered"
    );
}

#[test]
fn a_person_is_graver_while_the_house_is_armed() {
    let mut bench = Bench::new();
    let arm = |to: ArmState| {
        let changed = StateChanged {
            from: ArmState::Disarmed,
            to,
            target: None,
            deadline: None,
            triggered_by: "keypad".into(),
        };
        at(MIDNIGHT, "arm/system", changed)
    };
    for (state, severity) in [
        (ArmState::Disarmed, "INFO"),
        (ArmState::ExitDelay, "INFO"),
        (ArmState::ArmedNight, "WARNING"),
        (ArmState::Triggered, "WARNING"),
    ] {
        bench.tell(&arm(state));
        let person = MotionStarted {
            detection: Some(Detection::Person),
            ..MotionStarted::default()
        };
        let position = bench.tell(&at(MIDNIGHT, "camera/yard", person));
        let rows = bench.view("events", &["position", "severity"]);
        assert!(
            rows.contains(&vec![Owned::Integer(position), text(severity)]),
            "{state:?}: {rows:?}"
        );
    }
}

#[test]
fn a_rule_of_the_household_goes_first_from_its_position_on_and_tells_edges() {
    let mut bench = Bench::new();
    bench.tell(&heat(-5.0, MIDNIGHT));
    bench.tell(&rules(&[freezer()]));
    for (step, degrees) in [-5.0, -4.0, -20.0, -3.0].into_iter().enumerate() {
        bench.tell(&heat(degrees, MIDNIGHT + 1 + step as i64));
    }
    assert_eq!(
        bench.view("events", &["type", "severity", "message"]),
        [
            [
                text("FREEZER_WARM"),
                text("ALERT"),
                text("Attic is at -3  {")
            ],
            [
                text("FREEZER_WARM"),
                text("ALERT"),
                text("Attic is at -5  {")
            ]
        ]
    );
    // Quiet: nobody is told, and the built-in rule neither; its state goes on.
    let quiet = ConfiguredRule {
        id: "quiet-door".into(),
        stream: "sensor/door".into(),
        key: Some("contact".into()),
        above: None,
        r#type: None,
        ..freezer()
    };
    bench.tell(&rules(&[quiet]));
    bench.tell(&door("open", MIDNIGHT + 10));
    assert_eq!(bench.event_types().len(), 2);
    bench.tell(&rules(&[]));
    bench.tell(&door("open", MIDNIGHT + 11));
    assert_eq!(bench.event_types().len(), 2, "it is open already");
    bench.tell(&door("closed", MIDNIGHT + 12));
    assert_eq!(bench.event_types()[2..], ["CONTACT_CLOSED"]);
    assert_eq!(bench.ints("SELECT count(*) FROM classification_rules"), [0]);
}

#[test]
fn heartbeats_and_repeated_full_states_are_no_moments() {
    let mut bench = Bench::new();
    bench.tell(&door("open", MIDNIGHT));
    for step in 1..20 {
        bench.tell(&at(
            MIDNIGHT + step,
            "camera/yard",
            HeartbeatReceived::default(),
        ));
        bench.tell(&door("open", MIDNIGHT + step));
        bench.tell(&retained(door("closed", MIDNIGHT - step)));
        bench.tell(&report(
            "door",
            "battery",
            Reading::Number(80.0),
            MIDNIGHT + step,
        ));
    }
    assert_eq!(bench.event_types(), ["CONTACT_OPEN"]);
}

#[test]
fn a_moment_is_acknowledged_and_not_any_more() {
    let mut bench = Bench::new();
    let position = bench.tell(&door("open", MIDNIGHT));
    let seen = |acknowledged, when| {
        let told = EventAcknowledged {
            position,
            acknowledged,
            by: "ada".into(),
        };
        at(MIDNIGHT + when, "house/events", told)
    };
    bench.tell(&seen(true, 5));
    let columns = ["acknowledged_at", "acknowledged_by"];
    assert_eq!(
        bench.view("events", &columns),
        [[Owned::Integer(MIDNIGHT + 5), text("ada")]]
    );
    bench.tell(&seen(false, 6));
    assert_eq!(bench.view("events", &columns), [[Owned::Null, Owned::Null]]);
}

#[test]
fn status_words_and_topics_of_a_ups_make_the_same_edges_once() {
    let mut bench = Bench::new();
    let says = |status: &str, charge: f64, when: i64| {
        let told = UpsStatusReported {
            status: Some(status.into()),
            charge_pct: Some(charge),
            ..UpsStatusReported::default()
        };
        at(MIDNIGHT + when, "ups/rack", told)
    };
    let ups = |event: Event, when: i64| at(MIDNIGHT + when, "ups/rack", event);
    bench.tell(&says("OL CHRG", 100.0, 1));
    bench.tell(&says("OB DISCHRG", 90.0, 11));
    // The topic tells the same, by its own clock a little earlier.
    bench.tell(&ups(UpsPowerLost::default().into(), 10));
    bench.tell(&ups(UpsBatteryLow::default().into(), 20));
    bench.tell(&says("OB LB", 9.0, 21));
    bench.tell(&says("FSD OB LB", 3.0, 22));
    let expected_now = [text("FSD OB LB"), Owned::Integer(1), Owned::Real(3.0)];
    assert_eq!(
        bench.view("ups_status", &["status", "on_battery", "charge_pct"]),
        [expected_now]
    );
    bench.tell(&says("OL CHRG", 4.0, 30));
    bench.tell(&ups(UpsPowerRestored::default().into(), 31));
    bench.tell(&retained(says("OB", 4.0, 32)));
    assert_eq!(
        bench.event_types(),
        [
            "UPS_POWER_LOST",
            "UPS_BATTERY_LOW",
            "UPS_BATTERY_CRITICAL",
            "UPS_POWER_RESTORED"
        ]
    );
    let history: Vec<_> = bench.view("power_events", &["what"]).concat();
    assert_eq!(
        history,
        ["RESTORED", "CRITICAL", "LOW", "LOST"].map(text).to_vec()
    );
    // A cut that begins with both words at once is one moment, the graver.
    bench.tell(&says("OL", 50.0, 40));
    bench.tell(&says("OB LB", 9.0, 41));
    assert_eq!(bench.event_types()[4..], ["UPS_BATTERY_LOW"]);
}
