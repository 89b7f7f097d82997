//! Who is at home: concludes from what is told, and from silence, who came and went, and what the
//! household is as a whole.
//!
//! A face that was recognised at a camera is a report too, if a person said that it lives here and
//! whose presence it tells. That report names no cause: who is forgotten leaves no way from a face
//! to a member. What presence was told stays, as if a phone had told it.
//!
//! A late report (older than what is known) changes nothing. A report without a time of its own
//! counts as of its arrival.

use std::collections::BTreeMap;

use super::household::{AWAY_AFTER_NS, HouseholdState, Member, Presence, Role, household};
use super::{Reaction, Reactor, Scene};
use crate::base::clock::{MINUTE_NS, UnixNanos};
use crate::event::house::PresenceReported;
use crate::event::people::{FaceMatched, HouseholdChanged, PresenceCause, PresenceChanged};
use crate::event::{Envelope, Event, Extra, Kind, NewEvent};
use crate::read_model::presence;
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// Concludes presence.
pub const REACTOR: Reactor = Reactor {
    name: "presence",
    kinds: &[
        Kind::PresenceReported,
        Kind::PresenceChanged,
        Kind::FaceMatched,
    ],
    react,
    tick,
};

/// A face at the door is told ten times a second; once a minute is report enough.
const FACE_REPORT_EVERY_NS: i64 = MINUTE_NS;

/// What only the household as a whole can be.
const HOUSEHOLD_STATES: [HouseholdState; 4] = [
    HouseholdState::Empty,
    HouseholdState::KidsHome,
    HouseholdState::AdultsHome,
    HouseholdState::AllHome,
];

/// What the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Silence after which a member is away; none: silence says nothing.
    pub away_after_ns: Option<i64>,
    /// The members that are configured, by id.
    pub members: BTreeMap<String, MemberSettings>,
}

/// What the configuration says of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberSettings {
    /// Adult or child.
    pub role: Role,
    /// Silence after which this member is away; none: it says itself when it leaves.
    pub away_after_ns: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            away_after_ns: Some(AWAY_AFTER_NS),
            members: BTreeMap::new(),
        }
    }
}

impl Settings {
    fn away_after_ns(&self, member: &str) -> Option<i64> {
        self.members
            .get(member)
            .map_or(self.away_after_ns, |member| member.away_after_ns)
    }
}

/// A member's row.
struct Known {
    id: String,
    role: Role,
    state: Option<Presence>,
    changed_at: Option<UnixNanos>,
    last_report_at: Option<UnixNanos>,
    last_home_at: Option<UnixNanos>,
}

fn members(session: &mut dyn Session, settings: &Settings) -> Result<Vec<Known>, StorageError> {
    all(
        session,
        "SELECT id, role, state, changed_at, last_report_at, last_home_at FROM presence_members \
         ORDER BY id",
        &[],
        |row| {
            let id = row.text(0)?.to_owned();
            let configured = settings.members.get(&id).map(|member| member.role);
            Ok(Known {
                role: configured.unwrap_or(Role::from_report(row.opt_text(1)?)),
                id,
                state: row.opt_text(2)?.map(Presence::from_report),
                changed_at: row.opt_int(3)?,
                last_report_at: row.opt_int(4)?,
                last_home_at: row.opt_int(5)?,
            })
        },
    )
}

fn react(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
    match &event.event {
        Event::PresenceReported(report) => told(scene, event, report),
        Event::PresenceChanged(_) => whole(scene, Some(event)),
        Event::FaceMatched(matched) => seen(scene, event, matched),
        _ => Ok(Vec::new()),
    }
}

fn told(scene: &mut Scene<'_>, event: &Envelope, report: &PresenceReported) -> Reaction {
    if event.is_snapshot() {
        // The table took it already; the household may be another one for it.
        return whole(scene, Some(event));
    }
    let of_whole = HOUSEHOLD_STATES
        .iter()
        .any(|state| state.name() == report.state);
    let Some(id) = event
        .stream
        .text
        .strip_prefix("presence/")
        .filter(|_| !of_whole)
    else {
        return Ok(Vec::new());
    };
    let known = members(scene.session, &scene.settings.presence)?;
    let Some(member) = known.into_iter().find(|member| member.id == id) else {
        return Ok(Vec::new());
    };
    let at = event.occurred_at;
    let timed_itself = at != event.received_at;
    let is_newest = member.last_report_at.is_none_or(|last| at >= last);
    let is_late =
        !is_newest && (timed_itself || member.changed_at.is_some_and(|changed| at < changed));
    let to = Presence::from_report(&report.state);
    if is_late || member.state == Some(to) {
        return Ok(Vec::new());
    }
    let change = changed(&member, to, PresenceCause::Report);
    // A report that comes after its time was over still follows what silence said meanwhile.
    let at = member.changed_at.map_or(at, |changed| at.max(changed));
    Ok(vec![own(scene.now, at, change).caused_by(event.position)])
}

