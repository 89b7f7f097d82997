// Tables of cases are long, and read one line at a time.
#![allow(clippy::unwrap_used, clippy::too_many_lines)]
use proptest::prelude::*;

use super::*;
use crate::event::Event;
use crate::event::camera::{Detection, MotionEnded, MotionStarted};
use crate::event::reading::Reading;
use crate::event::sensor::SensorReported;
use ArmMode::{ArmedAway, ArmedHome, ArmedNight, Disarmed};

/// The zero of the tests' clock.
const START: UnixNanos = 1_795_000_000 * SECOND_NS;

const DOOR: (&str, Signal) = ("sensor/front_door", Signal::ContactOpen);
const YARD: (&str, Signal) = ("camera/yard", Signal::Person);
const SMOKE: (&str, Signal) = ("sensor/kitchen", Signal::Smoke);
const PANE: (&str, Signal) = ("sensor/pane", Signal::GlassBreak);

fn seconds(at: i64) -> UnixNanos {
    START + at * SECOND_NS
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.zones.push(Zone {
        name: "people".into(),
        sources: vec!["camera/#".parse().unwrap()],
        signals: vec![Signal::Person],
        behaviour: Behaviour::Delayed,
        modes: vec![ArmedAway],
    });
    settings.zones.push(Zone {
        name: "panes".into(),
        sources: vec!["sensor/pane".parse().unwrap()],
        signals: vec![Signal::GlassBreak],
        behaviour: Behaviour::Immediate,
        modes: vec![],
    });
    settings
}

/// One alarm on a clock of seconds.
struct House {
    alarm: Alarm,
    settings: Settings,
    /// Every transition as `FROM>TO@second`, and its target's name if it has one.
    told: Vec<String>,
    transitions: Vec<Transition>,
}

impl House {
    fn new() -> Self {
        Self {
            alarm: Alarm::disarmed(START),
            settings: settings(),
            told: vec![],
            transitions: vec![],
        }
    }

    fn armed(mode: ArmMode) -> Self {
        let mut house = Self::new();
        house.alarm.state = mode.into();
        house
    }

    fn step(&mut self, at: i64, input: &Input) -> Option<Refusal> {
        let outcome = self.alarm.step(input, &self.settings, seconds(at));
        self.alarm = outcome.alarm;
        for transition in &outcome.transitions {
            let (from, to) = (transition.from.name(), transition.to.name());
            let at = (transition.at - START) / SECOND_NS;
            let target = transition
                .target
                .map_or(String::new(), |mode| format!(" {}", mode.name()));
            self.told.push(format!("{from}>{to}@{at}{target}"));
        }
        self.transitions.extend(outcome.transitions);
        outcome.refusal
    }

    fn request(&mut self, at: i64, mode: ArmMode, pin: PinVerdict) -> Option<Refusal> {
        let by = "hall".to_owned();
        self.step(at, &Input::Request { mode, pin, by })
    }

    fn report(&mut self, at: i64, occurred: i64, (source, what): (&str, Signal)) {
        let stimulus = Stimulus {
            source: source.to_owned(),
            what,
            occurred_at: seconds(occurred),
        };
        assert_eq!(self.step(at, &Input::Stimulus(stimulus)), None);
    }

