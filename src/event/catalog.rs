//! THE table of event kinds: one row per kind, and everything that follows from it.
//!
//! To add a kind: add a row here and its payload struct. The compiler and the tests then name
//! what is missing: the fold that takes it or an entry in `read_model::LOG_ONLY`, a sentence, and
//! the golden file `fixtures/wire/<kind>/v<N>.cbor`.
//!
//! Stored bodies are CBOR maps (RFC 8949). A row's version rises when a change would break the
//! reading of older bodies; [`upcast`] then carries the step. Bodies in the event
//! log are never rewritten, but for those of a person who is forgotten ([`people::redacted`]).

use thiserror::Error;

use super::{
    alarm, animal, anomaly, camera, house, liveness, message, people, pet, recording, registry,
    retention, sensor, system, timelapse, trace, upcast, vault,
};

/// Nesting allowed in a stored body: deeper ones are refused, not followed.
const MAX_NESTING: usize = 160;

/// Why a stored body cannot be read.
#[derive(Debug, Error)]
pub enum BodyError {
    /// A newer program wrote it.
    #[error(
        "event kind {kind} version {version} is newer than this program knows ({known}); update nightjar"
    )]
    Newer {
        /// Wire name of the kind.
        kind: &'static str,
        /// Version found.
        version: u16,
        /// Highest version known.
        known: u16,
    },
    /// Not the CBOR that the kind demands.
    #[error("body of {kind} cannot be read: {reason}")]
    Malformed {
        /// Wire name of the kind.
        kind: &'static str,
        /// What the CBOR reader said.
        reason: String,
    },
}

macro_rules! catalog {
    ($($(#[$doc:meta])* $variant:ident = $name:literal v $version:literal ($payload:ty);)*) => {
        /// One event's payload, by kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event { $($(#[$doc])* $variant($payload),)* }

        /// What sort of event it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every kind, in the order of the catalog.
            pub const ALL: &[Kind] = &[$(Kind::$variant,)*];

            /// Wire name: `noun.past_verb`.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name,)* }
            }

            /// Payload version that this program writes.
            pub const fn version(self) -> u16 {
                match self { $(Kind::$variant => $version,)* }
            }

            fn read(self, bytes: &[u8]) -> Result<Event, BodyError> {
                Ok(match self { $(Kind::$variant => Event::$variant(read_cbor(self, bytes)?),)* })
            }
        }

        impl Event {
            /// The event's kind.
            pub const fn kind(&self) -> Kind {
                match self { $(Event::$variant(_) => Kind::$variant,)* }
            }

            /// The body as stored: CBOR at the kind's current version.
            pub fn encode(&self) -> Vec<u8> {
                let mut bytes = Vec::with_capacity(96);
                match self { $(Event::$variant(payload) => write_cbor(payload, &mut bytes),)* }
                bytes
            }

            /// The payload as JSON, for people and tools; bytes appear as arrays of numbers.
            pub fn to_json(&self) -> serde_json::Value {
                match self { $(Event::$variant(payload) => {
                    serde_json::to_value(payload).unwrap_or(serde_json::Value::Null)
                })* }
            }
        }

        $(impl From<$payload> for Event {
            fn from(payload: $payload) -> Self { Event::$variant(payload) }
        })*
    };
}

