//! Samples of people, parcels, presence; and that what is forgotten is gone from the stored form.

use super::*;
use crate::event::people::{
    FaceMatched, HouseholdChanged, PackageReminded, PersonForgotten, PresenceCause,
    PresenceChanged, ProfileEdited, ProfilesMerged, ReminderCause, redacted,
};

pub(super) fn sample(kind: Kind) -> Event {
    match kind {
        Kind::FaceMatched => FaceMatched {
            face: 41,
            profile: 17,
            camera: "porch".into(),
            distance: Some(0.25),
            is_new: true,
            known: true,
            ignored: true,
            dropped: vec![3, 300],
        }
        .into(),
        Kind::FaceProfileEdited => ProfileEdited {
            profile: 17,
            name: Some("Tove".into()),
            household: Some(true),
            presence_member: Some("tove".into()),
            ignored: Some(false),
        }
        .into(),
        Kind::FaceProfilesMerged => ProfilesMerged { from: 90, into: 17 }.into(),
        Kind::PersonForgotten => PersonForgotten {
            profile: 17,
            events: 204,
            crops: 3,
        }
        .into(),
        Kind::PackageReminded => PackageReminded {
            package: 77,
            because: ReminderCause::Sunset,
        }
        .into(),
        Kind::PresenceChanged => PresenceChanged {
            member: "tove".into(),
            from: Some("HOME".into()),
            to: "AWAY".into(),
            because: PresenceCause::Silence,
            role: "adult".into(),
        }
        .into(),
        _ => HouseholdChanged {
            from: Some("ADULTS_HOME".into()),
            to: "EMPTY".into(),
        }
        .into(),
    }
}

#[test]
fn what_is_forgotten_is_gone_from_the_body_and_takes_no_more_room() {
    let Event::FaceSeen(mut face) = house_sample(Kind::FaceSeen) else {
        panic!("another kind");
    };
    face.crop_path = Some("crops/tove.jpg".into());
    face.privacy = Some(house::FacePrivacy::OptedIn);
    let by_id = house::FaceSeen {
        embedding: None,
        crop_path: None,
        profile_id: Some("7".into()),
        extra: Extra::new(),
        ..face.clone()
    };
    let plain = FaceMatched {
        face: 1,
        profile: 1,
        camera: String::new(),
        distance: None,
        is_new: false,
        known: false,
        ignored: false,
        dropped: Vec::new(),
    };
    let edit = ProfileEdited {
        profile: 1,
        ignored: Some(true),
        ..ProfileEdited::default()
    };
    for event in [
        face.into(),
        by_id.into(),
        sample(Kind::FaceMatched),
        plain.into(),
        sample(Kind::FaceProfileEdited),
        edit.into(),
    ] {
        let (before, after) = (event.encode(), redacted(&event).unwrap().encode());
        assert!(after.len() <= before.len(), "{event:?}");
        for secret in [
            &b"ada"[..],
            b"Tove",
            b"tove",
            &[0, 1, 2, 3, 4, 5],
            b"nested",
        ] {
            assert!(!after.windows(secret.len()).any(|part| part == secret));
        }
    }
    assert_eq!(redacted(&sample(Kind::HouseholdChanged)), None);
}
