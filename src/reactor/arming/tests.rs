//! The alarm as messages, a clock and restarts drive it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use crate::base::clock::SECOND_NS;
use crate::reactor::Settings;
use crate::reactor::pin::PinHash;
use crate::reactor::tests::bench::House;

/// Of the PIN 2580, made by Python's hashlib.
const HASH: &str = "pbkdf2_sha256$101112131415161718191a1b1c1d1e1f$";

fn pin() -> PinHash {
    let pin = crate::reactor::pin::Pin::new("2580".into()).unwrap();
    let hash = PinHash::make(&pin, &(0x10..0x20).collect::<Vec<u8>>()).unwrap();
    assert!(hash.encoded().starts_with(HASH));
    hash
}

fn house() -> House {
    House::with_pin(Settings::default(), Some(pin()))
}

fn ask(house: &House, mode: &str, pin: Option<&str>) {
    let payload = match pin {
        Some(pin) => {
            format!("{{\"mode\":\"{mode}\",\"pin\":\"{pin}\",\"triggered_by\":\"hall keypad\"}}")
        }
        None => format!("{{\"mode\":\"{mode}\",\"triggered_by\":\"hall keypad\"}}"),
    };
    house.publish("vigilar/system/arm_request", &payload);
}

fn open(house: &House, door: &str) {
    house.publish(&format!("vigilar/sensor/{door}/contact_open"), "{}");
}

fn states(house: &House) -> Vec<String> {
    house.rows("SELECT previous || '>' || state FROM arm_state_log ORDER BY id")
}

