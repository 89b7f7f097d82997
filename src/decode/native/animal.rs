//! Pets and wild animals before a camera.

use super::super::Reason;
use super::super::fields::{Fields, required};
use super::Fact;
use crate::event::animal::{Location, PetLocated, PetSighted, Threat, Threats, WildlifeSighted};

const LOCATIONS: &[(&str, Location)] = &[
    ("EXTERIOR", Location::Exterior),
    ("INTERIOR", Location::Interior),
    ("TRANSITION", Location::Transition),
];

const THREATS: &[(&str, Threat)] = &[
    ("PREDATOR", Threat::Predator),
    ("NUISANCE", Threat::Nuisance),
    ("PASSIVE", Threat::Passive),
];

fn species(fields: &mut Fields<'_>) -> Result<String, Reason> {
    let species = required(fields.name("species")?, "species", "the animal's species")?;
    Ok(species.trim().to_lowercase())
}

fn confidence(fields: &mut Fields<'_>) -> Result<f64, Reason> {
    required(
        fields.fraction("confidence")?,
        "confidence",
        "a number from 0 to 1",
    )
}

pub(super) fn pet_sighted(camera: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let sighted = PetSighted {
        camera: camera.to_owned(),
        pet_id: fields.name("pet_id")?,
        species: species(fields)?,
        confidence: confidence(fields)?,
        bbox: fields.bounding_box()?,
        crop_path: fields.text("crop_path")?,
        location: fields.word("location", LOCATIONS)?,
        extra: fields.rest(),
    };
    let stream = format!("pet/{}", sighted.pet_id.as_deref().unwrap_or("unknown"));
    Ok(Fact::by_camera(camera, stream, sighted))
}

pub(super) fn pet_located(name: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let located = PetLocated {
        camera: required(
            fields.name("camera")?,
            "camera",
            "the camera that knows the place",
        )?,
        location: required(fields.name("location")?, "location", "the pet's place")?,
        extra: fields.rest(),
    };
    let camera = located.camera.clone();
    Ok(Fact::by_camera(&camera, format!("pet/{name}"), located))
}

pub(super) fn wildlife_sighted(
    camera: &str,
    threats: &Threats,
    fields: &mut Fields<'_>,
) -> Result<Fact, Reason> {
    let species = species(fields)?;
    let sighted = WildlifeSighted {
        camera: camera.to_owned(),
        confidence: confidence(fields)?,
        threat: fields
            .word("threat", THREATS)?
            .unwrap_or_else(|| threats.of(&species)),
        bbox: fields.bounding_box()?,
        crop_path: fields.text("crop_path")?,
        temperature_c: fields.number("temperature_c")?,
        conditions: fields.text("conditions")?,
        extra: fields.rest(),
        species,
    };
    let stream = format!("wildlife/{}", sighted.species);
    Ok(Fact::by_camera(camera, stream, sighted))
}