catalog! {
    /// A sensor told a state or a measurement.
    SensorReported = "sensor.reported" v 1 (sensor::SensorReported);
    /// A camera began to see motion, perhaps of a person or a vehicle.
    CameraMotionStarted = "camera.motion_started" v 1 (camera::MotionStarted);
    /// A camera's motion ended.
    CameraMotionEnded = "camera.motion_ended" v 1 (camera::MotionEnded);
    /// A camera says that it lives.
    CameraHeartbeatReceived = "camera.heartbeat_received" v 1 (camera::HeartbeatReceived);
    /// A camera reported an error; the text says which.
    CameraFailed = "camera.failed" v 1 (camera::Failed);
    /// A camera sent a still picture.
    CameraSnapshotTaken = "camera.snapshot_taken" v 1 (camera::SnapshotTaken);
    /// A pet, or an animal nobody knows, was seen.
    PetSighted = "pet.sighted" v 1 (animal::PetSighted);
    /// A pet's place was told.
    PetLocated = "pet.located" v 1 (animal::PetLocated);
    /// A wild animal was seen.
    WildlifeSighted = "wildlife.sighted" v 1 (animal::WildlifeSighted);
    /// A parcel lies before a camera.
    PackageDetected = "package.detected" v 1 (house::PackageDetected);
    /// The parcel was taken in.
    PackageCollected = "package.collected" v 1 (house::PackageCollected);
    /// A face was seen.
    FaceSeen = "face.seen" v 1 (house::FaceSeen);
    /// The UPS told its state.
    UpsStatusReported = "ups.status_reported" v 1 (house::UpsStatusReported);
    /// Mains power failed.
    UpsPowerLost = "ups.power_lost" v 1 (house::UpsPowerLost);
    /// Mains power came back.
    UpsPowerRestored = "ups.power_restored" v 1 (house::UpsPowerRestored);
    /// The UPS battery is low.
    UpsBatteryLow = "ups.battery_low" v 1 (house::UpsBatteryLow);
    /// The UPS is about to cut off.
    UpsBatteryCritical = "ups.battery_critical" v 1 (house::UpsBatteryCritical);
    /// A member of the household, or the whole, is told to be at home or away.
    PresenceReported = "presence.reported" v 1 (house::PresenceReported);
    /// Somebody asked to arm or disarm. The PIN is never part of it.
    ArmRequested = "arm.requested" v 1 (house::ArmRequested);
    /// A subsystem told its health.
    HealthReported = "system.health_reported" v 1 (system::HealthReported);
    /// A log line was written; the text is the line.
    LogWritten = "log.written" v 1 (system::LogWritten);
    /// A host sampled its metrics.
    MetricsSampled = "metrics.sampled" v 1 (system::MetricsSampled);
    /// Somebody says that a recording is finished: a hint for the watcher.
    RecordingFinished = "recording.finished" v 1 (recording::Finished);
    /// A recording lies in the folder, not yet sealed.
    RecordingFound = "recording.found" v 1 (recording::Found);
    /// A recording is sealed; from here on the `.vge` is the recording.
    RecordingSealed = "recording.sealed" v 1 (recording::Sealed);
    /// A recording could not be sealed; the text says why.
    RecordingFailed = "recording.failed" v 1 (recording::Failed);
    /// The thumbnail beside a recording is sealed as well.
    RecordingThumbnailSealed = "recording.thumbnail_sealed" v 1 (recording::ThumbnailSealed);
    /// A sealed recording goes under another key, or gets its sidecar; the files follow.
    RecordingResealed = "recording.resealed" v 1 (recording::Resealed);
    /// A sealed recording was verified, or found to be missing; the text says what is wrong.
    RecordingChecked = "recording.checked" v 1 (recording::Checked);
    /// A person put a star on a recording, or took it away.
    RecordingStarred = "recording.starred" v 1 (recording::Starred);
    /// A person holds a recording as evidence, or releases it; the text says why.
    RecordingHeld = "recording.held" v 1 (recording::Held);
    /// A rule of retention, or a person, deletes a recording; the files follow. The text says why.
    RecordingDeleted = "recording.deleted" v 1 (recording::Deleted);
    /// Another key seals from now on.
    VaultKeyRotated = "vault.key_rotated" v 1 (vault::KeyRotated);
    /// A message could not be decoded; the text says why.
    MessageUndecodable = "message.undecodable" v 1 (message::Undecodable);
    /// No rule knows the message's topic.
    MessageUnmapped = "message.unmapped" v 1 (message::Unmapped);
    /// The event right before this one could not be folded; the text says why.
    EventParked = "event.parked" v 1 (message::Parked);
    /// A publisher used one id for two contents; both are kept.
    IdConflicted = "message.id_conflicted" v 1 (message::IdConflicted);
    /// A session with the broker began where there was none before.
    SessionStarted = "broker.session_started" v 1 (system::SessionStarted);
    /// The broker has forgotten the session: what it held for us is lost.
    SessionLost = "broker.session_lost" v 1 (system::SessionLost);
    /// The broker refused a subscription; its messages do not reach us.
    SubscriptionRefused = "broker.subscription_refused" v 1 (system::SubscriptionRefused);
    /// The daemon started.
    SystemStarted = "system.started" v 1 (system::Started);
    /// The daemon stopped in order.
    SystemStopped = "system.stopped" v 1 (system::Stopped);
    /// A part of the program has something to tell its operator; the text says it.
    SystemNoted = "system.noted" v 1 (system::Noted);
    /// A fixture stream was replayed to its end.
    ReplayFinished = "replay.finished" v 1 (system::ReplayFinished);
    /// The alarm went from one state to another; the text says why.
    ArmStateChanged = "arm.state_changed" v 1 (alarm::StateChanged);
    /// A request to arm or disarm was refused; the text says why.
    ArmRefused = "arm.refused" v 1 (alarm::Refused);
    /// A rule of the configuration holds, and does what it is for.
    RuleFired = "rule.fired" v 1 (alarm::RuleFired);
    /// Cameras are asked to record; the text says why.
    RecordingRequested = "recording.requested" v 1 (alarm::RecordingRequested);
    /// People are to be told; the text says what.
    AlertRaised = "alert.raised" v 2 (alarm::AlertRaised);
    /// People are not told again so soon.
    AlertSuppressed = "alert.suppressed" v 2 (alarm::AlertSuppressed);
    /// Somebody was told, or could not be; the text says what went wrong.
    AlertAttempted = "alert.attempted" v 1 (alarm::AlertAttempted);
    // Registries, liveness, acknowledgements, time-lapses.
    /// The configuration says something new of a camera.
    CameraRegistered = "camera.registered" v 1 (registry::CameraRegistered);
    /// The configuration says something new of a sensor.
    SensorRegistered = "sensor.registered" v 1 (registry::SensorRegistered);
    /// The configuration has other rules of classification.
    ClassificationConfigured = "classification.configured" v 1 (registry::ClassificationConfigured);
    /// A sensor said nothing for longer than it may.
    SensorWentSilent = "sensor.went_silent" v 1 (liveness::SensorWentSilent);
    /// A silent sensor was heard again.
    SensorReturned = "sensor.returned" v 1 (liveness::SensorReturned);
    /// A camera said nothing for longer than it may.
    CameraWentSilent = "camera.went_silent" v 1 (liveness::CameraWentSilent);
    /// A silent camera was heard again.
    CameraReturned = "camera.returned" v 1 (liveness::CameraReturned);
    /// Somebody has seen a moment, or takes that back.
    EventAcknowledged = "event.acknowledged" v 1 (liveness::EventAcknowledged);
    /// Time-lapse films are to be made day after day.
    TimelapseScheduled = "timelapse.scheduled" v 1 (timelapse::TimelapseScheduled);
    /// They are not to be made any more.
    TimelapseUnscheduled = "timelapse.unscheduled" v 1 (timelapse::TimelapseUnscheduled);
    /// A film of one day is to be made now.
    TimelapseRequested = "timelapse.requested" v 1 (timelapse::TimelapseRequested);
    // Pets, as people keep them.
    /// A pet is registered, or what is known of it changed.
    PetRegistered = "pet.registered" v 1 (pet::Registered);
    /// A pet is registered no more.
    PetRemoved = "pet.removed" v 1 (pet::Removed);
    /// A person says which animal a sighting shows.
    SightingLabelled = "sighting.labelled" v 1 (pet::SightingLabelled);
    /// A person takes a label back.
    SightingUnlabelled = "sighting.unlabelled" v 1 (pet::SightingUnlabelled);
    /// A picture is to teach the recogniser a pet.
    PetImageStaged = "pet.image_staged" v 1 (pet::ImageStaged);
    /// The recogniser was trained with pictures.
    PetImagesUsed = "pet.images_used" v 1 (pet::ImagesUsed);
    /// A rule of a pet is made or replaced.
    PetRuleSet = "pet.rule_set" v 1 (pet::RuleSet);
    /// A rule of a pet is gone.
    PetRuleRemoved = "pet.rule_removed" v 1 (pet::RuleRemoved);
    /// A rule of a pet fired; the text says what people are told.
    PetRuleFired = "pet.rule_fired" v 1 (pet::RuleFired);

    // Retention of the tables.
    /// Rows of a table went for their age or number; the text says which rule asked for it.
    RetentionApplied = "retention.applied" v 1 (retention::Applied);
    // People, parcels, presence.
    /// A face was found to belong to a profile.
    FaceMatched = "face.matched" v 1 (people::FaceMatched);
    /// A person said something of a profile.
    FaceProfileEdited = "face.profile_edited" v 1 (people::ProfileEdited);
    /// A person said that two profiles are one.
    FaceProfilesMerged = "face.profiles_merged" v 1 (people::ProfilesMerged);
    /// A person was forgotten; what told of them is redacted.
    PersonForgotten = "person.forgotten" v 1 (people::PersonForgotten);
    /// A parcel still lies there.
    PackageReminded = "package.reminded" v 1 (people::PackageReminded);
    /// A member came home or left.
    PresenceChanged = "presence.changed" v 1 (people::PresenceChanged);
    /// The household as a whole became something else.
    HouseholdChanged = "household.changed" v 1 (people::HouseholdChanged);
    // What is concluded from logs and metrics.
    /// A notable line or sample was looked into; the text says what it was.
    TraceRecorded = "trace.recorded" v 1 (trace::TraceRecorded);
    /// What ran and who was connected when a trace was made.
    TraceSnapshotTaken = "trace.snapshot_taken" v 1 (trace::TraceSnapshotTaken);
    /// Many events make a pattern; the text describes it.
    PatternDetected = "pattern.detected" v 1 (trace::PatternDetected);
    /// Somebody says what an address is; the text says why.
    IpListed = "ip.listed" v 1 (trace::IpListed);
    /// A local database says where an address belongs.
    IpLocated = "ip.located" v 1 (trace::IpLocated);
    // What people say of alerts, and what models find.
    /// Somebody wants an alert to be raised; the text says what of.
    AlertRequested = "alert.requested" v 1 (alarm::AlertRequested);
    /// Somebody has seen an alert, or takes that back.
    AlertAcknowledged = "alert.acknowledged" v 1 (alarm::AlertAcknowledged);
    /// Somebody says whether an alert was right; the text says why.
    AlertJudged = "alert.judged" v 1 (alarm::AlertJudged);
    /// Nobody is to be told of an alert for a while.
    AlertSnoozed = "alert.snoozed" v 1 (alarm::AlertSnoozed);
    /// A model found something odd; the text says what.
    AnomalyDetected = "anomaly.detected" v 1 (anomaly::AnomalyDetected);
}