fn changed(member: &Known, to: Presence, because: PresenceCause) -> PresenceChanged {
    PresenceChanged {
        member: member.id.clone(),
        from: member.state.map(|state| state.name().to_owned()),
        to: to.name().to_owned(),
        because,
        role: role_name(member.role).to_owned(),
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Adult => "adult",
        Role::Child => "child",
    }
}

fn own(now: UnixNanos, at: UnixNanos, change: PresenceChanged) -> NewEvent {
    let mut new = NewEvent::own(now, format!("presence/{}", change.member), change);
    new.occurred_at = at;
    new
}

/// The report that a recognised member of the household is.
fn seen(scene: &mut Scene<'_>, event: &Envelope, matched: &FaceMatched) -> Reaction {
    let member = first(
        scene.session,
        "SELECT presence_member FROM face_profiles WHERE id = ?1 AND household = 1",
        values![matched.profile],
        |row| Ok(row.opt_text(0)?.map(ToOwned::to_owned)),
    )?;
    let Some(member) = member.flatten() else {
        return Ok(Vec::new());
    };
    let fresh_since = event.occurred_at.saturating_sub(FACE_REPORT_EVERY_NS);
    let fresh = first(
        scene.session,
        "SELECT 1 FROM presence_members WHERE id = ?1 AND state = 'HOME' AND last_home_at > ?2",
        values![&member, fresh_since],
        |_| Ok(()),
    )?;
    if fresh.is_some() {
        return Ok(Vec::new());
    }
    let report = PresenceReported {
        state: Presence::Home.name().to_owned(),
        role: None,
        extra: Extra::new(),
    };
    let mut new = NewEvent::own(scene.now, format!("presence/{member}"), report)
        .from_source("presence/faces");
    new.occurred_at = event.occurred_at;
    Ok(vec![new])
}

/// The household as its members are now, if it is not what it was.
fn whole(scene: &mut Scene<'_>, cause: Option<&Envelope>) -> Reaction {
    let known = members(scene.session, &scene.settings.presence)?;
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let before = presence::household(scene.session)?;
    let now = household(&counted(scene, &known)?, 0, scene.now)
        .state
        .name();
    if before.as_deref() == Some(now) {
        return Ok(Vec::new());
    }
    let change = HouseholdChanged {
        from: before,
        to: now.to_owned(),
    };
    let mut new = NewEvent::own(scene.now, "household/status", change);
    new.cause = cause.map(|event| event.position);
    Ok(vec![new])
}

/// Since when the daemon listens: its last start; the beginning of time where none is known.
fn listening_since(session: &mut dyn Session) -> Result<UnixNanos, StorageError> {
    let started = first(
        session,
        "SELECT at FROM liveness_start WHERE id = 1",
        &[],
        |row| row.int(0),
    )?;
    Ok(started.unwrap_or(UnixNanos::MIN))
}

/// The members as the household counts them.
fn counted(scene: &mut Scene<'_>, known: &[Known]) -> Result<Vec<Member>, StorageError> {
    let since = listening_since(scene.session)?;
    let settings = &scene.settings.presence;
    Ok(known
        .iter()
        .map(|one| counting(one, settings, since))
        .collect())
}

/// A member as the household counts it, with the end of its own patience for the last report.
fn counting(known: &Known, settings: &Settings, listening_since: UnixNanos) -> Member {
    let leaves_at = match settings.away_after_ns(&known.id) {
        None => UnixNanos::MAX,
        Some(patience) => known
            .last_home_at
            .or(known.changed_at)
            .unwrap_or(UnixNanos::MIN)
            // Nobody leaves by a silence in which nobody listened.
            .max(listening_since)
            .saturating_add(patience),
    };
    Member {
        name: known.id.clone(),
        role: known.role,
        presence: known.state.unwrap_or(Presence::Away),
        last_home_at: Some(leaves_at),
    }
}

/// Who left by silence, and whom the configuration brought.
fn tick(scene: &mut Scene<'_>) -> Reaction {
    let settings = &scene.settings.presence;
    let known = members(scene.session, settings)?;
    let counted = counted(scene, &known)?;
    let mut due = Vec::new();
    for departure in household(&counted, 0, scene.now).departed {
        if let Some(member) = known.iter().find(|member| member.id == departure.name) {
            let change = changed(member, Presence::Away, PresenceCause::Silence);
            due.push(own(scene.now, departure.at, change));
        }
    }
    for (id, member) in &settings.members {
        if !known.iter().any(|known| known.id == *id) {
            let change = PresenceChanged {
                member: id.clone(),
                from: None,
                to: Presence::Away.name().to_owned(),
                because: PresenceCause::Configured,
                role: role_name(member.role).to_owned(),
            };
            due.push(own(scene.now, scene.now, change));
        }
    }
    if due.is_empty() {
        // The members' roles may have been changed in the configuration.
        due.extend(whole(scene, None)?);
    }
    Ok(due)
}
