//! An event in words: "Front door opened". One sentence per kind, for `tail`, the `events` table
//! and live lines. The text is plain data; whoever prints it makes control characters visible.

use super::alarm::{ArmState, AttemptStatus, Verdict};
use super::camera::Detection;
use super::house::{ArmMode, FacePrivacy};
use super::people::{FaceMatched, NOBODY, PresenceCause, ReminderCause};
use super::recording::{Integrity, Part};
use super::trace::IpList;
use super::{Envelope, Event};
use crate::base::clock::rfc3339;
use crate::base::ids::hex;

/// Longest excerpt of foreign text in a sentence, characters.
const EXCERPT_CHARS: usize = 160;

/// What people call a stream such as `camera/yard`, if they told.
pub type Names<'n> = &'n dyn Fn(&str) -> Option<String>;

/// The event as a sentence without a full stop.
pub fn sentence(envelope: &Envelope) -> String {
    sentence_with(envelope, &|_| None)
}

/// The same with the names that people gave their devices.
#[expect(clippy::too_many_lines, reason = "one short arm per kind of event")]
pub fn sentence_with(envelope: &Envelope, names: Names<'_>) -> String {
    let subject = names(&envelope.stream.text).unwrap_or_else(|| label(envelope.subject()));
    let camera = |id: &str| names(&format!("camera/{id}")).unwrap_or_else(|| label(id));
    match &envelope.event {
        Event::SensorReported(reading) => sensor(&subject, reading),
        Event::CameraMotionStarted(motion) => match motion.detection {
            Some(Detection::Person) => format!("Person at {subject}"),
            Some(Detection::Vehicle) => format!("Vehicle at {subject}"),
            None => format!("Motion at {subject}"),
        },
        Event::CameraMotionEnded(_) => format!("Motion at {subject} ended"),
        Event::CameraHeartbeatReceived(_) => format!("{subject} camera is alive"),
        Event::CameraFailed(_) => format!("{subject} camera: {}", excerpt(envelope.text())),
        Event::CameraSnapshotTaken(shot) => {
            format!(
                "{subject} camera sent a picture of {} bytes",
                shot.picture.len()
            )
        }
        Event::PetSighted(sighting) => {
            let place = camera(&sighting.camera);
            match &sighting.pet_id {
                Some(pet) => format!("{} seen at {place}", label(pet)),
                None => format!("Unknown {} at {place}", sighting.species),
            }
        }
        Event::PetLocated(place) => format!("{subject} is in {}", excerpt(&place.location)),
        Event::WildlifeSighted(sighting) => {
            format!(
                "{} at {}",
                label(&sighting.species),
                camera(&sighting.camera)
            )
        }
        Event::PackageDetected(_) => format!("Parcel at {subject}"),
        Event::PackageCollected(_) => format!("Parcel at {subject} collected"),
        Event::FaceSeen(face)
            if matches!(
                face.privacy,
                Some(FacePrivacy::Withheld | FacePrivacy::Forgotten)
            ) =>
        {
            format!("Face at {}", label(&face.camera))
        }
        Event::FaceSeen(face) => match &face.profile_id {
            Some(profile) => format!("Face of {} at {}", label(profile), camera(&face.camera)),
            None => format!("Unknown face at {}", camera(&face.camera)),
        },
        Event::UpsStatusReported(ups) => {
            format!(
                "UPS reports {}",
                excerpt(ups.status.as_deref().unwrap_or("its state"))
            )
        }
        Event::UpsPowerLost(_) => "Mains power lost, running on battery".into(),
        Event::UpsPowerRestored(_) => "Mains power restored".into(),
        Event::UpsBatteryLow(_) => "UPS battery low".into(),
        Event::UpsBatteryCritical(_) => "UPS battery critical".into(),
        Event::PresenceReported(presence) => {
            format!(
                "{subject} is {}",
                excerpt(&presence.state).to_lowercase().replace('_', " ")
            )
        }
        Event::ArmRequested(request) => {
            let mode = request.mode.name().to_lowercase().replace('_', " ");
            format!("{} asks for {mode}", label(&request.triggered_by))
        }
        Event::HealthReported(_) => "System health reported".into(),
        Event::LogWritten(log) => {
            format!("{} {}: {}", log.host, log.source, excerpt(envelope.text()))
        }
        Event::TraceSnapshotTaken(taken) => format!(
            "{} processes and {} connections seen for trace {}",
            taken.processes.len(),
            taken.connections.len(),
            taken.trace
        ),
        Event::IpListed(listed) => match listed.list {
            IpList::Whitelist => format!("{} is trusted", listed.ip),
            IpList::Blacklist => format!("{} is known to be malicious", listed.ip),
            IpList::None => format!("{} is on no list", listed.ip),
        },
        Event::IpLocated(located) => format!("{} was located", located.ip),
        Event::AlertAcknowledged(seen) if seen.acknowledged => {
            format!("{} has seen alert {}", seen.by, seen.alert)
        }
        Event::AlertAcknowledged(seen) => format!("{} has not seen alert {}", seen.by, seen.alert),
        Event::AlertJudged(judged) => match judged.verdict {
            Verdict::TruePositive => format!("{} says alert {} was right", judged.by, judged.alert),
            Verdict::FalsePositive => {
                format!("{} says alert {} was a false one", judged.by, judged.alert)
            }
        },
        Event::AlertRequested(wish) => format!("{} asks for an alert", excerpt(&wish.rule_name)),
        Event::AlertSnoozed(snoozed) => {
            format!("{} lets alerts {} rest", snoozed.by, snoozed.dedup_key)
        }
        Event::AnomalyDetected(found) if envelope.text().is_empty() => {
            format!("{} is not as usual", excerpt(&found.subject))
        }
        Event::AnomalyDetected(_) => excerpt(envelope.text()),
        Event::MetricsSampled(sample) => {
            format!("{} {} metrics", label(&sample.host), sample.group)
        }
        Event::RecordingFinished(_) => format!("{subject} camera finished a recording"),
        Event::RecordingFound(found) if found.size_bytes == 0 => {
            format!("Recording {} is empty", envelope.subject())
        }
        Event::RecordingFound(_) => format!("Recording {} found", envelope.subject()),
        Event::RecordingSealed(sealed) if sealed.adopted => {
            format!("Recording {} adopted", envelope.subject())
        }
        Event::RecordingSealed(_) => format!("Recording {} sealed", envelope.subject()),
        Event::RecordingFailed(_) => {
            format!(
                "Recording {} not sealed: {}",
                envelope.subject(),
                excerpt(envelope.text())
            )
        }
        Event::RecordingThumbnailSealed(_)
        | Event::RecordingResealed(_)
        | Event::RecordingChecked(_)
        | Event::RecordingStarred(_)
        | Event::RecordingHeld(_)
        | Event::RecordingDeleted(_) => about_recording(envelope),
        Event::VaultKeyRotated(rotated) => format!(
            "Key {} took the place of {}",
            hex(&rotated.to),
            hex(&rotated.from)
        ),
        Event::MessageUndecodable(message) => {
            format!(
                "Undecodable ({} bytes): {}",
                message.payload.len(),
                excerpt(envelope.text())
            )
        }
        Event::MessageUnmapped(message) => {
            format!(
                "No rule for this topic ({} bytes kept)",
                message.payload.len()
            )
        }
        Event::EventParked(parked) => {
            format!(
                "Parked by {}: {}",
                parked.projection,
                excerpt(envelope.text())
            )
        }
        Event::IdConflicted(conflict) => format!(
            "Id {} was used before with other content (event {})",
            excerpt(&conflict.id),
            conflict.first_position
        ),
        Event::SessionStarted(session) => {
            format!("Session {} with the broker began", session.family)
        }
        Event::SessionLost(session) => {
            format!(
                "The broker lost session {}: messages may be missing",
                session.family
            )
        }
        Event::SubscriptionRefused(refused) => {
            format!(
                "The broker refused {} to {}",
                excerpt(&refused.filter),
                refused.family
            )
        }
        Event::SystemStarted(started) => format!("Nightjar {} started", started.version),
        Event::SystemStopped(_) => "Nightjar stopped".into(),
        Event::SystemNoted(_) | Event::TraceRecorded(_) | Event::PatternDetected(_) => {
            excerpt(envelope.text())
        }
        Event::ReplayFinished(replay) => format!("Replayed {} messages", replay.messages),
        Event::ArmStateChanged(_)
        | Event::ArmRefused(_)
        | Event::RuleFired(_)
        | Event::RecordingRequested(_)
        | Event::AlertRaised(_)
        | Event::AlertSuppressed(_)
        | Event::AlertAttempted(_) => about_alarm(envelope),
        Event::CameraRegistered(_)
        | Event::SensorRegistered(_)
        | Event::ClassificationConfigured(_)
        | Event::SensorWentSilent(_)
        | Event::SensorReturned(_)
        | Event::CameraWentSilent(_)
        | Event::CameraReturned(_)
        | Event::EventAcknowledged(_)
        | Event::TimelapseScheduled(_)
        | Event::TimelapseUnscheduled(_)
        | Event::TimelapseRequested(_) => about_registry(envelope, &subject, &camera),
        Event::PetRegistered(_)
        | Event::PetRemoved(_)
        | Event::SightingLabelled(_)
        | Event::SightingUnlabelled(_)
        | Event::PetImageStaged(_)
        | Event::PetImagesUsed(_)
        | Event::PetRuleSet(_)
        | Event::PetRuleRemoved(_)
        | Event::PetRuleFired(_) => about_pet(envelope),
        Event::RetentionApplied(applied) => format!(
            "{} rows of {} from before {} deleted: {}",
            applied.rows,
            excerpt(&applied.table),
            rfc3339(applied.before),
            excerpt(envelope.text())
        ),
        Event::FaceMatched(_)
        | Event::FaceProfileEdited(_)
        | Event::FaceProfilesMerged(_)
        | Event::PersonForgotten(_)
        | Event::PackageReminded(_)
        | Event::PresenceChanged(_)
        | Event::HouseholdChanged(_) => about_people(envelope, &subject),
    }
}