#[test]
fn a_burglar_gets_no_further_than_the_entry_delay() {
    let house = house();
    ask(&house, "ARMED_AWAY", None);
    open(&house, "front_door");
    assert_eq!(states(&house), ["DISARMED>EXIT_DELAY"], "on the way out");
    house.wait(59);
    assert_eq!(states(&house).len(), 1);
    house.wait(1);
    house.publish("vigilar/sensor/front_door/contact_closed", "{}");
    open(&house, "front_door");
    house.wait(30);
    assert_eq!(
        states(&house),
        [
            "DISARMED>EXIT_DELAY",
            "EXIT_DELAY>ARMED_AWAY",
            "ARMED_AWAY>ENTRY_DELAY",
            "ENTRY_DELAY>TRIGGERED"
        ]
    );
    ask(&house, "DISARMED", Some("2580"));
    assert_eq!(states(&house).last().unwrap(), "TRIGGERED>DISARMED");
    assert_eq!(
        house.rows("SELECT triggered_by, reason FROM arm_state_log ORDER BY id DESC LIMIT 1"),
        ["hall keypad requested with the PIN"]
    );
    assert_eq!(
        house.rows("SELECT type, severity_id FROM events WHERE type LIKE 'ALARM%'"),
        ["ALARM_TRIGGERED 5"]
    );
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn what_triggers_is_named_and_is_the_cause() {
    let house = house();
    ask(&house, "ARMED_HOME", None);
    house.publish("vigilar/sensor/kitchen/smoke", r#"{"value":true}"#);
    assert_eq!(
        house.rows(
            "SELECT a.triggered_by, n.name FROM arm_state_log a \
             JOIN event_log e ON e.position = a.id JOIN event_log c ON c.position = e.cause \
             JOIN names n ON n.id = c.stream ORDER BY a.id DESC LIMIT 1"
        ),
        ["sensor/kitchen sensor/kitchen"]
    );
}

#[test]
fn the_state_and_its_deadline_survive_a_restart() {
    let mut house = house();
    ask(&house, "ARMED_NIGHT", None);
    open(&house, "front_door");
    assert_eq!(states(&house).last().unwrap(), "ARMED_NIGHT>ENTRY_DELAY");
    house.clock.set(house.clock.now() + 3_600 * SECOND_NS);
    house.restart(None);
    house.wait(0);
    // The alarm went off, and back to armed after its three minutes, while the box was down.
    assert_eq!(
        states(&house)[2..],
        ["ENTRY_DELAY>TRIGGERED", "TRIGGERED>ARMED_NIGHT"]
    );
    assert_eq!(
        house.rows("SELECT (at - 1795176000000000000) / 1000000000 FROM arm_state_log ORDER BY id"),
        ["0", "0", "30", "210"]
    );
}

#[test]
fn wrong_pins_are_counted_locked_out_and_reported_and_a_restart_opens_no_gate() {
    let mut house = house();
    ask(&house, "ARMED_HOME", None);
    let mut pause = 1;
    for _ in 0..5 {
        ask(&house, "DISARMED", Some("0000"));
        house.wait(pause);
        pause *= 2;
    }
    assert_eq!(
        house.rows("SELECT wrong_pins FROM arm_requests WHERE pin = 'WRONG' ORDER BY id"),
        ["1", "2", "3", "4", "5"]
    );
    assert_eq!(
        house.rows(
            "SELECT type FROM events WHERE type IN ('WRONG_PIN', 'ARM_REFUSED') ORDER BY position"
        ),
        [
            "ARM_REFUSED",
            "ARM_REFUSED",
            "ARM_REFUSED",
            "ARM_REFUSED",
            "WRONG_PIN"
        ]
    );
    ask(&house, "DISARMED", Some("0000"));
    ask(&house, "DISARMED", Some("2580"));
    house.restart(None);
    ask(&house, "DISARMED", Some("2580"));
    assert_eq!(
        house.rows("SELECT pin FROM arm_requests ORDER BY id DESC LIMIT 2"),
        ["LOCKED", "LOCKED"],
        "the right one too: nobody looks"
    );
    assert_eq!(states(&house).len(), 1, "armed all the time");
    house.wait(300);
    ask(&house, "DISARMED", Some("2580"));
    assert_eq!(states(&house).last().unwrap(), "ARMED_HOME>DISARMED");
    house.wait(1);
    ask(&house, "ARMED_HOME", None);
    ask(&house, "DISARMED", Some("1111"));
    assert_eq!(
        house.rows("SELECT wrong_pins FROM arm_requests ORDER BY id DESC LIMIT 1"),
        ["1"],
        "counted anew after a right one"
    );
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn without_a_pin_no_message_disarms() {
    let house = House::new(Settings::default());
    ask(&house, "ARMED_HOME", None);
    ask(&house, "DISARMED", None);
    ask(&house, "DISARMED", Some("2580"));
    assert_eq!(states(&house).len(), 1);
    assert_eq!(
        house.rows("SELECT DISTINCT refusal FROM arm_requests WHERE refusal IS NOT NULL"),
        ["DISARMED needs a PIN, and none is configured; set one, or do it on the box itself"]
    );
}

#[test]
fn old_and_retained_requests_are_refused() {
    let house = house();
    ask(&house, "ARMED_HOME", None);
    let late = (house.clock.now() - 180 * SECOND_NS) / 1_000_000;
    house.publish(
        "vigilar/system/arm_request",
        &format!("{{\"mode\":\"DISARMED\",\"pin\":\"2580\",\"ts\":{late}}}"),
    );
    house.wait(2);
    house.publish_retained(
        "vigilar/system/arm_request",
        "{\"mode\":\"DISARMED\",\"pin\":\"2580\"}",
    );
    assert_eq!(states(&house).len(), 1);
    assert_eq!(
        house.rows("SELECT refusal FROM arm_requests WHERE refusal IS NOT NULL ORDER BY id"),
        [
            "the request is 3 minutes old; ask again",
            "a retained message is no request; publish it without retain"
        ]
    );
}

#[test]
fn a_state_told_again_is_no_burglar() {
    let house = house();
    open(&house, "window");
    ask(&house, "ARMED_NIGHT", None);
    open(&house, "window");
    house.publish_retained("vigilar/sensor/window/contact_open", "{}");
    house.publish_retained("vigilar/sensor/other/contact_open", "{}");
    let before = (house.clock.now() - 5 * SECOND_NS) / 1_000_000;
    house.publish(
        "vigilar/sensor/back_door/contact_open",
        &format!("{{\"ts\":{before}}}"),
    );
    assert_eq!(states(&house), ["DISARMED>ARMED_NIGHT"]);
    open(&house, "back_gate");
    assert_eq!(states(&house).last().unwrap(), "ARMED_NIGHT>ENTRY_DELAY");
}

#[test]
fn only_its_own_topic_commands_the_alarm() {
    let house = house();
    let payload = r#"{"mode":"ARMED_AWAY","pin":"2580","action":"arm_all_zones","code":"2580"}"#;
    for topic in [
        "vigilar/sensor/keypad/action",
        "vigilar/system/arm_request/x",
        "vigilar/system/health",
        "vigilar/presence/arm_request",
        "vigilar/log/heron/arm_request",
        "zigbee2mqtt/keypad",
        "alarmo/command",
    ] {
        house.publish(topic, payload);
    }
    assert_eq!(states(&house), Vec::<String>::new());
    assert_eq!(house.rows("SELECT count(*) FROM arm_requests"), ["0"]);
    ask(&house, "ARMED_AWAY", Some("2580"));
    assert_eq!(states(&house).len(), 1);
}

/// What is traced, at every level, while it lives.
#[derive(Clone, Default)]
struct Traced(Arc<Mutex<Vec<u8>>>);

impl Traced {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Traced {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_pin_is_nowhere_on_the_disk_and_in_no_trace() {
    let pins = ["2580", "90210-secret", "314159265"];
    let traced = Traced::default();
    let into = traced.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || into.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::trace!("all that is traced is seen");
    let house = house();
    ask(&house, "ARMED_HOME", None);
    ask(&house, "ARMED_AWAY", Some(pins[1]));
    house.wait(2);
    ask(&house, "DISARMED", Some(pins[1]));
    house.wait(2);
    house.publish(
        "vigilar/system/arm_request",
        "{\"mode\":\"DISARMED\",\"pin\":314159265,\"note\":\"my pin is 314159265\"}",
    );
    house.publish(
        "vigilar/system/arm_request",
        "{\"mode\":\"NONSENSE\",\"pin\":\"90210-secret\"}",
    );
    house.publish("vigilar/system/arm_request", "{\"pin\":\"90210-secret\"");
    house.wait(8);
    ask(&house, "DISARMED", Some(pins[0]));
    assert_eq!(states(&house).last().unwrap(), "ARMED_HOME>DISARMED");
    let text = traced.text();
    assert!(text.contains("all that is traced is seen"), "{text}");
    for pin in &pins[1..] {
        assert!(!text.contains(pin), "{text}");
    }
    assert!(!text.contains("\"2580"), "{text}");
    // The WAL is there as long as the writer lives.
    let mut seen = 0;
    for entry in std::fs::read_dir(house.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        seen += bytes.len();
        for pin in &pins[1..] {
            assert!(
                !bytes
                    .windows(pin.len())
                    .any(|window| window == pin.as_bytes()),
                "{pin} in {}",
                path.display()
            );
        }
        let quoted = br#""2580""#;
        assert!(!bytes.windows(quoted.len()).any(|window| window == quoted));
    }
    assert!(seen > 100_000, "there was something to search");
    assert!(
        house
            .rows("SELECT text FROM event_log WHERE text LIKE '%2580%'")
            .is_empty()
    );
}

#[test]
fn who_hops_between_modes_needs_the_pin() {
    let house = house();
    ask(&house, "ARMED_NIGHT", None);
    ask(&house, "ARMED_AWAY", None);
    assert_eq!(
        states(&house),
        ["DISARMED>ARMED_NIGHT"],
        "no minute in which nobody watches"
    );
    ask(&house, "ARMED_AWAY", Some("2580"));
    assert_eq!(states(&house).last().unwrap(), "ARMED_NIGHT>EXIT_DELAY");
}

#[test]
fn a_wrong_pin_counts_where_none_is_needed() {
    let house = house();
    ask(&house, "ARMED_HOME", Some("1111"));
    house.wait(2);
    ask(&house, "ARMED_HOME", None);
    ask(&house, "ARMED_HOME", Some("2222"));
    assert_eq!(states(&house), ["DISARMED>ARMED_HOME"]);
    assert_eq!(
        house.rows("SELECT wrong_pins FROM arm_requests WHERE pin = 'WRONG' ORDER BY id"),
        ["1", "2"]
    );
}

#[test]
fn a_clock_set_back_leaves_the_alarm_awake_and_its_delay_as_long_as_it_was() {
    let house = house();
    ask(&house, "ARMED_NIGHT", None);
    open(&house, "front_door");
    house.clock.set(house.clock.now() - 3_600 * SECOND_NS);
    house.wait(0);
    house.wait(29);
    assert_eq!(states(&house).last().unwrap(), "ENTRY_DELAY>ENTRY_DELAY");
    house.wait(1);
    assert_eq!(states(&house).last().unwrap(), "ENTRY_DELAY>TRIGGERED");
    assert_eq!(
        states(&house).len(),
        4,
        "told once that the clock was set back"
    );
    ask(&house, "DISARMED", Some("2580"));
    house.wait(2);
    ask(&house, "ARMED_NIGHT", None);
    house.clock.set(house.clock.now() - 3_600 * SECOND_NS);
    house.publish("vigilar/sensor/cellar/smoke", r#"{"value":true}"#);
    assert_eq!(states(&house).last().unwrap(), "ARMED_NIGHT>TRIGGERED");
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn every_signal_that_an_alarm_knows_makes_a_moment() {
    let mut settings = Settings::default();
    settings.alarm.zones[1].signals = vec![
        crate::reactor::alarm::Signal::ContactOpen,
        crate::reactor::alarm::Signal::GlassBreak,
        crate::reactor::alarm::Signal::Motion,
    ];
    for key in [
        "contact_open",
        "glass_break",
        "motion",
        "occupancy",
        "tamper",
        "smoke",
        "leak",
        "water_leak",
        "flood",
        "gas",
        "carbon_monoxide",
    ] {
        let house = House::with_pin(settings.clone(), Some(pin()));
        ask(&house, "ARMED_NIGHT", None);
        house.wait(1);
        let payload = if key == "contact_open" {
            "{}"
        } else {
            r#"{"value":true}"#
        };
        house.publish(&format!("vigilar/sensor/hall/{key}"), payload);
        assert_eq!(states(&house).len(), 2, "{key}");
        let moments = house.rows("SELECT count(*) FROM events WHERE source_type = 'sensor'");
        assert_eq!(moments, ["1"], "{key}");
    }
}

#[test]
fn what_the_broker_may_have_held_is_no_request() {
    let house = house();
    ask(&house, "ARMED_HOME", None);
    let request = crate::event::house::ArmRequested {
        mode: crate::event::house::ArmMode::Disarmed,
        pin_given: true,
        pin: Some(crate::event::house::PinVerdict::Correct),
        queued: true,
        triggered_by: "phone".into(),
        extra: crate::event::Extra::new(),
    };
    let now = house.clock.now();
    let event = crate::event::NewEvent::own(now, "arm/system", request);
    house.handle().store(vec![event]).unwrap();
    assert_eq!(states(&house), ["DISARMED>ARMED_HOME"]);
}
