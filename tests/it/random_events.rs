//! Random events of every kind that a publisher can bring about: few subjects, so that they meet;
//! odd texts, extreme numbers, times out of order.

mod alarm;
mod health;
mod registry;

use nightjar::event::animal::{Location, PetLocated, PetSighted, Threats, WildlifeSighted};
use nightjar::event::camera::{
    Detection, Failed as CameraFailed, HeartbeatReceived, MotionEnded, MotionStarted, SnapshotTaken,
};
use nightjar::event::house::{
    ArmMode, ArmRequested, FacePrivacy, FaceSeen, PackageCollected, PackageDetected,
    PresenceReported, UpsBatteryCritical, UpsBatteryLow, UpsPowerLost, UpsPowerRestored,
    UpsStatusReported,
};
use nightjar::event::message::{IdConflicted, Undecodable, Unmapped};
use nightjar::event::people::{
    FaceMatched, HouseholdChanged, PackageReminded, PersonForgotten, PresenceCause,
    PresenceChanged, ProfileEdited, ProfilesMerged, ReminderCause,
};
use nightjar::event::reading::Reading;
use nightjar::event::recording::{
    Failed as RecordingFailed, Finished, Found, Media, Sealed, Trigger, printable_path,
};
use nightjar::event::retention::Applied;
use nightjar::event::sensor::SensorReported;
use nightjar::event::system::{
    HealthReported, Noted, ReplayFinished, SessionLost, SessionStarted, Started, Stopped,
    SubscriptionRefused, Weight,
};
use nightjar::event::{Event, Extra, Flags, NewEvent};
use nightjar::read_model::aging;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::bench_box::NOW;

/// A stream and what happens on it.
type OnStream = (String, Event);

/// Events in the order of their arrival.
pub(crate) fn events(most: usize) -> impl Strategy<Value = Vec<NewEvent>> {
    vec(event(), 1..=most)
}

/// One event.
pub(crate) fn event() -> impl Strategy<Value = NewEvent> {
    (
        on_stream(),
        occurred_at(),
        prop::bool::weighted(0.15),
        option::of(odd_text()),
        0_i64..40,
        1_i64..40,
    )
        .prop_map(
            |((stream, event), occurred_at, retained, text, arrival, cause)| {
                // Arrivals are mostly in order; a clock that is set may put them back.
                let mut new = NewEvent::own(NOW + arrival * 20_000_000_000, stream, event);
                new.occurred_at = occurred_at;
                new.text = text;
                if retained {
                    new.flags = Flags::RETAINED;
                }
                if let Event::TraceRecorded(_) = &new.event {
                    new.cause = Some(cause);
                }
                if let Event::PetSighted(PetSighted { camera, .. })
                | Event::WildlifeSighted(WildlifeSighted { camera, .. }) = &new.event
                {
                    new.source = format!("camera/{camera}");
                }
                new
            },
        )
}

/// Coarse, so that times are often equal and often on the edge of a bucket; sometimes absurd.
fn occurred_at() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => (-600_i64..600).prop_map(|steps| NOW + steps * 60_000_000_000),
        4 => (-3_i64..3).prop_map(|steps| NOW + steps),
        1 => select(vec![0, -1, i64::MIN, i64::MAX]),
    ]
}

fn on_stream() -> impl Strategy<Value = OnStream> {
    prop_oneof![
        4 => people(),
        8 => sensor(),
        4 => camera(),
        4 => animal(),
        3 => house(),
        5 => recording(),
        4 => machine(),
        3 => alarm::alarm(),
        8 => health::health(),
        4 => registry::registry(),
        // Pets.
        4 => crate::random_pets::decision(),
        3 => retention(),
    ]
}