impl Kind {
    /// The kind with this wire name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl Event {
    /// Reads a stored body; one of an older version is upcast first.
    pub fn decode(kind: Kind, version: u16, body: &[u8]) -> Result<Self, BodyError> {
        if version == kind.version() {
            return kind.read(body);
        }
        if version > kind.version() {
            return Err(BodyError::Newer {
                kind: kind.name(),
                version,
                known: kind.version(),
            });
        }
        let old: ciborium::Value = read_cbor(kind, body)?;
        let new = upcast::upcast(upcast::STEPS, kind, version, old).map_err(|reason| {
            BodyError::Malformed {
                kind: kind.name(),
                reason,
            }
        })?;
        let mut bytes = Vec::new();
        write_cbor(&new, &mut bytes);
        kind.read(&bytes)
    }
}

fn write_cbor<T: serde::Serialize>(payload: &T, bytes: &mut Vec<u8>) {
    ciborium::into_writer(payload, bytes).expect("payloads are plain data and memory takes them");
}

fn read_cbor<T: serde::de::DeserializeOwned>(kind: Kind, mut body: &[u8]) -> Result<T, BodyError> {
    let malformed = |reason: String| BodyError::Malformed {
        kind: kind.name(),
        reason,
    };
    let payload = ciborium::de::from_reader_with_recursion_limit(&mut body, MAX_NESTING)
        .map_err(|error| malformed(error.to_string()))?;
    // ciborium stops at the end of the first value and says nothing of the rest.
    if !body.is_empty() {
        return Err(malformed(format!("{} bytes follow the value", body.len())));
    }
    Ok(payload)
}

#[cfg(test)]
mod tests;
