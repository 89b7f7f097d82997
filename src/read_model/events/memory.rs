//! What earlier events said, as far as it bears on the classification of later ones.
//!
//! Read when first asked for, once per batch, and written back at its end: the answers do not depend
//! on how the log was cut into batches.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::super::cameras::camera_of;
use super::classification::{self, Circumstances};
use crate::event::alarm::ArmState;
use crate::event::animal::Location;
use crate::event::registry::{ClassificationConfigured, ConfiguredRule};
use crate::event::sentence::sentence_with;
use crate::event::{Envelope, Event};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// Stream and key under which the arm state is remembered.
const ARM: (&str, &str) = ("house/arm", "state");

#[derive(Default)]
pub(super) struct Memory {
    edges: BTreeMap<(Arc<str>, Cow<'static, str>), State>,
    subjects: BTreeMap<String, Option<Subject>>,
    rules: Option<Arc<[ConfiguredRule]>>,
}

/// A state as it is known: value and time.
struct State {
    known: Option<(String, i64)>,
    changed: bool,
}

/// A device as it is registered.
struct Subject {
    name: String,
    location: Option<Location>,
}

/// A state and its new value, perhaps.
pub(super) struct Change<'c> {
    pub(super) key: Cow<'static, str>,
    pub(super) value: &'c str,
    /// Whether it is news as the first that is heard of the state.
    pub(super) first: bool,
    /// Whether a late message that tells the known value is no news.
    pub(super) twice: bool,
}

impl Memory {
    /// Takes what an event says of the circumstances of later ones.
    pub(super) fn learn(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
    ) -> Result<(), StorageError> {
        let stream = &*event.stream.text;
        match &event.event {
            Event::ArmStateChanged(changed) => {
                let known = (changed.to.name().to_owned(), event.occurred_at);
                let state = self.state(session, &Arc::from(ARM.0), Cow::Borrowed(ARM.1))?;
                state.known = Some(known);
                state.changed = true;
                Ok(())
            }
            Event::CameraRegistered(told) => {
                let subject = told.registered.then(|| Subject {
                    name: told.name.clone(),
                    location: told.location,
                });
                self.store_subject(session, stream, subject)
            }
            Event::SensorRegistered(told) => {
                let subject = told.registered.then(|| Subject {
                    name: told.name.clone(),
                    location: None,
                });
                self.store_subject(session, stream, subject)
            }
            Event::ClassificationConfigured(told) => self.store_rules(session, told),
            _ => Ok(()),
        }
    }

    /// What else counts for this event; read only where a rule looks at it.
    pub(super) fn circumstances(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
    ) -> Result<Circumstances, StorageError> {
        let mut circumstances = Circumstances::default();
        if classification::minds_arming(event.kind()) {
            let state = self.state(session, &Arc::from(ARM.0), Cow::Borrowed(ARM.1))?;
            circumstances.armed = state
                .known
                .as_ref()
                .and_then(|(name, _)| ArmState::from_name(name))
                .is_some_and(classification::is_armed);
        }
        if let Event::PetSighted(sighting) = &event.event
            && sighting.location.is_none()
        {
            let camera = self.subject(session, &format!("camera/{}", sighting.camera))?;
            circumstances.camera_location = camera.and_then(|camera| camera.location);
        }
        Ok(circumstances)
    }

    /// Whether a change is more than a repeat; remembers the new value.
    pub(super) fn is_news(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
        change: Change<'_>,
    ) -> Result<bool, StorageError> {
        let at = event.occurred_at;
        let state = self.state(session, &event.stream.text, change.key)?;
        let repeat = state.known.as_ref().map(|(known, _)| known == change.value);
        // A late message is a moment of its own time, and leaves the present alone.
        if state.known.as_ref().is_some_and(|(_, known)| at < *known) {
            return Ok(!(change.twice && repeat == Some(true)));
        }
        state.known = Some((change.value.to_owned(), at));
        state.changed = true;
        Ok(repeat.map_or(change.first, |repeat| !repeat))
    }

    /// The event in words, with the names that the household gave.
    pub(super) fn sentence(
        &mut self,
        session: &mut dyn Session,
        event: &Envelope,
    ) -> Result<String, StorageError> {
        self.subject(session, &event.stream.text)?;
        if let Some(camera) = camera_of(event) {
            self.subject(session, &format!("camera/{camera}"))?;
        }
        let known = |stream: &str| self.subjects.get(stream)?.as_ref();
        Ok(sentence_with(event, &|stream| {
            known(stream).map(|subject| subject.name.clone())
        }))
    }

    /// What the household calls a stream, if it said.
    pub(super) fn name(
        &mut self,
        session: &mut dyn Session,
        stream: &str,
    ) -> Result<Option<String>, StorageError> {
        let subject = self.subject(session, stream)?;
        Ok(subject.map(|subject| subject.name.clone()))
    }