fn odd_text() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "[a-z]{1,6}",
        2 => "(from 192.0.2.[0-4] |invalid user [a-c] from |/etc/[a-c] |[a-c].example.com ){1,3}",
        1 => select(vec![
            "", "\0", "a\0b", "%", "50%.mp4", "Füchse", "e\u{301}", "\u{202e}gnp.exe", "🦊", "'; DROP TABLE events",
            "\u{1b}[2J", "\u{feff}", "NaN", "open", "\u{10ffff}",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
    .boxed()
}

fn number() -> BoxedStrategy<f64> {
    prop_oneof![
        4 => -40.0..60.0_f64,
        2 => (-3_i32..3).prop_map(f64::from),
        2 => select(vec![-0.0, f64::MAX, f64::MIN, 5e-324, f64::MIN_POSITIVE / 2.0, 0.1, 9_007_199_254_740_993.0]),
        1 => any::<f64>().prop_filter("finite", |number| number.is_finite()),
    ]
    .boxed()
}

/// Now and then a number that no table takes, so that an event is parked.
fn confidence() -> BoxedStrategy<f64> {
    prop_oneof![30 => 0.0..1.0_f64, 1 => Just(f64::NAN)].boxed()
}

fn camera_id() -> BoxedStrategy<String> {
    select(vec!["porch", "yard"])
        .prop_map(str::to_owned)
        .boxed()
}

fn sensor() -> BoxedStrategy<OnStream> {
    let id = select(vec!["front_door", "attic", "Keller 🗝"]);
    let key = prop_oneof![
        select(vec!["contact", "motion", "temperature", "battery", "leak"]).prop_map(str::to_owned),
        odd_text(),
    ];
    let value = prop_oneof![
        1 => any::<bool>().prop_map(Reading::Flag),
        4 => number().prop_map(Reading::Number),
        2 => select(vec!["open", "closed", "on", "off", "detected"]).prop_map(|word| Reading::Word(word.into())),
        1 => odd_text().prop_map(Reading::Word),
    ];
    (id, key, value, option::of(odd_text()), option::of(number()))
        .prop_map(|(id, key, value, unit, battery)| {
            let report = SensorReported {
                key,
                value,
                unit,
                battery,
                linkquality: None,
                extra: Extra::new(),
            };
            (format!("sensor/{id}"), report.into())
        })
        .boxed()
}

fn camera() -> BoxedStrategy<OnStream> {
    let detection = option::of(select(vec![Detection::Person, Detection::Vehicle]));
    let event = prop_oneof![
        3 => detection.prop_map(|detection| Event::from(MotionStarted { detection, ..MotionStarted::default() })),
        3 => Just(Event::from(MotionEnded::default())),
        1 => Just(Event::from(HeartbeatReceived::default())),
        1 => Just(Event::from(CameraFailed::default())),
        1 => Just(Event::from(SnapshotTaken {
            media_type: "image/jpeg".into(),
            sha256: "00".into(),
            picture: vec![0xff, 0xd8],
        })),
    ];
    (camera_id(), event)
        .prop_map(|(camera, event)| (format!("camera/{camera}"), event))
        .boxed()
}

fn animal() -> BoxedStrategy<OnStream> {
    let pet = || select(vec!["minka", "rex"]);
    let location = option::of(select(vec![Location::Exterior, Location::Interior]));
    let sighted = (
        camera_id(),
        option::of(pet()),
        confidence(),
        location,
        odd_text(),
    )
        .prop_map(|(camera, pet, confidence, location, species)| {
            let sighting = PetSighted {
                camera: camera.clone(),
                pet_id: pet.map(Into::into),
                species,
                confidence,
                bbox: Some([0.1, 0.0, 1.0, 5e-324]),
                crop_path: None,
                location,
                extra: Extra::new(),
            };
            (format!("camera/{camera}"), Event::from(sighting))
        });
    let located = (camera_id(), pet(), odd_text()).prop_map(|(camera, pet, location)| {
        let place = PetLocated {
            camera,
            location,
            extra: Extra::new(),
        };
        (format!("pet/{pet}"), Event::from(place))
    });
    let wild = (camera_id(), odd_text(), confidence(), option::of(number())).prop_map(
        |(camera, species, confidence, temperature_c)| {
            let sighting = WildlifeSighted {
                camera: camera.clone(),
                threat: Threats::default().of(&species),
                species,
                confidence,
                bbox: None,
                crop_path: None,
                temperature_c,
                conditions: None,
                extra: Extra::new(),
            };
            (format!("camera/{camera}"), Event::from(sighting))
        },
    );
    prop_oneof![sighted, located, wild].boxed()
}

fn house() -> BoxedStrategy<OnStream> {
    let parcel = (camera_id(), any::<bool>()).prop_map(|(camera, there)| {
        let stream = format!("camera/{camera}");
        let (confidence, crop_path, extra) = (None, None, Extra::new());
        let event = if there {
            Event::from(PackageDetected {
                camera,
                confidence,
                crop_path,
                extra,
            })
        } else {
            Event::from(PackageCollected {
                camera,
                confidence,
                crop_path,
                extra,
            })
        };
        (stream, event)
    });
    let face = (camera_id(), option::of(odd_text()), confidence()).prop_map(
        |(camera, profile_id, confidence)| {
            let face = FaceSeen {
                camera: camera.clone(),
                profile_id,
                confidence,
                embedding: Some(vec![0; 8]),
                crop_path: None,
                privacy: None,
                extra: Extra::new(),
            };
            (format!("camera/{camera}"), Event::from(face))
        },
    );
    let power = select(vec![
        Event::from(UpsStatusReported::default()),
        Event::from(UpsPowerLost::default()),
        Event::from(UpsPowerRestored::default()),
        Event::from(UpsBatteryLow::default()),
        Event::from(UpsBatteryCritical::default()),
    ])
    .prop_map(|event| ("ups/ups".to_owned(), event));
    let presence = (select(vec!["ada", "bo"]), odd_text()).prop_map(|(member, state)| {
        let presence = PresenceReported {
            state,
            role: None,
            extra: Extra::new(),
        };
        (format!("presence/{member}"), Event::from(presence))
    });
    let arm = odd_text().prop_map(|triggered_by| {
        let request = ArmRequested {
            mode: ArmMode::ArmedNight,
            pin_given: true,
            pin: None,
            queued: false,
            triggered_by,
            extra: Extra::new(),
        };
        ("system/arm".to_owned(), Event::from(request))
    });
    prop_oneof![1 => parcel, 1 => face, 2 => power, 2 => presence, 1 => arm].boxed()
}

/// People, parcels and presence.
fn people() -> BoxedStrategy<OnStream> {
    prop_oneof![8 => faces(), 4 => decisions(), 4 => conclusions()].boxed()
}

/// Faces with their matches, also what no reactor would say.
fn faces() -> BoxedStrategy<OnStream> {
    let vector = select(vec![[1.0_f32, 0.0], [0.0, 1.0], [0.0, 0.0]]);
    let privacy = select(vec![
        FacePrivacy::OptedIn,
        FacePrivacy::OptedIn,
        FacePrivacy::Withheld,
        FacePrivacy::Forgotten,
    ]);
    let alias = option::of(select(vec!["ada", "bo"]));
    let seen = (camera_id(), alias, option::of(vector), privacy).prop_map(
        |(camera, alias, vector, privacy)| {
            let face = FaceSeen {
                camera: camera.clone(),
                profile_id: alias.map(Into::into),
                confidence: 0.5,
                embedding: vector.map(|vector| vector.map(f32::to_le_bytes).concat()),
                crop_path: None,
                privacy: Some(privacy),
                extra: Extra::new(),
            };
            (format!("face/{camera}"), Event::from(face))
        },
    );
    let matched = (
        camera_id(),
        1_i64..40,
        0_i64..12,
        any::<bool>(),
        vec(1_i64..40, 0..2),
    )
        .prop_map(|(camera, face, profile, known, dropped)| {
            let matched = FaceMatched {
                face,
                profile,
                camera: camera.clone(),
                distance: None,
                is_new: false,
                known,
                ignored: profile == 5,
                dropped,
            };
            (format!("camera/{camera}"), Event::from(matched))
        });
    prop_oneof![seen, matched].boxed()
}

/// What persons decide about faces.
fn decisions() -> BoxedStrategy<OnStream> {
    let profile = || 1_i64..12;
    let edited = (
        0_i64..12,
        option::of(select(vec!["Ada", "Bo", ""])),
        option::of(any::<bool>()),
        option::of(select(vec!["ada", ""])),
    )
        .prop_map(|(profile, name, flag, member)| {
            let edit = ProfileEdited {
                profile,
                name: name.map(Into::into),
                household: flag,
                presence_member: member.map(Into::into),
                ignored: flag,
            };
            (format!("person/{profile}"), Event::from(edit))
        });
    let merged = (profile(), profile()).prop_map(|(from, into)| {
        let merge = ProfilesMerged { from, into };
        (format!("person/{into}"), Event::from(merge))
    });
    let forgotten = profile().prop_map(|profile| {
        let gone = PersonForgotten {
            profile,
            events: 0,
            crops: 0,
        };
        (format!("person/{profile}"), Event::from(gone))
    });
    prop_oneof![2 => edited, 1 => merged, 1 => forgotten].boxed()
}

/// What is concluded of parcels and presence.
fn conclusions() -> BoxedStrategy<OnStream> {
    let reminded = (1_i64..40).prop_map(|package| {
        let because = ReminderCause::Age;
        let reminder = PackageReminded { package, because };
        ("package/porch".to_owned(), Event::from(reminder))
    });
    let because = select(vec![
        PresenceCause::Report,
        PresenceCause::Silence,
        PresenceCause::Configured,
    ]);
    let changed =
        (select(vec!["ada", "bo"]), odd_text(), because).prop_map(|(member, to, because)| {
            let change = PresenceChanged {
                member: member.into(),
                from: None,
                to,
                because,
                role: "child".into(),
            };
            (format!("presence/{member}"), Event::from(change))
        });
    let household = select(vec!["EMPTY", "ALL_HOME", "odd"]).prop_map(|to| {
        let change = HouseholdChanged {
            from: None,
            to: to.into(),
        };
        ("household/status".to_owned(), Event::from(change))
    });
    prop_oneof![1 => reminded, 2 => changed, 1 => household].boxed()
}

fn recording() -> BoxedStrategy<OnStream> {
    // Equal names in two folders, an odd one, one that is not UTF-8.
    let path = select(vec![
        &b"porch/one.mp4"[..],
        b"yard/one.mp4",
        b"50%.mp4",
        b"a\nb/\xff.mp4",
    ]);
    let time = || option::of((-10_i64..10).prop_map(|minutes| NOW + minutes * 60_000_000_000));
    let media =
        (option::of(0.0..1e6_f64), option::of(number())).prop_map(|(duration_s, fps)| Media {
            duration_s,
            fps,
            ..Media::default()
        });
    let found = (
        path.clone(),
        0_i64..3,
        option::of(camera_id()),
        time(),
        media,
    )
        .prop_map(|(path, size_bytes, camera, started_at, media)| {
            let found = Found {
                path: path.to_vec(),
                size_bytes,
                modified_at: NOW,
                camera,
                started_at,
                media,
            };
            (path.to_vec(), Event::from(found))
        });
    let sealed = (path.clone(), any::<bool>()).prop_map(|(path, adopted)| {
        let sealed = Sealed {
            path: path.to_vec(),
            sealed_path: [path, b".vge"].concat(),
            size_bytes: 2,
            plain_sha256: vec![7; 32],
            key_id: vec![8; 8],
            iv: vec![9; 16],
            header_tag: adopted.then(|| vec![1; 32]),
            adopted,
        };
        (path.to_vec(), Event::from(sealed))
    });
    let failed = path.clone().prop_map(|path| {
        let failed = RecordingFailed {
            path: path.to_vec(),
        };
        (path.to_vec(), Event::from(failed))
    });
    let ours = prop_oneof![3 => found, 2 => sealed, 1 => failed]
        .prop_map(|(path, event)| (format!("recording/{}", printable_path(&path)), event));
    let trigger = option::of(select(vec![Trigger::Motion, Trigger::Manual]));
    let file = prop_oneof![
        4 => path.prop_map(|path| String::from_utf8_lossy(path).into_owned()),
        1 => odd_text(),
    ];
    let finished = (camera_id(), file, trigger, time(), time()).prop_map(
        |(camera, file, trigger, started_at, ended_at)| {
            let finished = Finished {
                camera: camera.clone(),
                file,
                trigger,
                started_at,
                ended_at,
                fps: Some(15.0),
                frame_count: None,
                extra: Extra::new(),
            };
            (format!("camera/{camera}"), Event::from(finished))
        },
    );
    prop_oneof![2 => ours, 1 => finished].boxed()
}

/// Rows go, of tables that age and of some that do not; cuts lie among the times of the events.
fn retention() -> BoxedStrategy<OnStream> {
    let mut tables: Vec<_> = aging::tables().map(|(name, _)| name).collect();
    tables.extend(["pets", "event_log", "no_such_table"]);
    (select(tables), occurred_at(), any::<i64>())
        .prop_map(|(table, before, rows)| {
            let applied = Applied {
                table: table.into(),
                before,
                rows,
            };
            (format!("table/{table}"), Event::from(applied))
        })
        .boxed()
}

fn machine() -> BoxedStrategy<OnStream> {
    let others = select(vec![
        ("system/health", Event::from(HealthReported::default())),
        (
            "broker/camera",
            Event::from(SessionStarted {
                family: "camera".into(),
            }),
        ),
        (
            "broker/camera",
            Event::from(SessionLost {
                family: "camera".into(),
                last_stored_at: Some(NOW),
            }),
        ),
        (
            "broker/camera",
            Event::from(SubscriptionRefused {
                family: "camera".into(),
                filter: "a/#".into(),
            }),
        ),
        (
            "system",
            Event::from(Started {
                version: "0.0.0".into(),
                pid: 7,
            }),
        ),
        ("system", Event::from(Stopped {})),
        (
            "replay",
            Event::from(ReplayFinished {
                sha256: "00".into(),
                messages: 3,
            }),
        ),
        (
            "ingest",
            Event::from(IdConflicted {
                id: "7".into(),
                first_position: 1,
            }),
        ),
    ])
    .prop_map(|(stream, event)| (stream.to_owned(), event));
    let noted = select(vec![Weight::Info, Weight::Alert, Weight::Critical]).prop_map(|level| {
        let note = Noted {
            component: "disk".into(),
            level,
        };
        ("system".to_owned(), Event::from(note))
    });
    let raw = vec(any::<u8>(), 0..20);
    let message = (raw, any::<bool>()).prop_map(|(payload, decodable)| {
        let event = if decodable {
            Event::from(Unmapped { payload })
        } else {
            Event::from(Undecodable { payload })
        };
        ("topic/odd".to_owned(), event)
    });
    prop_oneof![2 => others, 1 => noted, 2 => message].boxed()
}