/// Who was seen and is known, what lies before the door, who is at home.
fn about_people(envelope: &Envelope, subject: &str) -> String {
    match &envelope.event {
        Event::FaceMatched(matched) => face(matched),
        Event::FaceProfileEdited(edit) if edit.profile == NOBODY => {
            "Details of a forgotten person changed".into()
        }
        Event::FaceProfileEdited(edit) => match edit.name.as_deref() {
            Some("") => format!("Person {} has no name any more", edit.profile),
            Some(name) => format!("Person {} is {}", edit.profile, excerpt(name)),
            None => format!("Details of person {} changed", edit.profile),
        },
        Event::FaceProfilesMerged(merge) => {
            format!("Person {} is the same as person {}", merge.from, merge.into)
        }
        Event::PersonForgotten(gone) => format!("Person {} was forgotten", gone.profile),
        Event::PackageReminded(reminder) => match reminder.because {
            ReminderCause::Sunset => format!("Parcel still at {subject}, and the sun sets"),
            ReminderCause::Age => format!("Parcel still at {subject}"),
        },
        Event::PresenceChanged(change) => {
            let silence = match change.because {
                PresenceCause::Report | PresenceCause::Configured => "",
                PresenceCause::Silence => ", not heard of for long",
            };
            let state = excerpt(&change.to).to_lowercase();
            format!("{} is {state}{silence}", label(&change.member))
        }
        Event::HouseholdChanged(change) => {
            let state = excerpt(&change.to).to_lowercase().replace('_', " ");
            format!("The household is {state}")
        }
        _ => String::new(),
    }
}

