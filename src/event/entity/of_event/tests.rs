use super::*;
use crate::event::animal::{PetLocated, PetSighted};
use crate::event::camera::MotionStarted;
use crate::event::envelope::{Flags, Name};
use crate::event::house::{ArmMode, ArmRequested, FacePrivacy, FaceSeen, PresenceReported};
use crate::event::people::{FaceMatched, PersonForgotten, ProfileEdited, redacted};
use crate::event::reading::Reading;
use crate::event::sensor::SensorReported;
use crate::event::system::Level;
use crate::event::trace::{IpList, IpListed, TraceRecorded, Trigger};
use crate::event::{Extra, Kind};

fn envelope(stream: &str, source: &str, text: &str, event: impl Into<Event>) -> Envelope {
    let name = |text: &str| Name {
        id: 1,
        text: text.into(),
    };
    Envelope {
        position: 42,
        occurred_at: 0,
        received_at: 0,
        kind_id: 1,
        stream: name(stream),
        source: name(source),
        topic: None,
        flags: Flags::default(),
        cause: None,
        text: Some(text.to_owned()),
        event: event.into(),
    }
}

fn line(text: &str, fields: &[(&str, &str)]) -> Envelope {
    let fields = fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()));
    let written = LogWritten {
        host: "heron".into(),
        source: "auth".into(),
        level: Level::Info,
        fields: fields.collect::<Extra>().into(),
    };
    envelope("log/heron/auth", "log/heron/auth", text, written)
}

fn entities(event: &Envelope) -> Vec<String> {
    let mut all = Vec::new();
    for_each_entity(event, &mut |kind, name| all.push(format!("{kind} {name}")));
    all
}

fn relations(event: &Envelope) -> Vec<String> {
    let mut all = Vec::new();
    for_each_relation(event, &mut |(_, source), (_, target), relation| {
        all.push(format!("{source} {relation} {target}"));
    });
    all
}

fn sighting(pet_id: Option<&str>) -> Envelope {
    let sighted = PetSighted {
        camera: "yard".into(),
        pet_id: pet_id.map(Into::into),
        species: "dog".into(),
        confidence: 0.9,
        bbox: None,
        crop_path: None,
        location: None,
        extra: Extra::new(),
    };
    let stream = format!("pet/{}", pet_id.unwrap_or("unknown"));
    envelope(&stream, "camera/yard", "", sighted)
}

fn matched(profile: i64) -> FaceMatched {
    FaceMatched {
        face: 41,
        profile,
        camera: "porch".into(),
        distance: None,
        is_new: false,
        known: true,
        ignored: false,
        dropped: Vec::new(),
    }
}

#[test]
fn a_login_tells_who_from_where_and_into_what() {
    let login = line(
        "Accepted password for mara from 192.0.2.14 port 1",
        &[
            ("action", "login"),
            ("ip_address", "192.0.2.14"),
            ("service", "sshd"),
            ("user", "mara"),
        ],
    );
    let all = ["host heron", "process sshd", "user mara", "ip 192.0.2.14"];
    assert_eq!(entities(&login), all);
    assert_eq!(
        relations(&login),
        [
            "sshd ran_on heron",
            "192.0.2.14 reached heron",
            "mara logged_into heron",
            "mara authenticated_from 192.0.2.14",
        ]
    );
}

#[test]
fn a_failed_login_opens_no_host_and_a_stranger_names_nobody() {
    let failed = line(
        "Failed password for invalid user user=root from 192.0.2.1 port 5 from 203.0.113.77",
        &[
            ("action", "failed_login"),
            ("ip_address", "203.0.113.77"),
            ("user", "user=root from 192.0.2.1 port 5"),
        ],
    );
    let user = "user user=root from 192.0.2.1 port 5";
    let all = ["host heron", "process auth", user, "ip 203.0.113.77"];
    assert_eq!(entities(&failed), all);
    assert_eq!(
        relations(&failed),
        [
            "auth ran_on heron",
            "203.0.113.77 reached heron",
            "user=root from 192.0.2.1 port 5 failed_from 203.0.113.77",
        ]
    );
}

#[test]
fn a_line_that_nobody_parsed_is_read_for_mentions_but_relates_nothing() {
    let plain = line(
        "user=mara opened /etc/shadow on db.example.com via 192.0.2.9",
        &[],
    );
    assert_eq!(
        entities(&plain),
        [
            "host heron",
            "process auth",
            "user mara",
            "file /etc/shadow",
            "domain db.example.com",
            "ip 192.0.2.9",
        ]
    );
    assert_eq!(relations(&plain), ["auth ran_on heron"]);
}

#[test]
fn one_who_was_kept_out_reached_nothing() {
    for action in ["blocked", "ban", "unban", "found"] {
        let event = line("x", &[("action", action), ("ip_address", "203.0.113.77")]);
        assert_eq!(relations(&event), ["auth ran_on heron"], "{action}");
        assert!(entities(&event).contains(&"ip 203.0.113.77".into()));
    }
}

