//! Who is told of what, and how often.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
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
