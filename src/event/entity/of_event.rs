//! The entities that an event is about, and what it says of two of them.
//!
//! Values are told as they stand in the event: what they mean is [`Entity::new`]'s affair, and a
//! batch of lines names the same few again and again. One entity may be told twice. A retained
//! snapshot tells nothing: it is no moment of anybody's.
//!
//! A person is told by the number of the profile, as everywhere in the log, and nothing is told of
//! one who was forgotten: what is left of their events has no number.
//!
//! [`Entity::new`]: super::Entity::new

use super::EntityType::{self, Camera, Host, Ip, Person, Pet, Process, Sensor, User};
use super::mentions::mentions;
use crate::event::people::NOBODY;
use crate::event::system::LogWritten;
use crate::event::{Envelope, Event, action};

/// An entity's type and its name as the event writes it.
pub type Named<'e> = (EntityType, &'e str);

/// User → address: logged in from there.
pub const AUTHENTICATED_FROM: &str = "authenticated_from";
/// User → address: a login under this name failed from there.
pub const FAILED_FROM: &str = "failed_from";
/// User → host: logged in there.
pub const LOGGED_INTO: &str = "logged_into";
/// Address → host: came as far as a program there.
pub const REACHED: &str = "reached";
/// Program → host: wrote a log there.
pub const RAN_ON: &str = "ran_on";
/// Camera → pet or person: saw it.
pub const SAW: &str = "saw";
/// Every relation.
pub const RELATIONS: &[&str] = &[
    AUTHENTICATED_FROM,
    FAILED_FROM,
    LOGGED_INTO,
    REACHED,
    RAN_ON,
    SAW,
];

/// What a program writes of somebody who came to it over the network; a firewall's and a ban's
/// lines are about those who did not.
const COMING: &[&str] = &[
    action::LOGIN,
    action::FAILED_LOGIN,
    action::INVALID_USER,
    action::AUTHENTICATION_FAILURE,
    action::CONNECTED,
    action::DISCONNECTED,
    action::HTTP_REQUEST,
    action::RATE_LIMITED,
    action::UNAUTHORIZED,
];

/// Whether the event only measures again what is measured all the time: that has tables of its own, and
/// would hide what happened in a timeline.
fn is_measurement(event: &Event) -> bool {
    match event {
        Event::SensorReported(report) => report.value.number().is_some(),
        Event::MetricsSampled(_) | Event::CameraHeartbeatReceived(_) => true,
        _ => false,
    }
}

/// Tells every entity that the event is about.
pub fn for_each_entity(event: &Envelope, tell: &mut dyn FnMut(EntityType, &str)) {
    if event.is_snapshot() || is_measurement(&event.event) {
        return;
    }
    let (stream, source) = (&*event.stream.text, &*event.source.text);
    if let Some((kind, id)) = device(stream) {
        tell(kind, id);
    }
    if source != stream
        && let Some((kind, id)) = device(source)
    {
        tell(kind, id);
    }
    match &event.event {
        Event::LogWritten(line) => of_line(line, event.text(), tell),
        Event::TraceRecorded(trace) => {
            tell(Host, &trace.host);
            tell_some(Process, trace.service.as_deref(), tell);
            tell_some(User, trace.user.as_deref(), tell);
            if let Some(ip) = trace.ip {
                tell(Ip, &ip.to_string());
            }
        }
        Event::PatternDetected(pattern) => {
            for service in &pattern.services {
                tell(Process, service);
            }
            for ip in &pattern.ips {
                tell(Ip, &ip.to_string());
            }
        }
        Event::PetSighted(sighting) => tell_some(Pet, sighting.pet_id.as_deref(), tell),
        Event::SightingLabelled(label) => tell_some(Pet, label.pet_id.as_deref(), tell),
        Event::PetImageStaged(image) => tell(Pet, &image.pet_id),
        Event::PetRuleFired(fired) => {
            tell(Pet, &fired.pet);
            tell_some(Camera, fired.camera.as_deref(), tell);
        }
        Event::FaceMatched(matched) => of_profile(matched.profile, tell),
        Event::FaceProfileEdited(edited) => of_profile(edited.profile, tell),
        Event::PresenceReported(_) => of_member(stream.strip_prefix("presence/"), tell),
        Event::PresenceChanged(change) => of_member(Some(&change.member), tell),
        Event::ArmRequested(request) => of_asker(&request.triggered_by, tell),
        Event::ArmRefused(refusal) => of_asker(&refusal.triggered_by, tell),
        Event::EventAcknowledged(seen) => of_asker(&seen.by, tell),
        Event::RecordingRequested(request) => {
            for camera in &request.cameras {
                tell(Camera, camera);
            }
        }
        Event::TimelapseScheduled(schedule) => tell(Camera, &schedule.camera),
        Event::TimelapseRequested(film) => tell(Camera, &film.camera),
        _ => {}
    }
}