#[test]
fn devices_are_told_by_stream_and_source() {
    let motion = envelope("camera/yard", "camera/yard", "", MotionStarted::default());
    assert_eq!(entities(&motion), ["camera yard"]);
    let reading = SensorReported {
        key: "contact".into(),
        value: Reading::Word("open".into()),
        unit: None,
        battery: None,
        linkquality: None,
        extra: Extra::new(),
    };
    let door = envelope("sensor/front_door", "sensor/front_door", "", reading);
    assert_eq!(entities(&door), ["sensor front_door"]);
    let located = PetLocated {
        camera: "hall".into(),
        location: "kitchen".into(),
        extra: Extra::new(),
    };
    let located = envelope("pet/biscuit", "camera/hall", "", located);
    assert_eq!(entities(&located), ["pet biscuit", "camera hall"]);
    let listed = IpListed {
        ip: [192, 0, 2, 1].into(),
        list: IpList::Blacklist,
    };
    let listed = envelope("ip/192.0.2.1", "ip/192.0.2.1", "", listed);
    assert_eq!(entities(&listed), ["ip 192.0.2.1"]);
}

#[test]
fn a_camera_saw_pets_and_people_that_somebody_knows() {
    let known = sighting(Some("biscuit"));
    assert!(entities(&known).contains(&"pet biscuit".into()));
    assert_eq!(relations(&known), ["yard saw biscuit"]);
    let stranger = sighting(None);
    assert_eq!(entities(&stranger), ["camera yard"]);
    assert!(relations(&stranger).is_empty());
    let face = envelope("camera/porch", "camera/porch", "", matched(17));
    assert_eq!(entities(&face), ["camera porch", "person 17"]);
    assert_eq!(relations(&face), ["porch saw 17"]);
}

#[test]
fn nothing_is_told_of_a_person_who_was_forgotten() {
    let seen = FaceSeen {
        camera: "porch".into(),
        profile_id: Some("tove".into()),
        confidence: 0.9,
        embedding: None,
        crop_path: None,
        privacy: Some(FacePrivacy::OptedIn),
        extra: Extra::new(),
    };
    let edited = ProfileEdited {
        profile: 17,
        name: Some("Tove".into()),
        ..ProfileEdited::default()
    };
    for (stream, event) in [
        ("camera/porch", Event::from(matched(17))),
        ("camera/porch", seen.into()),
        ("person/17", edited.into()),
    ] {
        let left = redacted(&event).expect("an event about a person");
        let left = envelope(stream, stream, "", left);
        assert!(
            !entities(&left)
                .iter()
                .any(|told| told.starts_with("person"))
        );
        assert!(relations(&left).is_empty());
    }
    let forgotten = PersonForgotten {
        profile: 17,
        events: 3,
        crops: 1,
    };
    let forgotten = envelope("person/17", "person/17", "", forgotten);
    assert!(entities(&forgotten).is_empty());
}

#[test]
fn people_who_ask_and_who_come_home_are_told() {
    let request = |by: &str| ArmRequested {
        mode: ArmMode::ArmedAway,
        pin_given: false,
        pin: None,
        queued: false,
        triggered_by: by.into(),
        extra: Extra::new(),
    };
    let asked = envelope("alarm/house", "alarm/house", "", request("mara"));
    assert_eq!(entities(&asked), ["user mara"]);
    let unsaid = envelope("alarm/house", "alarm/house", "", request("unknown"));
    assert!(entities(&unsaid).is_empty());
    for (member, told) in [("mara", vec!["person mara"]), ("17", vec![])] {
        let report = PresenceReported {
            state: "HOME".into(),
            role: None,
            extra: Extra::new(),
        };
        let stream = format!("presence/{member}");
        assert_eq!(entities(&envelope(&stream, &stream, "", report)), told);
    }
}

#[test]
fn a_trace_tells_what_it_found() {
    let trace = TraceRecorded {
        trigger: Trigger::Ban,
        subject: "203.0.113.77".into(),
        host: "heron".into(),
        severity_score: 70,
        action: Some("ban".into()),
        service: Some("sshd".into()),
        user: Some("root".into()),
        ip: Some([203, 0, 113, 77].into()),
        root_cause: None,
        chain: vec![1, 2],
        related_services: Vec::new(),
        error: None,
    };
    let trace = envelope("trace/ban", "trace/ban", "", trace);
    let all = ["host heron", "process sshd", "user root", "ip 203.0.113.77"];
    assert_eq!(entities(&trace), all);
    assert_eq!(trace.kind(), Kind::TraceRecorded);
    assert!(relations(&trace).is_empty());
}

#[test]
fn a_snapshot_is_nobodys_moment() {
    for mut event in [sighting(Some("biscuit")), line("user=mara", &[])] {
        event.flags = Flags::RETAINED;
        assert!(entities(&event).is_empty());
        assert!(relations(&event).is_empty());
    }
}