    /// The household's own rules, in their order.
    pub(super) fn rules(
        &mut self,
        session: &mut dyn Session,
    ) -> Result<Arc<[ConfiguredRule]>, StorageError> {
        if let Some(rules) = &self.rules {
            return Ok(Arc::clone(rules));
        }
        let rules: Arc<[ConfiguredRule]> = configured(session)?.into();
        self.rules = Some(Arc::clone(&rules));
        Ok(rules)
    }

    fn subject(
        &mut self,
        session: &mut dyn Session,
        stream: &str,
    ) -> Result<Option<&Subject>, StorageError> {
        if !self.subjects.contains_key(stream) {
            let known = first(
                session,
                "SELECT display_name, location FROM event_subjects WHERE stream = ?1",
                values![stream],
                |row| {
                    Ok(Subject {
                        name: row.text(0)?.to_owned(),
                        location: row.opt_text(1)?.and_then(Location::from_name),
                    })
                },
            )?;
            self.subjects.insert(stream.to_owned(), known);
        }
        Ok(self.subjects.get(stream).and_then(Option::as_ref))
    }

    fn store_subject(
        &mut self,
        session: &mut dyn Session,
        stream: &str,
        subject: Option<Subject>,
    ) -> Result<(), StorageError> {
        match &subject {
            Some(subject) => session.write(
                "INSERT INTO event_subjects (stream, display_name, location) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (stream) DO UPDATE SET display_name = excluded.display_name, \
                 location = excluded.location",
                values![stream, &subject.name, subject.location.map(Location::name)],
            )?,
            None => session.write(
                "DELETE FROM event_subjects WHERE stream = ?1",
                values![stream],
            )?,
        }
        self.subjects.insert(stream.to_owned(), subject);
        Ok(())
    }

    fn store_rules(
        &mut self,
        session: &mut dyn Session,
        told: &ClassificationConfigured,
    ) -> Result<(), StorageError> {
        self.rules = None;
        session.write("DELETE FROM classification_rules", &[])?;
        for (ordinal, rule) in (0_i64..).zip(&told.rules) {
            session.write(
                "INSERT INTO classification_rules (ordinal, id, kind, stream, state_key, value, \
                 above, below, type, severity_id, message) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                values![
                    ordinal,
                    &rule.id,
                    &rule.kind,
                    &rule.stream,
                    rule.key.as_deref(),
                    rule.value.as_deref(),
                    rule.above,
                    rule.below,
                    rule.r#type.as_deref(),
                    rule.severity,
                    rule.message.as_deref()
                ],
            )?;
        }
        Ok(())
    }

    fn state(
        &mut self,
        session: &mut dyn Session,
        stream: &Arc<str>,
        key: Cow<'static, str>,
    ) -> Result<&mut State, StorageError> {
        match self.edges.entry((Arc::clone(stream), key)) {
            Entry::Occupied(state) => Ok(state.into_mut()),
            Entry::Vacant(empty) => {
                let (stream, key) = empty.key();
                let known = first(
                    session,
                    "SELECT value, at FROM event_edges WHERE stream = ?1 AND state_key = ?2",
                    values![&**stream, &**key],
                    |row| Ok((row.text(0)?.to_owned(), row.int(1)?)),
                )?;
                Ok(empty.insert(State {
                    known,
                    changed: false,
                }))
            }
        }
    }

    /// Writes back what changed.
    pub(super) fn store(&self, session: &mut dyn Session) -> Result<(), StorageError> {
        for ((stream, key), state) in &self.edges {
            if let (true, Some((value, at))) = (state.changed, &state.known) {
                session.write(
                    "INSERT INTO event_edges (stream, state_key, value, at) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (stream, state_key) DO UPDATE SET value = excluded.value, at = excluded.at",
                    values![&**stream, &**key, value, *at],
                )?;
            }
        }
        Ok(())
    }
}

/// The household's own rules as they are stored, in their order.
pub fn configured(session: &mut dyn Session) -> Result<Vec<ConfiguredRule>, StorageError> {
    all(
        session,
        "SELECT id, kind, stream, state_key, value, above, below, type, severity_id, message \
         FROM classification_rules ORDER BY ordinal",
        &[],
        |row| {
            let text = |column| Ok::<_, StorageError>(row.opt_text(column)?.map(ToOwned::to_owned));
            Ok(ConfiguredRule {
                id: row.text(0)?.to_owned(),
                kind: row.text(1)?.to_owned(),
                stream: row.text(2)?.to_owned(),
                key: text(3)?,
                value: text(4)?,
                above: row.opt_real(5)?,
                below: row.opt_real(6)?,
                r#type: text(7)?,
                severity: row.int(8)?,
                message: text(9)?,
            })
        },
    )
}