    fn tick(&mut self, at: i64) {
        assert_eq!(self.step(at, &Input::Tick), None);
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

#[test]
fn a_day_at_the_house() {
    let mut house = House::new();
    assert_eq!(house.request(0, ArmedAway, PinVerdict::Absent), None);
    house.report(10, 10, DOOR);
    house.report(20, 20, PANE);
    house.tick(59);
    assert_eq!(house.told(), ["DISARMED>EXIT_DELAY@0 ARMED_AWAY"]);
    house.tick(61);
    assert_eq!(house.told(), ["EXIT_DELAY>ARMED_AWAY@60"]);
    house.report(100, 100, DOOR);
    house.report(105, 105, DOOR);
    assert_eq!(house.told(), ["ARMED_AWAY>ENTRY_DELAY@100 ARMED_AWAY"]);
    assert_eq!(house.alarm.due_at(), Some(seconds(130)));
    assert_eq!(
        house.request(110, Disarmed, PinVerdict::Wrong),
        Some(Refusal::PinWrong(Disarmed))
    );
    assert_eq!(house.request(120, Disarmed, PinVerdict::Correct), None);
    assert_eq!(house.told(), ["ENTRY_DELAY>DISARMED@120"]);
    house.report(130, 130, DOOR);
    house.tick(10_000);
    assert!(house.told().is_empty());
}

#[test]
fn a_burglary() {
    let mut house = House::armed(ArmedAway);
    house.report(10, 10, YARD);
    house.tick(40);
    assert_eq!(
        house.told(),
        [
            "ARMED_AWAY>ENTRY_DELAY@10 ARMED_AWAY",
            "ENTRY_DELAY>TRIGGERED@40 ARMED_AWAY"
        ]
    );
    house.report(60, 60, DOOR);
    house.report(61, 61, SMOKE);
    assert!(house.told().is_empty(), "what is raised is raised once");
    house.tick(220);
    assert_eq!(house.told(), ["TRIGGERED>ARMED_AWAY@220"]);
    house.report(230, 230, PANE);
    assert_eq!(house.told(), ["ARMED_AWAY>TRIGGERED@230 ARMED_AWAY"]);
    let last = house.transitions.last().unwrap();
    assert_eq!(
        (&*last.by, &*last.reason),
        ("sensor/pane", "glass_break in zone panes")
    );

    house.settings.trigger_for_s = 0;
    house.tick(410);
    house.report(500, 500, PANE);
    house.tick(1_000_000);
    assert_eq!(house.alarm.state, ArmState::Triggered);
    assert_eq!(house.alarm.due_at(), None);
}

#[test]
fn zones_do_in_each_state_what_they_say() {
    use ArmState as S;
    // What each source makes of each state; "-" is nothing.
    for (state, target, door, yard, pane, smoke) in [
        (S::Disarmed, None, "-", "-", "-", "TRIGGERED"),
        (
            S::ArmedHome,
            None,
            "ENTRY_DELAY",
            "-",
            "TRIGGERED",
            "TRIGGERED",
        ),
        (
            S::ArmedNight,
            None,
            "ENTRY_DELAY",
            "-",
            "TRIGGERED",
            "TRIGGERED",
        ),
        (
            S::ArmedAway,
            None,
            "ENTRY_DELAY",
            "ENTRY_DELAY",
            "TRIGGERED",
            "TRIGGERED",
        ),
        (S::ExitDelay, Some(ArmedAway), "-", "-", "-", "TRIGGERED"),
        (
            S::EntryDelay,
            Some(ArmedAway),
            "-",
            "-",
            "TRIGGERED",
            "TRIGGERED",
        ),
        (S::Triggered, Some(ArmedAway), "-", "-", "-", "-"),
        (S::Triggered, Some(Disarmed), "-", "-", "-", "-"),
    ] {
        for (signal, expected) in [(DOOR, door), (YARD, yard), (PANE, pane), (SMOKE, smoke)] {
            let mut house = House::new();
            house.alarm.state = state;
            house.alarm.target = target;
            house.alarm.deadline = target.map(|_| seconds(30));
            house.report(1, 1, signal);
            let to = house
                .transitions
                .first()
                .map_or("-", |first| first.to.name());
            assert_eq!(to, expected, "{state:?} {signal:?}");
            assert!(house.transitions.len() <= 1);
        }
    }
}

#[test]
fn who_may_do_what() {
    use PinVerdict::{Absent, Correct, Locked, Trusted, Unconfigured, Wrong};
    let verdicts = [Absent, Wrong, Locked, Unconfigured, Correct, Trusted];
    let refusals = |mode| {
        [
            Some(Refusal::PinMissing(mode)),
            Some(Refusal::PinWrong(mode)),
            Some(Refusal::PinLocked(mode)),
            Some(Refusal::NoPinConfigured(mode)),
            None,
            None,
        ]
    };
    // A wrong PIN is refused where none is needed, too: else nobody would count it.
    let free = |mode| [None, Some(Refusal::PinWrong(mode)), None, None, None, None];
    let unset = |mode| {
        let mut refusals = refusals(mode);
        refusals[3] = None;
        refusals
    };
    // (state, mode asked for, PIN to arm, disarm without PIN) → what each verdict gets
    for (state, mode, to_arm, without, expected) in [
        (ArmState::Disarmed, ArmedAway, false, false, free(ArmedAway)),
        (
            ArmState::Disarmed,
            ArmedAway,
            true,
            false,
            refusals(ArmedAway),
        ),
        (
            ArmState::Disarmed,
            ArmedAway,
            true,
            true,
            refusals(ArmedAway),
        ),
        (ArmState::Disarmed, Disarmed, true, false, free(Disarmed)),
        (
            ArmState::ArmedAway,
            Disarmed,
            false,
            false,
            refusals(Disarmed),
        ),
        (ArmState::ArmedAway, Disarmed, false, true, unset(Disarmed)),
        // Arming anew has an exit delay, in which nobody watches.
        (
            ArmState::ArmedAway,
            ArmedNight,
            false,
            false,
            refusals(ArmedNight),
        ),
        (
            ArmState::ArmedAway,
            ArmedNight,
            true,
            false,
            refusals(ArmedNight),
        ),
        (ArmState::ArmedAway, ArmedAway, true, false, free(ArmedAway)),
        (
            ArmState::ExitDelay,
            Disarmed,
            false,
            false,
            refusals(Disarmed),
        ),
        (ArmState::ExitDelay, ArmedAway, true, false, free(ArmedAway)),
        // Arming anew would silence the alarm as well as disarming does.
        (
            ArmState::EntryDelay,
            Disarmed,
            false,
            false,
            refusals(Disarmed),
        ),
        (
            ArmState::EntryDelay,
            ArmedAway,
            false,
            false,
            refusals(ArmedAway),
        ),
        (
            ArmState::Triggered,
            Disarmed,
            false,
            false,
            refusals(Disarmed),
        ),
        (
            ArmState::Triggered,
            ArmedAway,
            false,
            false,
            refusals(ArmedAway),
        ),
        (
            ArmState::Triggered,
            ArmedHome,
            false,
            true,
            unset(ArmedHome),
        ),
    ] {
        for (verdict, expected) in verdicts.into_iter().zip(expected) {
            let mut house = House::new();
            house.alarm.state = state;
            house.alarm.target = Some(ArmedAway);
            house.alarm.deadline = Some(seconds(30));
            house.settings.pin_to_arm = to_arm;
            house.settings.disarm_without_pin = without;
            let before = house.alarm;
            let asked = before.needs_pin(mode, &house.settings, seconds(1));
            let refusal = house.request(1, mode, verdict);
            let case = format!("{state:?} → {mode:?}, {verdict:?}, {to_arm}, {without}");
            assert_eq!(refusal, expected, "{case}");
            if refusal.is_some() {
                assert!(asked || verdict == Wrong, "{case}");
                assert_eq!(house.alarm, before, "{case}");
                assert!(house.transitions.is_empty());
            }
            if matches!(verdict, Absent) {
                assert_eq!(asked, refusal.is_some(), "{case}");
            }
        }
    }
    let message = Refusal::NoPinConfigured(Disarmed).to_string();
    assert!(message.starts_with("DISARMED needs a PIN, and none is configured; set one"));
}

#[test]
fn a_request_for_what_is_there_changes_nothing() {
    let mut house = House::new();
    for mode in [Disarmed, ArmedHome, ArmedAway, ArmedNight] {
        house.request(1_000, mode, PinVerdict::Correct);
        let (alarm, told) = (house.alarm, house.told.len());
        assert_eq!(house.request(1_001, mode, PinVerdict::Correct), None);
        assert_eq!(house.request(1_002, mode, PinVerdict::Absent), None);
        assert_eq!((house.alarm, house.told.len()), (alarm, told), "{mode:?}");
    }
}

#[test]
fn arming_an_armed_house_otherwise_is_arming_it_anew() {
    let mut house = House::new();
    house.request(0, ArmedAway, PinVerdict::Absent);
    house.request(10, ArmedHome, PinVerdict::Correct);
    house.settings.exit_delay_s.night = 20;
    house.request(20, ArmedNight, PinVerdict::Correct);
    house.request(30, ArmedAway, PinVerdict::Correct);
    house.tick(89);
    house.tick(90);
    house.request(100, Disarmed, PinVerdict::Trusted);
    assert_eq!(
        house.told(),
        [
            "DISARMED>EXIT_DELAY@0 ARMED_AWAY",
            "EXIT_DELAY>ARMED_HOME@10",
            "ARMED_HOME>EXIT_DELAY@20 ARMED_NIGHT",
            "EXIT_DELAY>EXIT_DELAY@30 ARMED_AWAY",
            "EXIT_DELAY>ARMED_AWAY@90",
            "ARMED_AWAY>DISARMED@100",
        ]
    );
}

#[test]
fn smoke_while_disarmed_ends_disarmed() {
    let mut house = House::new();
    house.report(10, 10, SMOKE);
    house.tick(189);
    assert_eq!(house.alarm.state, ArmState::Triggered);
    house.tick(190);
    assert_eq!(
        house.told(),
        ["DISARMED>TRIGGERED@10 DISARMED", "TRIGGERED>DISARMED@190"]
    );
    // While people leave, the house is armed after it.
    house.request(200, ArmedAway, PinVerdict::Absent);
    house.report(210, 210, SMOKE);
    house.tick(390);
    assert_eq!(
        house.told()[1..],
        [
            "EXIT_DELAY>TRIGGERED@210 ARMED_AWAY",
            "TRIGGERED>ARMED_AWAY@390"
        ]
    );
}

#[test]
fn late_news_and_early_clocks() {
    let mut house = House::armed(ArmedAway);
    // From before the house was armed.
    house.report(50, -1, DOOR);
    assert!(house.told().is_empty());
    // Smoke counts, whatever the clock of its detector says.
    let mut smoke = House::armed(ArmedAway);
    smoke.report(50, -1, SMOKE);
    assert_eq!(smoke.told(), ["ARMED_AWAY>TRIGGERED@0 ARMED_AWAY"]);
    let mut old = House::armed(ArmedAway);
    old.report(50, 49 - 3_600, SMOKE);
    assert!(old.told().is_empty());
    // From the very moment.
    let mut exact = House::armed(ArmedAway);
    exact.report(5, 0, DOOR);
    assert_eq!(exact.told(), ["ARMED_AWAY>ENTRY_DELAY@0 ARMED_AWAY"]);
    // A sensor whose clock is ahead gets no longer delay.
    house.report(50, 86_400, DOOR);
    assert_eq!(house.alarm.due_at(), Some(seconds(80)));
    // One whose message took longer than the delay.
    let mut slow = House::armed(ArmedAway);
    slow.report(45, 10, DOOR);
    assert_eq!(
        slow.told(),
        [
            "ARMED_AWAY>ENTRY_DELAY@10 ARMED_AWAY",
            "ENTRY_DELAY>TRIGGERED@40 ARMED_AWAY"
        ]
    );
    // The door through which people left, told after the deadline.
    let mut leaving = House::new();
    leaving.request(0, ArmedAway, PinVerdict::Absent);
    leaving.report(62, 55, DOOR);
    assert_eq!(leaving.alarm.state, ArmState::ArmedAway);
}

#[test]
fn deadlines_that_passed_while_nobody_looked_are_carried_out_at_their_time() {
    let mut house = House::armed(ArmedAway);
    house.report(10, 10, DOOR);
    house.tick(3_610);
    assert_eq!(
        house.told()[1..],
        [
            "ENTRY_DELAY>TRIGGERED@40 ARMED_AWAY",
            "TRIGGERED>ARMED_AWAY@220"
        ]
    );
    let reason = &house.transitions[1].reason;
    assert_eq!(
        reason,
        "not disarmed within the entry delay; carried out 3570 s late, as nobody looked at the \
         clock in between"
    );
    assert_eq!(house.transitions[1].by, "clock");
    // A refused request carries them out as well.
    house.report(4_000, 4_000, DOOR);
    let refusal = house.request(4_033, Disarmed, PinVerdict::Absent);
    assert_eq!(refusal, Some(Refusal::PinMissing(Disarmed)));
    let last = house.transitions.last().unwrap();
    assert_eq!(
        (last.to, last.at, &*last.reason),
        (
            ArmState::Triggered,
            seconds(4_030),
            "not disarmed within the entry delay"
        )
    );
}

#[test]
fn a_clock_set_back_neither_prolongs_a_delay_nor_deafens_the_alarm() {
    let mut house = House::armed(ArmedAway);
    house.report(10, 10, DOOR);
    house.tick(-86_400);
    assert_eq!(house.alarm.due_at(), Some(seconds(-86_370)));
    house.tick(-86_370);
    assert_eq!(house.alarm.state, ArmState::Triggered);

    let mut house = House::armed(ArmedAway);
    house.tick(-3_600);
    house.report(-3_590, -3_590, DOOR);
    assert_eq!(house.alarm.state, ArmState::EntryDelay);
}

#[test]
fn a_stored_state_that_makes_no_sense_is_read_strictly() {
    for target in [None, Some(Disarmed)] {
        for (state, next) in [
            (ArmState::ExitDelay, ArmState::ArmedAway),
            (ArmState::EntryDelay, ArmState::Triggered),
        ] {
            let mut house = House::new();
            house.alarm.state = state;
            house.alarm.target = target;
            house.tick(0);
            assert_eq!(house.alarm.state, next);
        }
    }
    let mut house = House::new();
    house.alarm.state = ArmState::Triggered;
    house.alarm.deadline = Some(seconds(1));
    house.tick(1);
    assert_eq!(house.alarm.state, ArmState::ArmedAway);
}

#[test]
fn without_delays_the_house_is_armed_and_the_alarm_raised_at_once() {
    let mut house = House::new();
    let none = Delays {
        home: 0,
        away: 0,
        night: 0,
    };
    house.settings.exit_delay_s = none;
    house.settings.entry_delay_s = none;
    house.request(0, ArmedAway, PinVerdict::Absent);
    house.report(1, 1, DOOR);
    assert_eq!(
        house.told(),
        ["DISARMED>ARMED_AWAY@0", "ARMED_AWAY>TRIGGERED@1 ARMED_AWAY"]
    );
}

#[test]
fn the_first_zone_that_watches_decides() {
    let mut settings = settings();
    let text = r#"{
        "name": "cat flap", "sources": ["sensor/cat_flap", "camera/+"],
        "signals": ["contact_open", "person"], "behaviour": "ignored", "modes": ["ARMED_NIGHT"]
    }"#;
    settings
        .zones
        .insert(0, serde_json::from_str(text).unwrap());
    assert_eq!(settings.check(), Ok(()));
    let zone = |source, what, mode| settings.zone(source, what, mode).map(|zone| &*zone.name);
    let open = Signal::ContactOpen;
    assert_eq!(zone("sensor/cat_flap", open, ArmedNight), Some("cat flap"));
    assert_eq!(zone("sensor/cat_flap", open, ArmedAway), Some("doors"));
    assert_eq!(zone("sensor/front_door", open, ArmedNight), Some("doors"));
    assert_eq!(zone("sensor/front_door", open, Disarmed), None);
    assert_eq!(
        zone("sensor/cat_flap", Signal::Smoke, Disarmed),
        Some("hazards")
    );
    assert_eq!(zone("camera/yard", Signal::Motion, ArmedAway), None);
    assert_eq!(zone("sensor/hall", Signal::Motion, ArmedAway), None);
}

#[test]
fn settings_survive_serde_and_refuse_zones_that_do_not_do_what_they_say() {
    let default = Settings::default();
    assert_eq!(default.check(), Ok(()));
    let text = toml::to_string(&default).unwrap();
    assert_eq!(toml::from_str::<Settings>(&text).unwrap(), default);
    assert_eq!(toml::from_str::<Settings>("").unwrap(), default);
    assert!(toml::from_str::<Settings>("pin_to_disarm = true").is_err());

    let broken = |change: fn(&mut Zone)| {
        let mut settings = settings();
        change(&mut settings.zones[0]);
        settings.check().unwrap_err()
    };
    let name = || "hazards".to_owned();
    assert_eq!(
        broken(|zone| zone.sources.clear()),
        SettingsError::WatchesNothing(name())
    );
    assert_eq!(
        broken(|zone| zone.signals.clear()),
        SettingsError::WatchesNothing(name())
    );
    assert_eq!(
        broken(|zone| zone.modes.push(ArmedAway)),
        SettingsError::AlwaysInModes(name())
    );
    assert_eq!(
        broken(|zone| {
            zone.behaviour = Behaviour::Immediate;
            zone.modes.push(Disarmed);
        }),
        SettingsError::Disarmed(name())
    );
}

#[test]
fn events_signal_what_begins_and_not_what_ends() {
    let sensor = |key: &str, value| {
        Event::from(SensorReported {
            key: key.into(),
            value,
            unit: None,
            battery: None,
            linkquality: None,
            extra: crate::event::Extra::default(),
        })
    };
    let word = |word: &str| Reading::Word(word.into());
    let camera = |detection| {
        Event::from(MotionStarted {
            detection,
            ..Default::default()
        })
    };
    for (event, signal) in [
        (sensor("contact", word("open")), Some(Signal::ContactOpen)),
        (sensor("contact", word("closed")), None),
        (sensor("contact", word("unknown")), None),
        (sensor("motion", word("detected")), Some(Signal::Motion)),
        (
            sensor("occupancy", Reading::Flag(true)),
            Some(Signal::Motion),
        ),
        (sensor("motion", Reading::Flag(false)), None),
        (sensor("smoke", Reading::Flag(true)), Some(Signal::Smoke)),
        (sensor("smoke", Reading::Flag(false)), None),
        (sensor("smoke", word("unavailable")), None),
        (
            sensor("water_leak", Reading::Flag(true)),
            Some(Signal::Leak),
        ),
        (
            sensor("carbon_monoxide", Reading::Flag(true)),
            Some(Signal::Gas),
        ),
        (sensor("tamper", word("detected")), Some(Signal::Tamper)),
        (
            sensor("glass_break", word("detected")),
            Some(Signal::GlassBreak),
        ),
        (sensor("temperature", Reading::Number(1.0)), None),
        (camera(Some(Detection::Person)), Some(Signal::Person)),
        (camera(Some(Detection::Vehicle)), Some(Signal::Vehicle)),
        (camera(None), Some(Signal::Motion)),
        (Event::from(MotionEnded::default()), None),
    ] {
        assert_eq!(Signal::of(&event), signal, "{event:?}");
    }
    for signal in [Signal::ContactOpen, Signal::GlassBreak, Signal::Leak] {
        let name = serde_json::to_value(signal).unwrap();
        assert_eq!(name, signal.name());
    }
}

#[test]
fn states_are_stored_by_their_names() {
    for state in ArmState::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        assert_eq!(ArmState::from_name(state.name()), Some(state));
    }
    assert_eq!(ArmState::from_name("ARMED"), None);
}

