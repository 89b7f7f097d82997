//! Who is told of what, and how often.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::event::Flags;
use crate::event::alarm::AlertSnoozed;
use crate::event::anomaly::AnomalyDetected;
use crate::event::liveness::{CameraWentSilent, SensorWentSilent};
use crate::event::trace::{IpList, IpListed, PatternDetected, PatternType};
use crate::reactor::rules::{Condition, Logic, Rule};
use crate::reactor::tests::bench::House;

fn person(name: &str, is_adult: bool, channels: &[Channel]) -> Recipient {
    Recipient {
        name: name.into(),
        is_adult,
        channels: channels.to_vec(),
    }
}

fn family() -> Vec<Recipient> {
    vec![
        person("ada", true, &[Channel::Ntfy, Channel::Mqtt]),
        person("tom", false, &[Channel::Mqtt]),
    ]
}

fn house(alerts: Settings) -> House {
    House::new(crate::reactor::Settings {
        alerts,
        ..Default::default()
    })
}

fn told(house: &House) -> Vec<String> {
    house.rows(
        "SELECT a.alert_type, d.recipient, d.channel FROM alert_deliveries d \
         JOIN alerts a USING (alert_id) ORDER BY a.alert_id, d.recipient, d.channel",
    )
}

#[test]
fn without_profiles_what_is_grave_is_told_to_all() {
    let house = house(Settings {
        recipients: family(),
        ..Settings::default()
    });
    house.publish(
        "vigilar/camera/yard/motion/start",
        r#"{"detection":"person"}"#,
    );
    assert_eq!(told(&house), Vec::<String>::new());
    house.publish("vigilar/ups/power_loss", "{}");
    let type_of = "UPS_POWER_LOST";
    assert_eq!(
        told(&house),
        [
            format!("{type_of} ada MQTT"),
            format!("{type_of} ada NTFY"),
            format!("{type_of} tom MQTT")
        ]
    );
    assert_eq!(
        house.rows("SELECT rule_name, description, dedup_count FROM alerts"),
        ["profile/default Mains power lost, running on battery 1"]
    );
}

#[test]
fn what_people_asked_to_be_told_is_told_however_light_it_is() {
    let house = house(Settings {
        recipients: vec![person("ada", true, &[Channel::Ntfy])],
        ..Settings::default()
    });
    let fired = |rule, action| {
        let fired = pet::RuleFired {
            rule,
            name: "garden".into(),
            pet: "rex".into(),
            action,
            priority: 0,
            camera: Some("yard".into()),
        };
        let event = NewEvent::own(house.clock.now(), "pet/rex", fired).with_text("Rex is outside");
        house.handle().store(vec![event]).unwrap();
    };
    fired(1, pet::Action::Log);
    assert_eq!(told(&house), Vec::<String>::new());
    fired(2, pet::Action::Record);
    let asked = "SELECT count(*) FROM event_log e JOIN names k ON k.id = e.kind \
                 WHERE k.name = 'recording.requested'";
    assert_eq!(house.rows(asked), ["1"]);
    fired(3, pet::Action::Push);
    assert_eq!(told(&house), ["PET_RULE ada NTFY"]);
    // A parcel is reminded of once, when it has lain for two hours.
    house.publish(
        "vigilar/camera/porch/package/detected",
        r#"{"confidence":0.9}"#,
    );
    house.wait(3 * 3_600);
    assert_eq!(
        told(&house),
        ["PET_RULE ada NTFY", "PACKAGE_REMINDED ada NTFY"]
    );
}

fn asleep() -> Profile {
    Profile {
        name: "asleep".into(),
        arm_states: vec![ArmState::ArmedNight],
        households: Vec::new(),
        window: "11:00-13:00".parse().unwrap(),
        detections: [
            ("PERSON_DETECTED".into(), Response::Push),
            ("VEHICLE_DETECTED".into(), Response::Record),
            ("WILDLIFE_PREDATOR".into(), Response::Quiet),
        ]
        .into(),
        audience: Audience::Adults,
    }
}

