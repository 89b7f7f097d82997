//! Random decisions about pets: few names, so that they meet those of sightings, and positions that
//! are sometimes those of one.

use nightjar::event::Event;
use nightjar::event::pet::{
    Action, Condition, ImageSource, ImageStaged, ImagesUsed, Registered, Removed, RuleFired,
    RuleRemoved, RuleSet, SightingLabelled, SightingUnlabelled,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Ids of pets; publishers tell `minka` and `rex`.
fn pet() -> impl Strategy<Value = String> {
    select(vec!["minka", "rex", "p3"]).prop_map(str::to_owned)
}

/// Names, in several cases; some are ids of others.
fn name() -> impl Strategy<Value = String> {
    select(vec!["Minka", "REX", "rex", "Tilly", ""]).prop_map(str::to_owned)
}

fn position() -> impl Strategy<Value = i64> {
    prop_oneof![20 => 1_i64..60, 1 => select(vec![0, -1, i64::MAX])]
}

fn species() -> impl Strategy<Value = Option<String>> {
    option::of(select(vec!["cat", "dog"]).prop_map(str::to_owned))
}

/// A stream and what happens on it.
pub(crate) fn decision() -> BoxedStrategy<(String, Event)> {
    let on_pet = |(pet, event): (String, Event)| (format!("pet/{pet}"), event);
    let registered = (pet(), name(), species()).prop_map(move |(pet, name, species)| {
        let registered = Registered {
            name,
            species,
            ..Registered::default()
        };
        on_pet((pet, registered.into()))
    });
    let removed = pet().prop_map(move |pet| on_pet((pet, Removed {}.into())));
    let staged = (pet(), option::of(position())).prop_map(move |(pet, sighting)| {
        let staged = ImageStaged {
            pet_id: pet.clone(),
            image_path: "a.jpg".into(),
            source: ImageSource::Upload,
            sighting,
        };
        on_pet((pet, staged.into()))
    });
    let used =
        vec(position(), 0..4).prop_map(|ids| ("pets".to_owned(), Event::from(ImagesUsed { ids })));
    let rule = (pet(), select(vec!["a", "b"]), 1_u32..3, any::<bool>()).prop_map(
        move |(pet, name, minutes, enabled)| {
            let rule = RuleSet {
                name: name.into(),
                conditions: vec![Condition::NotSeenAnywhere { minutes }],
                action: Action::Push,
                message: None,
                cooldown_s: 60,
                priority: 3,
                enabled,
            };
            on_pet((pet, rule.into()))
        },
    );
    let no_rule = (pet(), select(vec!["a", "b"]))
        .prop_map(move |(pet, name)| on_pet((pet, RuleRemoved { name: name.into() }.into())));
    let fired = (pet(), position()).prop_map(move |(pet, rule)| {
        let fired = RuleFired {
            rule,
            name: "a".into(),
            pet: pet.clone(),
            action: Action::Log,
            priority: 9,
            camera: None,
        };
        on_pet((pet, fired.into()))
    });
    prop_oneof![
        4 => registered,
        1 => removed,
        6 => label(),
        2 => staged,
        1 => used,
        2 => rule,
        1 => no_rule,
        1 => fired,
    ]
    .boxed()
}

/// A label, or one taken back.
pub(crate) fn label() -> BoxedStrategy<(String, Event)> {
    // By id, by name, and for somebody that nobody has heard of.
    let named = option::of(prop_oneof![pet(), name(), Just("stray\0one".to_owned())]);
    let labelled = (position(), named, species()).prop_map(|(position, pet_id, species)| {
        let label = SightingLabelled {
            position,
            pet_id,
            species,
        };
        (format!("sighting/{position}"), Event::from(label))
    });
    let unlabelled = position().prop_map(|position| {
        let label = SightingUnlabelled { position };
        (format!("sighting/{position}"), Event::from(label))
    });
    prop_oneof![2 => labelled, 1 => unlabelled].boxed()
}