fn modes() -> impl Strategy<Value = ArmMode> {
    prop_oneof![
        Just(Disarmed),
        Just(ArmedHome),
        Just(ArmedAway),
        Just(ArmedNight)
    ]
}

fn verdicts() -> impl Strategy<Value = PinVerdict> {
    use PinVerdict::{Absent, Correct, Locked, Trusted, Unconfigured, Wrong};
    proptest::sample::select(vec![Absent, Wrong, Locked, Unconfigured, Correct, Trusted])
}

fn alarms() -> impl Strategy<Value = Alarm> {
    (
        proptest::sample::select(ArmState::ALL.to_vec()),
        proptest::option::of(modes()),
        -300..0_i64,
        proptest::option::of(0..400_i64),
    )
        .prop_map(|(state, target, since, length)| Alarm {
            state,
            target,
            since: seconds(since),
            deadline: length.map(|length| seconds(since + length)),
        })
}

fn inputs() -> impl Strategy<Value = Input> {
    let request = (modes(), verdicts()).prop_map(|(mode, pin)| Input::Request {
        mode,
        pin,
        by: "hall".into(),
    });
    let source = proptest::sample::select(vec![DOOR, YARD, PANE, SMOKE]);
    let stimulus = (source, -400..500_i64).prop_map(|((source, what), at)| {
        Input::Stimulus(Stimulus {
            source: source.into(),
            what,
            occurred_at: seconds(at),
        })
    });
    prop_oneof![request, stimulus, Just(Input::Tick)]
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let delay = || (0..3_u32).prop_map(|n| n * 20);
    let delays = move || {
        (delay(), delay(), delay()).prop_map(|(home, away, night)| Delays { home, away, night })
    };
    (delays(), delays(), delay(), any::<bool>(), any::<bool>()).prop_map(
        |(exit_delay_s, entry_delay_s, trigger_for_s, pin_to_arm, disarm_without_pin)| Settings {
            exit_delay_s,
            entry_delay_s,
            trigger_for_s,
            pin_to_arm,
            disarm_without_pin,
            ..settings()
        },
    )
}