/// A face by the number of its profile: a name here would be copied into alerts and logs.
fn face(matched: &FaceMatched) -> String {
    let place = label(&matched.camera);
    match matched.profile {
        NOBODY => format!("Face at {place}"),
        profile if matched.known => format!("Person {profile} at {place}"),
        profile => format!("Unknown face at {place} (person {profile})"),
    }
}

/// What is registered, silent, acknowledged or scheduled.
fn about_registry(envelope: &Envelope, subject: &str, camera: &dyn Fn(&str) -> String) -> String {
    let registered = |what: &str, name: &str, registered: bool| {
        if registered {
            format!(
                "{what} {} registered as {}",
                envelope.subject(),
                excerpt(name)
            )
        } else {
            format!("{what} {} registered no more", envelope.subject())
        }
    };
    match &envelope.event {
        Event::CameraRegistered(told) => registered("Camera", &told.name, told.registered),
        Event::SensorRegistered(told) => registered("Sensor", &told.name, told.registered),
        Event::ClassificationConfigured(told) => match told.rules.len() {
            1 => "1 rule of classification configured".into(),
            rules => format!("{rules} rules of classification configured"),
        },
        Event::SensorWentSilent(silence) => {
            format!("Sensor {subject} is silent, {}", span(silence.allowed_s))
        }
        Event::CameraWentSilent(silence) => {
            format!("Camera {subject} is silent, {}", span(silence.allowed_s))
        }
        Event::SensorReturned(_) => format!("Sensor {subject} is back"),
        Event::CameraReturned(_) => format!("Camera {subject} is back"),
        Event::EventAcknowledged(seen) if seen.acknowledged => {
            format!(
                "Event {} acknowledged by {}",
                seen.position,
                excerpt(&seen.by)
            )
        }
        Event::EventAcknowledged(seen) => format!(
            "Event {} not acknowledged any more, says {}",
            seen.position,
            excerpt(&seen.by)
        ),
        Event::TimelapseScheduled(plan) => format!(
            "Time-lapse {} of {} scheduled for {}{}",
            envelope.subject(),
            camera(&plan.camera),
            excerpt(&plan.generate_time),
            if plan.enabled { "" } else { ", not in force" }
        ),
        Event::TimelapseUnscheduled(_) => {
            format!("Time-lapse {} scheduled no more", envelope.subject())
        }
        Event::TimelapseRequested(wish) => {
            format!(
                "Time-lapse {} of {} is due",
                envelope.subject(),
                camera(&wish.camera)
            )
        }
        _ => String::new(),
    }
}