#[test]
fn the_first_profile_that_matches_decides() {
    let house = house(Settings {
        recipients: family(),
        profiles: vec![asleep()],
        ..Settings::default()
    });
    house.publish("vigilar/system/arm_request", r#"{"mode":"ARMED_NIGHT"}"#);
    house.wait(1);
    house.publish(
        "vigilar/camera/yard/motion/start",
        r#"{"detection":"person"}"#,
    );
    house.publish(
        "vigilar/camera/yard/motion/start",
        r#"{"detection":"vehicle"}"#,
    );
    house.publish(
        "vigilar/camera/yard/wildlife/detected",
        r#"{"species":"wolf","confidence":0.9}"#,
    );
    assert_eq!(
        told(&house),
        ["PERSON_DETECTED ada MQTT", "PERSON_DETECTED ada NTFY"]
    );
    assert_eq!(
        house.rows(
            "SELECT n.name, e.text FROM event_log e JOIN names k ON k.id = e.kind \
             JOIN names n ON n.id = e.stream WHERE k.name = 'recording.requested'"
        ),
        ["recording/request Vehicle at Yard"]
    );
    house.wait(2 * 3_600);
    house.publish(
        "vigilar/camera/porch/motion/start",
        r#"{"detection":"person"}"#,
    );
    assert_eq!(
        told(&house).len(),
        2,
        "outside of its hours it says nothing"
    );
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn the_same_is_told_once_per_window_and_counted() {
    let mut house = house(Settings {
        recipients: family(),
        ..Settings::default()
    });
    let outage = |house: &House| {
        house.publish("vigilar/ups/power_loss", "{}");
        house.publish("vigilar/ups/restored", "{}");
    };
    outage(&house);
    house.wait(60);
    outage(&house);
    house.restart(None);
    house.wait(240);
    outage(&house);
    assert_eq!(
        house.rows("SELECT dedup_count, (last_ns - timestamp_ns) / 1000000000 FROM alerts"),
        ["3 300"],
        "five minutes are within"
    );
    assert_eq!(
        house.rows("SELECT recipient, status FROM alert_log ORDER BY id, recipient"),
        [
            "ada SUPPRESSED",
            "tom SUPPRESSED",
            "ada SUPPRESSED",
            "tom SUPPRESSED"
        ]
    );
    house.wait(1);
    outage(&house);
    assert_eq!(
        house.rows("SELECT dedup_count FROM alerts ORDER BY alert_id"),
        ["3", "1"]
    );
    assert_eq!(told(&house).len(), 6);
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn an_alert_for_nobody_has_a_window_too() {
    let house = house(Settings::default());
    for _ in 0..3 {
        house.publish("vigilar/ups/power_loss", "{}");
        house.publish("vigilar/ups/restored", "{}");
        house.wait(10);
    }
    assert_eq!(house.rows("SELECT dedup_count FROM alerts"), ["3"]);
}

#[test]
fn a_rule_tells_everybody_whatever_the_profiles_say() {
    let rule = Rule {
        id: "gate".into(),
        conditions: vec![Condition::SensorEvent {
            sensor: "gate".into(),
            event: String::new(),
        }],
        logic: Logic::And,
        actions: vec![Action::PushAndRecord],
        cooldown_ns: 0,
        within_ns: 0,
    };
    let house = House::new(crate::reactor::Settings {
        rules: vec![rule],
        alerts: Settings {
            recipients: family(),
            profiles: vec![Profile {
                name: "silence".into(),
                detections: [("CONTACT_OPEN".into(), Response::Quiet)].into(),
                ..Profile::default()
            }],
            ..Settings::default()
        },
        ..Default::default()
    });
    house.publish("vigilar/sensor/gate/contact_open", "{}");
    assert_eq!(
        told(&house),
        ["RULE ada MQTT", "RULE ada NTFY", "RULE tom MQTT"]
    );
    assert_eq!(
        house.rows("SELECT rule_name, description, severity_id, event_id FROM alerts"),
        ["rule/gate Gate opened 4 1"]
    );
}

#[test]
fn wrong_pins_and_the_alarm_itself_are_told() {
    let house = house(Settings {
        recipients: family(),
        ..Settings::default()
    });
    house.publish("vigilar/sensor/kitchen/smoke", r#"{"value":true}"#);
    let types = house.rows("SELECT DISTINCT alert_type FROM alerts ORDER BY 1");
    assert_eq!(types, ["ALARM_TRIGGERED", "SMOKE_DETECTED"]);
}

#[test]
fn a_profile_can_be_for_children_alone_at_home() {
    let profile = Profile {
        name: "kids".into(),
        households: vec![HouseholdState::KidsHome],
        detections: [("PERSON_DETECTED".into(), Response::Push)].into(),
        ..Profile::default()
    };
    let house = house(Settings {
        recipients: family(),
        profiles: vec![profile],
        ..Settings::default()
    });
    let person = r#"{"detection":"person"}"#;
    house.publish(
        "vigilar/presence/mara",
        r#"{"state":"HOME","role":"adult"}"#,
    );
    house.publish("vigilar/presence/ivo", r#"{"state":"HOME","role":"child"}"#);
    house.publish("vigilar/camera/yard/motion/start", person);
    assert_eq!(told(&house), Vec::<String>::new());
    house.publish(
        "vigilar/presence/mara",
        r#"{"state":"AWAY","role":"adult"}"#,
    );
    house.publish("vigilar/camera/yard/motion/start", person);
    assert_eq!(told(&house).len(), 3);
}

fn ada() -> Settings {
    Settings {
        recipients: vec![person("ada", true, &[Channel::Ntfy])],
        ..Settings::default()
    }
}

fn outage(house: &House) {
    house.publish("vigilar/ups/power_loss", "{}");
    house.publish("vigilar/ups/restored", "{}");
}

#[test]
fn past_incidents_stay_as_they_were() {
    let house = house(ada());
    outage(&house);
    house.wait(300);
    outage(&house);
    house.wait(1);
    outage(&house);
    assert_eq!(
        house.rows("SELECT incident, dedup_count, is_open FROM alerts ORDER BY alert_id"),
        ["1 2 -", "2 1 1"]
    );
    assert_eq!(
        house.rows(
            "SELECT a.incident, e.type FROM alert_events c JOIN alerts a USING (alert_id) \
             JOIN events e ON e.position = c.event_id ORDER BY c.position"
        ),
        ["1 UPS_POWER_LOST", "1 UPS_POWER_LOST", "2 UPS_POWER_LOST"]
    );
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn an_alert_tells_its_risk_and_whom_it_is_about() {
    let house = house(Settings {
        profiles: vec![Profile {
            detections: [("PERSON_DETECTED".into(), Response::Push)].into(),
            ..Profile::default()
        }],
        ..Settings::default()
    });
    house.publish(
        "vigilar/camera/yard/motion/start",
        r#"{"detection":"person"}"#,
    );
    house.publish("vigilar/sensor/kitchen/smoke", r#"{"value":true}"#);
    outage(&house);
    assert_eq!(
        house.rows(
            "SELECT alert_type, risk_score, entity_type, entity_value FROM alerts \
             WHERE alert_type <> 'ALARM_TRIGGERED' ORDER BY alert_id"
        ),
        [
            "PERSON_DETECTED 5 camera yard",
            "SMOKE_DETECTED 80 sensor kitchen",
            "UPS_POWER_LOST 50 - -"
        ]
    );
}

#[test]
fn nobody_is_told_of_what_is_snoozed_until_it_ends_by_itself() {
    let mut house = house(ada());
    let snooze = |house: &House, for_s: i64| {
        let now = house.clock.now();
        let told = AlertSnoozed {
            dedup_key: "UPS_POWER_LOST:ups".into(),
            until: now + for_s * 1_000_000_000,
            by: "ada".into(),
        };
        let event = NewEvent::own(now, "house/alerts", told);
        house.handle().store(vec![event]).unwrap();
    };
    let log = "SELECT recipient, status FROM alert_log ORDER BY id";
    snooze(&house, 120);
    outage(&house);
    let key = house.rows("SELECT dedup_key FROM alerts");
    assert_eq!(key, ["UPS_POWER_LOST:ups"]);
    assert_eq!(told(&house), Vec::<String>::new());
    assert_eq!(house.rows(log), ["ada SUPPRESSED"]);
    house.restart(None);
    house.wait(119);
    outage(&house);
    assert_eq!(house.rows("SELECT dedup_count FROM alerts"), ["2"]);
    assert_eq!(told(&house), Vec::<String>::new());
    // Still the same incident, but nobody has been told of it.
    house.wait(1);
    outage(&house);
    assert_eq!(house.rows("SELECT dedup_count FROM alerts"), ["3"]);
    assert_eq!(told(&house), ["UPS_POWER_LOST ada NTFY"]);
    outage(&house);
    assert_eq!(told(&house), ["UPS_POWER_LOST ada NTFY"], "once");
    // Snoozed again, and ended before its time.
    house.wait(301);
    snooze(&house, 3_600);
    snooze(&house, 0);
    outage(&house);
    assert_eq!(told(&house).len(), 2);
    assert_eq!(
        house.rows("SELECT * FROM alert_snoozes"),
        Vec::<String>::new()
    );
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

fn anomaly(model: &str, score: f64, event: i64) -> AnomalyDetected {
    AnomalyDetected {
        model: model.into(),
        subject: "source/nginx".into(),
        score,
        threshold: 6.0,
        observed: 912.0,
        expected: 41.0,
        event,
    }
}

fn find(house: &House, ago_s: i64, found: AnomalyDetected) {
    let now = house.clock.now();
    let mut new = NewEvent::own(now - ago_s * 1_000_000_000, "anomaly/hw", found)
        .with_text("nginx wrote 912 lines in a minute, 41 are usual")
        .from_source("source/nginx");
    new.received_at = now;
    house.handle().store(vec![new]).unwrap();
}

const COUNTED: &str = "SELECT alert_type, rule_name, dedup_count, severity_id, risk_score, \
                       entity_type, entity_value FROM alerts ORDER BY alert_id";

#[test]
fn an_anomaly_is_an_alert_that_people_are_told_of_when_it_is_far_off() {
    let house = house(ada());
    find(&house, 0, anomaly("hw:source:nginx", 6.0, 4));
    let row =
        |count: i64, risk: &str| format!("ml model/hw:source:nginx {count} 3 {risk} process nginx");
    assert_eq!(house.rows(COUNTED), [row(1, "25")]);
    assert_eq!(told(&house), Vec::<String>::new());
    house.wait(600);
    find(&house, 0, anomaly("hw:source:nginx", 12.0, 5));
    assert_eq!(house.rows(COUNTED), [row(2, "62.5")], "within 15 minutes");
    assert_eq!(told(&house), ["ml ada NTFY"]);
    // A model that went on from a checkpoint tells it again.
    find(&house, 0, anomaly("hw:source:nginx", 12.0, 5));
    assert_eq!(house.rows(COUNTED), [row(2, "62.5")]);
    assert_eq!(house.rows("SELECT count(*) FROM anomalies"), ["2"]);
    house.wait(301);
    find(&house, 0, anomaly("hw:source:nginx", 12.0, 6));
    assert_eq!(house.rows(COUNTED), [row(2, "62.5"), row(1, "62.5")]);
    // What is read late is no news.
    find(&house, 3_601, anomaly("cusum:global", 99.0, 7));
    assert_eq!(house.rows("SELECT count(*) FROM alerts"), ["3"]);
    assert_eq!(
        told(&house),
        ["ml ada NTFY"],
        "ada was told within 15 minutes"
    );
    assert_eq!(
        house.rows("SELECT type, severity_id, message FROM events LIMIT 1"),
        ["ANOMALY 3 nginx wrote 912 lines in a minute, 41 are usual"]
    );
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_profile_decides_about_anomalies_too() {
    for (response, alerts, deliveries) in [(Response::Push, "1", 1), (Response::Quiet, "0", 0)] {
        let house = house(Settings {
            profiles: vec![Profile {
                detections: [("ANOMALY".into(), response)].into(),
                ..Profile::default()
            }],
            ..ada()
        });
        find(&house, 0, anomaly("hw:source:nginx", 6.1, 1));
        assert_eq!(house.rows("SELECT count(*) FROM alerts"), [alerts]);
        assert_eq!(told(&house).len(), deliveries);
    }
}

#[test]
fn patterns_have_the_window_of_detections_by_their_own_time() {
    let house = house(ada());
    let found = |subject: &str, after_s: i64| {
        let pattern = PatternDetected {
            pattern: PatternType::BruteForce,
            subject: subject.into(),
            name: "Brute force".into(),
            services: vec!["sshd".into()],
            ips: vec!["203.0.113.9".parse().unwrap()],
            event_count: 5,
            severity: 70,
            started_at: 0,
            ended_at: house.clock.now(),
            root_cause: None,
            recommendations: vec![],
            grown_from: None,
        };
        let mut new = NewEvent::own(house.clock.now(), "pattern/brute_force", pattern)
            .with_text("5 logins failed")
            .from_source("host/heron");
        new.occurred_at += after_s * 1_000_000_000;
        house.handle().store(vec![new]).unwrap();
    };
    for after_s in [0, 900, -900, 901] {
        found("203.0.113.9", after_s);
    }
    // ALERT 50, the pattern 70; nothing is known of the address.
    assert_eq!(
        house.rows(COUNTED),
        [
            "BRUTE_FORCE profile/default 3 4 85 host heron",
            "BRUTE_FORCE profile/default 1 4 85 host heron"
        ]
    );
    assert_eq!(told(&house).len(), 1, "people are told once in 15 minutes");
    let listed = IpListed {
        ip: "203.0.113.9".parse().unwrap(),
        list: IpList::Blacklist,
    };
    let event = NewEvent::own(house.clock.now(), "ip/203.0.113.9", listed);
    house.handle().store(vec![event]).unwrap();
    found("203.0.113.9", 901);
    let risks = house.rows("SELECT risk_score FROM alerts ORDER BY alert_id");
    assert_eq!(risks, ["85", "98.5"], "it is known to be malicious");
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn devices_that_fall_silent_are_told_of() {
    let house = house(Settings {
        profiles: vec![Profile {
            detections: [("SENSOR_SILENT".into(), Response::Push)].into(),
            ..Profile::default()
        }],
        ..ada()
    });
    let last_at = Some(house.clock.now());
    let allowed_s = 300;
    let now = house.clock.now();
    let sensor = SensorWentSilent { last_at, allowed_s };
    let camera = CameraWentSilent { last_at, allowed_s };
    let events = vec![
        NewEvent::own(now, "sensor/shed", sensor),
        NewEvent::own(now, "camera/yard", camera),
    ];
    house.handle().store(events).unwrap();
    assert_eq!(
        told(&house),
        ["SENSOR_SILENT ada NTFY", "CAMERA_SILENT ada NTFY"]
    );
}

#[test]
fn what_is_stored_twice_or_comes_again_is_counted_once() {
    let house = house(ada());
    let id = r#"{"id":"evt-1"}"#;
    house.publish("vigilar/ups/power_loss", id);
    house.publish("vigilar/ups/power_loss", id);
    assert_eq!(house.rows("SELECT dedup_count FROM alerts"), ["1"]);
    // Perhaps stored twice: the flag says so.
    let fired = |flags| {
        let fired = RuleFired {
            rule: "gate".into(),
            actions: vec![Action::AlertAll],
        };
        let mut new = NewEvent::own(house.clock.now(), "rule/gate", fired);
        new.flags = flags;
        house.handle().store(vec![new]).unwrap();
    };
    fired(Flags::default());
    fired(Flags::SUSPECT_DUP);
    fired(Flags::RETAINED);
    let counts = house.rows("SELECT alert_type, dedup_count FROM alerts ORDER BY alert_id");
    assert_eq!(counts, ["UPS_POWER_LOST 1", "RULE 1"]);
    house.handle().rebuild().unwrap();
    let again = house.rows("SELECT alert_type, dedup_count FROM alerts ORDER BY alert_id");
    assert_eq!(again, counts, "a rebuild counts nothing anew");
}

#[test]
fn an_alert_names_devices_machines_and_programs_and_never_a_person() {
    let of = |source_type: &str, source_id: &str| {
        entity_of(&Moment {
            position: 1,
            timestamp_ns: 0,
            event_type: "X".into(),
            severity_id: 1,
            source_type: source_type.into(),
            source_id: source_id.into(),
            message: String::new(),
        })
        .map(|(kind, value)| format!("{kind}/{value}"))
    };
    for (source_type, source_id, entity) in [
        ("camera", "yard", Some("camera/yard")),
        ("host", "WEB-01.", Some("host/web-01")),
        (
            "ip",
            "::1",
            Some("ip/0000:0000:0000:0000:0000:0000:0000:0001"),
        ),
        ("log", "heron/sshd", Some("process/sshd")),
        ("service", "heron/nginx", Some("process/nginx")),
        ("source", "nginx", Some("process/nginx")),
        ("ip", "nonsense", None),
        ("person", "12", None),
        ("presence", "mara", None),
        ("log", "heron", None),
        ("", "", None),
    ] {
        assert_eq!(
            of(source_type, source_id).as_deref(),
            entity,
            "{source_type}"
        );
    }
}