fn authorised(input: &Input, settings: &Settings) -> bool {
    let Input::Request {
        mode: Disarmed,
        pin,
        ..
    } = input
    else {
        return false;
    };
    match pin {
        PinVerdict::Correct | PinVerdict::Trusted => true,
        PinVerdict::Unconfigured => settings.disarm_without_pin,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_the_invariants_hold(
        start in alarms(),
        settings in any_settings(),
        // The clock mostly goes forward.
        steps in proptest::collection::vec((-40..100_i64, inputs()), 1..30),
    ) {
        let (mut alarm, mut now) = (start, 0);
        // Whether something is watched that only the PIN may end.
        let mut watching = match start.state {
            ArmState::Disarmed => false,
            ArmState::Triggered => start.target != Some(Disarmed),
            _ => true,
        };
        for (step, input) in steps {
            now += step;
            let at = seconds(now);
            let outcome = alarm.step(&input, &settings, at);
            prop_assert_eq!(&outcome, &alarm.step(&input, &settings, at), "same in, same out");

            let mut before = alarm.at_latest_since(at);
            for transition in &outcome.transitions {
                prop_assert_eq!(transition.from, before.state, "transitions chain");
                prop_assert!(before.since <= transition.at && transition.at <= at);
                match transition.to {
                    ArmState::Disarmed => {
                        prop_assert!(!watching || authorised(&input, &settings), "{:?}", transition);
                        watching = false;
                    }
                    ArmState::Triggered => {
                        let ended = before.state == ArmState::EntryDelay
                            && Some(transition.at) == before.due_at();
                        prop_assert!(ended || matches!(input, Input::Stimulus(_)));
                        let from_disarmed = before.state == ArmState::Disarmed;
                        prop_assert_eq!(transition.target == Some(Disarmed), from_disarmed);
                    }
                    _ => watching = true,
                }
                before = Alarm::after(transition);
            }
            prop_assert_eq!(before, outcome.alarm, "the last transition tells the state");
            prop_assert!(outcome.transitions.len() <= 6, "a step ends");
            prop_assert!(outcome.alarm.due_at().is_none_or(|due| due > at), "nothing is left due");
            alarm = outcome.alarm;
        }
    }

    #[test]
    fn it_does_not_matter_how_often_the_clock_is_looked_at(
        start in alarms(),
        settings in any_settings(),
        steps in proptest::collection::vec(
            (0..100_i64, inputs(), proptest::collection::vec(0..100_i64, 0..5)), 1..20,
        ),
    ) {
        let (mut coarse, mut fine, mut now) = (start, start, 0);
        for (step, input, mut ticks) in steps {
            ticks.retain(|tick| *tick <= step);
            ticks.sort_unstable();
            for tick in ticks {
                fine = fine.step(&Input::Tick, &settings, seconds(now + tick)).alarm;
            }
            now += step;
            coarse = coarse.step(&input, &settings, seconds(now)).alarm;
            fine = fine.step(&input, &settings, seconds(now)).alarm;
            prop_assert_eq!(coarse, fine);
        }
    }

    #[test]
    fn a_refused_request_does_what_a_tick_does(
        start in alarms(), settings in any_settings(), mode in modes(), pin in verdicts(),
        now in -400..400_i64,
    ) {
        let request = Input::Request { mode, pin, by: "hall".into() };
        let outcome = start.step(&request, &settings, seconds(now));
        let ticked = start.step(&Input::Tick, &settings, seconds(now));
        if outcome.refusal.is_some() {
            let asked = start.needs_pin(mode, &settings, seconds(now));
            prop_assert!(asked || pin == PinVerdict::Wrong);
            prop_assert_eq!(outcome.alarm, ticked.alarm);
            prop_assert_eq!(outcome.transitions, ticked.transitions);
        }
    }
}