/// How long a silence is too long, in words.
fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..120 => (seconds, "s"),
        120..7_200 => (seconds / 60, "min"),
        _ => (seconds / 3_600, "h"),
    };
    format!("nothing heard for {count} {unit}")
}

/// What happened to a recording after it was sealed.
fn about_recording(envelope: &Envelope) -> String {
    let name = envelope.subject();
    let because = because(envelope);
    match &envelope.event {
        Event::RecordingThumbnailSealed(_) => format!("Thumbnail of {name} sealed"),
        Event::RecordingResealed(resealed) => {
            let part = match resealed.part {
                Part::Video => "Recording",
                Part::Thumbnail => "Thumbnail of",
            };
            format!("{part} {name} protected by key {}", hex(&resealed.key_id))
        }
        Event::RecordingChecked(checked) => match checked.integrity {
            Integrity::Verified => format!("Recording {name} verified"),
            Integrity::Unverified => format!("Recording {name} cannot be verified{because}"),
            Integrity::Tampered => format!("Recording {name} is not what was sealed{because}"),
            Integrity::Missing => format!("Recording {name} is missing{because}"),
        },
        Event::RecordingStarred(star) if star.starred => format!("Star for recording {name}"),
        Event::RecordingStarred(_) => format!("No star any more for recording {name}"),
        Event::RecordingHeld(hold) if hold.held => format!("Recording {name} held{because}"),
        Event::RecordingHeld(_) => format!("Recording {name} released{because}"),
        _ => format!("Recording {name} deleted{because}"),
    }
}

/// What the alarm, the rules and the alerts do.
fn about_alarm(envelope: &Envelope) -> String {
    let because = because(envelope);
    match &envelope.event {
        Event::ArmStateChanged(changed) => match changed.to {
            ArmState::Triggered => format!("ALARM{because}"),
            ArmState::ExitDelay => format!("Exit delay{because}"),
            ArmState::EntryDelay => format!("Entry delay{because}"),
            state => format!("Alarm {}{because}", state.words()),
        },
        Event::ArmRefused(refused) => format!(
            "{} refused{because}",
            match refused.mode {
                ArmMode::Disarmed => "Disarming",
                ArmMode::ArmedHome | ArmMode::ArmedAway | ArmMode::ArmedNight => "Arming",
            }
        ),
        Event::RuleFired(fired) => format!("Rule {} fired{because}", excerpt(&fired.rule)),
        Event::RecordingRequested(wish) if wish.cameras.is_empty() => {
            format!("All cameras asked to record{because}")
        }
        Event::RecordingRequested(wish) => {
            format!("{} asked to record{because}", labels(&wish.cameras))
        }
        Event::AlertRaised(raised) if raised.targets.is_empty() => {
            format!("Alert for nobody{because}")
        }
        Event::AlertRaised(raised) => {
            let mut names: Vec<&str> = raised
                .targets
                .iter()
                .map(|target| target.recipient.as_str())
                .collect();
            names.dedup();
            format!("Alert for {}{because}", labels(&names))
        }
        Event::AlertSuppressed(same) => {
            format!("Alert {} again within its window", same.alert)
        }
        Event::AlertAttempted(tried) => {
            let by = tried.target.channel.name().to_lowercase().replace('_', " ");
            let who = label(&tried.target.recipient);
            match tried.status {
                AttemptStatus::Sent => format!("Alert {} sent to {who} by {by}", tried.alert),
                AttemptStatus::Failed => {
                    format!("Alert {} not sent to {who} by {by}{because}", tried.alert)
                }
            }
        }
        _ => String::new(),
    }
}

