//! Rules as a household would write them.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::base::clock::{HOUR_NS, SECOND_NS};
use crate::reactor::Settings;
use crate::reactor::tests::bench::{House, NOON};

fn armed_away() -> Condition {
    Condition::ArmState {
        state: ArmState::ArmedAway,
    }
}

fn any_motion() -> Condition {
    Condition::CameraMotion {
        camera: String::new(),
    }
}

fn sensor(sensor: &str, event: &str) -> Condition {
    Condition::SensorEvent {
        sensor: sensor.into(),
        event: event.into(),
    }
}

fn rule(id: &str, logic: Logic, conditions: Vec<Condition>, actions: Vec<Action>) -> Rule {
    Rule {
        id: id.into(),
        conditions,
        logic,
        actions,
        cooldown_ns: 60 * SECOND_NS,
        within_ns: 30 * SECOND_NS,
    }
}

fn house(rules: Vec<Rule>) -> House {
    let mut settings = Settings {
        rules,
        ..Settings::default()
    };
    settings.alarm.exit_delay_s.away = 0;
    House::new(settings)
}

fn motion(house: &House, camera: &str) {
    house.publish(&format!("vigilar/camera/{camera}/motion/start"), "{}");
}

fn arm_away(house: &House) {
    house.publish("vigilar/system/arm_request", r#"{"mode":"ARMED_AWAY"}"#);
}

fn fired(house: &House) -> Vec<String> {
    house.rows(
        "SELECT n.name FROM event_log e JOIN names k ON k.id = e.kind JOIN names n ON n.id = e.stream \
         WHERE k.name = 'rule.fired' ORDER BY e.position",
    )
}

#[test]
fn motion_while_away_fires_and_while_disarmed_does_not() {
    let conditions = vec![armed_away(), any_motion()];
    let house = house(vec![rule(
        "away",
        Logic::And,
        conditions,
        vec![Action::AlertAll],
    )]);
    motion(&house, "yard");
    assert_eq!(fired(&house), Vec::<String>::new());
    arm_away(&house);
    house.wait(1);
    motion(&house, "yard");
    assert_eq!(fired(&house), ["rule/away"]);
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_rule_rests_for_its_cooldown_also_across_a_restart() {
    let mut house = house(vec![rule(
        "any",
        Logic::Or,
        vec![any_motion()],
        vec![Action::AlertAll],
    )]);
    motion(&house, "yard");
    house.wait(30);
    motion(&house, "porch");
    house.restart(None);
    house.wait(29);
    motion(&house, "yard");
    assert_eq!(fired(&house).len(), 1);
    house.wait(1);
    motion(&house, "yard");
    assert_eq!(fired(&house).len(), 2);
    assert_eq!(house.rows("SELECT fire_count FROM rule_states"), ["2"]);
}

#[test]
fn two_events_of_an_and_need_not_come_together() {
    let conditions = vec![sensor("back_door", "contact_open"), any_motion()];
    let house = house(vec![rule(
        "back",
        Logic::And,
        conditions,
        vec![Action::RecordAllCameras],
    )]);
    house.publish("vigilar/sensor/back_door/contact_open", "{}");
    assert_eq!(fired(&house), Vec::<String>::new());
    house.wait(31);
    motion(&house, "yard");
    assert_eq!(fired(&house), Vec::<String>::new(), "too far apart");
    house.publish("vigilar/sensor/back_door/contact_closed", "{}");
    house.wait(10);
    house.publish("vigilar/sensor/back_door/contact_open", "{}");
    assert_eq!(fired(&house), ["rule/back"], "in either order");
    assert_eq!(
        house.rows(
            "SELECT count(*) FROM event_log e JOIN names k ON k.id = e.kind \
             WHERE k.name = 'recording.requested'"
        ),
        ["1"]
    );
}

#[test]
fn a_window_is_the_wall_clocks_where_the_house_stands() {
    let window = Condition::TimeWindow {
        window: "23:00-06:00".parse().unwrap(),
    };
    let night = vec![rule(
        "night",
        Logic::And,
        vec![any_motion(), window],
        vec![Action::AlertAll],
    )];
    let settings = Settings {
        rules: night,
        zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
        ..Settings::default()
    };
    let house = House::new(settings);
    motion(&house, "yard");
    house.clock.set(NOON + 10 * HOUR_NS);
    motion(&house, "porch");
    assert_eq!(fired(&house).len(), 1, "22:00 UTC is 23:00 there");
}

#[test]
fn a_rule_without_events_is_looked_at_when_the_alarm_changes() {
    let house = house(vec![rule(
        "armed",
        Logic::And,
        vec![armed_away()],
        vec![Action::Publish {
            topic: "house/lights".into(),
            payload: "OFF".into(),
            retain: false,
        }],
    )]);
    motion(&house, "yard");
    arm_away(&house);
    assert_eq!(fired(&house), ["rule/armed"]);
}

#[test]
fn what_is_told_again_or_retained_fires_nothing() {
    let conditions = vec![sensor("", "contact_open")];
    let mut one = rule("door", Logic::And, conditions, vec![Action::AlertAll]);
    one.cooldown_ns = 0;
    let house = house(vec![one]);
    house.publish_retained("vigilar/sensor/door/contact_open", "{}");
    house.publish("vigilar/sensor/door/contact_open", "{}");
    house.publish("vigilar/sensor/gate/contact_open", "{}");
    house.publish("vigilar/sensor/gate/contact_open", "{}");
    assert_eq!(fired(&house), ["rule/door"], "the gate's opening alone");
}
