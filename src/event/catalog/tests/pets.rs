//! Samples of what people decide about their pets.

use super::super::Kind;
use crate::event::Event;
use crate::event::pet::{
    Action, Condition, ImageSource, ImageStaged, ImagesUsed, Registered, Removed, RuleFired,
    RuleRemoved, RuleSet, SightingLabelled, SightingUnlabelled,
};

pub(super) fn sample(kind: Kind) -> Event {
    let zone = || "garden".to_owned();
    match kind {
        Kind::PetRegistered => Registered {
            name: "Minka".into(),
            species: Some("cat".into()),
            breed: Some("European shorthair".into()),
            description: Some("white left forepaw".into()),
            photo_path: Some("photos/minka.jpg".into()),
        }
        .into(),
        Kind::PetRemoved => Removed {}.into(),
        Kind::SightingLabelled => SightingLabelled {
            position: 4_711,
            pet_id: Some("minka".into()),
            species: Some("cat".into()),
        }
        .into(),
        Kind::SightingUnlabelled => SightingUnlabelled { position: 4_711 }.into(),
        Kind::PetImageStaged => ImageStaged {
            pet_id: "minka".into(),
            image_path: "crops/3.jpg".into(),
            source: ImageSource::Crop,
            sighting: Some(4_711),
        }
        .into(),
        Kind::PetImagesUsed => ImagesUsed {
            ids: vec![5_000, 5_001],
        }
        .into(),
        Kind::PetRuleSet => RuleSet {
            name: "out too long".into(),
            conditions: vec![
                Condition::DetectedInZone { zone: zone() },
                Condition::NotSeenInZone {
                    zone: zone(),
                    minutes: 60,
                },
                Condition::NotSeenAnywhere { minutes: 120 },
                Condition::DetectedWithoutPerson { zone: Some(zone()) },
                Condition::DetectedWithoutPerson { zone: None },
                Condition::InZoneLongerThan {
                    zone: zone(),
                    minutes: 30,
                },
                Condition::TimeOfDay {
                    window: "22:00-06:00".into(),
                },
            ],
            action: Action::Push,
            message: Some("Minka has been out for too long".into()),
            cooldown_s: 300,
            priority: 7,
            enabled: true,
        }
        .into(),
        Kind::PetRuleRemoved => RuleRemoved {
            name: "out too long".into(),
        }
        .into(),
        _ => RuleFired {
            rule: 4_000,
            name: "out too long".into(),
            pet: "minka".into(),
            action: Action::Record,
            priority: 7,
            camera: Some("garden".into()),
        }
        .into(),
    }
}