fn because(envelope: &Envelope) -> String {
    match envelope.text() {
        "" => String::new(),
        text => format!(": {}", excerpt(text)),
    }
}

fn labels(names: &[impl AsRef<str>]) -> String {
    let labels: Vec<String> = names.iter().map(|name| label(name.as_ref())).collect();
    labels.join(", ")
}

/// What people decide about their pets, and what a rule says.
fn about_pet(envelope: &Envelope) -> String {
    let subject = label(envelope.subject());
    match &envelope.event {
        Event::PetRegistered(pet) => format!("{} is a pet of the house", excerpt(&pet.name)),
        Event::PetRemoved(_) => format!("{subject} is no pet of the house any more"),
        Event::SightingLabelled(named) => match (&named.pet_id, &named.species) {
            (Some(pet), _) => format!("Sighting {} shows {}", named.position, label(pet)),
            (None, Some(species)) => {
                format!(
                    "Sighting {} shows a strange {}",
                    named.position,
                    excerpt(species)
                )
            }
            (None, None) => format!("Sighting {} shows a strange animal", named.position),
        },
        Event::SightingUnlabelled(named) => {
            format!("Sighting {} shows what the camera said", named.position)
        }
        Event::PetImageStaged(image) => {
            format!("Picture of {} to train with", label(&image.pet_id))
        }
        Event::PetImagesUsed(images) => format!("Trained with {} pictures", images.ids.len()),
        Event::PetRuleSet(rule) => {
            let off = if rule.enabled { "" } else { ", switched off" };
            format!("Rule \"{}\" for {subject}{off}", excerpt(&rule.name))
        }
        Event::PetRuleRemoved(rule) => {
            format!("No rule \"{}\" for {subject} any more", excerpt(&rule.name))
        }
        Event::PetRuleFired(fired) if envelope.text().is_empty() => {
            format!("{subject}: {}", excerpt(&fired.name))
        }
        _ => excerpt(envelope.text()),
    }
}

fn sensor(subject: &str, reading: &super::sensor::SensorReported) -> String {
    let value = excerpt(&reading.value.to_string());
    match (reading.key.as_str(), value.as_str()) {
        ("contact", "open") => format!("{subject} opened"),
        ("contact", "closed") => format!("{subject} closed"),
        ("motion" | "occupancy", "on") => format!("Motion at {subject}"),
        ("motion" | "occupancy", "off") => format!("Motion at {subject} ended"),
        ("leak" | "water_leak" | "flood", "on" | "detected") => format!("Water leak at {subject}"),
        ("leak" | "water_leak" | "flood", "off") => format!("Leak at {subject} over"),
        ("gas" | "carbon_monoxide", "on" | "detected") => format!("Gas at {subject}"),
        ("gas" | "carbon_monoxide", "off") => format!("Gas at {subject} gone"),
        ("glass_break", "on" | "detected") => format!("Glass breaks at {subject}"),
        ("smoke", "on") => format!("Smoke at {subject}"),
        ("smoke", "off") => format!("Smoke at {subject} gone"),
        ("tamper", "on") => format!("{subject} is being tampered with"),
        ("tamper", "off") => format!("Tampering at {subject} over"),
        ("vibration", "on") => format!("Vibration at {subject}"),
        ("vibration", "off") => format!("Vibration at {subject} ended"),
        (key, value) => {
            let unit = reading
                .unit
                .as_deref()
                .map(|unit| format!(" {unit}"))
                .unwrap_or_default();
            format!("{subject} {} {value}{unit}", excerpt(key).replace('_', " "))
        }
    }
}

/// An id as a label: `front_door` → `Front door`.
pub fn label(id: &str) -> String {
    let spaced = excerpt(id).replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_labels() {
        assert_eq!(label("front_door"), "Front door");
        assert_eq!(label("élan"), "Élan");
        assert_eq!(label(""), "");
        assert_eq!(label(&"x".repeat(1_000)).chars().count(), EXCERPT_CHARS + 1);
    }
}