/// Tells what the event says of two entities: from whom, to whom, and what. What only stands in a
/// line beside something else is no relation.
pub fn for_each_relation(
    event: &Envelope,
    tell: &mut dyn FnMut(Named<'_>, Named<'_>, &'static str),
) {
    if event.is_snapshot() {
        return;
    }
    match &event.event {
        Event::LogWritten(line) => relations_of_line(line, tell),
        Event::PetSighted(sighting) => {
            if let Some(pet) = &sighting.pet_id {
                tell((Camera, &sighting.camera), (Pet, pet), SAW);
            }
        }
        Event::FaceMatched(matched) if matched.profile != NOBODY => {
            let person = matched.profile.to_string();
            tell((Camera, &matched.camera), (Person, &person), SAW);
        }
        _ => {}
    }
}

/// What a stream is called after. A person's is not among them: its number outlives the person.
fn device(stream: &str) -> Option<Named<'_>> {
    let (head, id) = stream.split_once('/')?;
    let kind = match head {
        "camera" => Camera,
        "sensor" => Sensor,
        // Sightings of animals that nobody knows share a stream.
        "pet" if id != "unknown" => Pet,
        "host" => Host,
        "ip" => Ip,
        _ => return None,
    };
    Some((kind, id))
}

fn of_line(line: &LogWritten, text: &str, tell: &mut dyn FnMut(EntityType, &str)) {
    let (user, ip) = (line.field(LogWritten::USER), line.field(LogWritten::IP));
    tell(Host, &line.host);
    tell(Process, line.program());
    tell_some(User, user, tell);
    tell_some(Ip, ip, tell);
    mentions(text, &mut |kind, name| {
        // Where the program's own words were told from a stranger's, its line is not asked again.
        let known = match kind {
            User => user.is_some(),
            Ip => ip.is_some(),
            _ => false,
        };
        if !known {
            tell(kind, name);
        }
    });
}

fn relations_of_line(line: &LogWritten, tell: &mut dyn FnMut(Named<'_>, Named<'_>, &'static str)) {
    let host = (Host, &*line.host);
    let user = line.field(LogWritten::USER).map(|user| (User, user));
    let ip = line.field(LogWritten::IP).map(|ip| (Ip, ip));
    let action = line.action().unwrap_or_default();
    tell((Process, line.program()), host, RAN_ON);
    if let Some(ip) = ip
        && COMING.contains(&action)
    {
        tell(ip, host, REACHED);
    }
    match (action, user, ip) {
        (action::LOGIN, Some(user), ip) => {
            tell(user, host, LOGGED_INTO);
            if let Some(ip) = ip {
                tell(user, ip, AUTHENTICATED_FROM);
            }
        }
        (action::FAILED_LOGIN, Some(user), Some(ip)) => tell(user, ip, FAILED_FROM),
        _ => {}
    }
}

fn of_profile(profile: i64, tell: &mut dyn FnMut(EntityType, &str)) {
    if profile != NOBODY {
        tell(Person, &profile.to_string());
    }
}

/// A member of the household. One that is called by a number would be taken for a profile.
fn of_member(member: Option<&str>, tell: &mut dyn FnMut(EntityType, &str)) {
    let is_name = |member: &&str| !member.bytes().all(|byte| byte.is_ascii_digit());
    tell_some(Person, member.filter(is_name), tell);
}

/// Who asked for something, where the message says it.
fn of_asker(by: &str, tell: &mut dyn FnMut(EntityType, &str)) {
    tell_some(User, Some(by).filter(|by| *by != "unknown"), tell);
}

fn tell_some(kind: EntityType, name: Option<&str>, tell: &mut dyn FnMut(EntityType, &str)) {
    if let Some(name) = name {
        tell(kind, name);
    }
}

#[cfg(test)]
mod tests;
