//! What the configuration says of devices and moments, told to the log where it is news.
//!
//! A fold knows no configuration; so at every start of the daemon what is configured is compared
//! with what the tables say, and what differs becomes an event.

use std::collections::BTreeMap;

use crate::base::clock::UnixNanos;
use crate::event::NewEvent;
use crate::event::animal::Location;
use crate::event::registry::{
    CameraRegistered, ClassificationConfigured, ConfiguredRule, SensorRegistered,
};
use crate::read_model::events::configured;
use crate::storage::{Session, StorageError, all};

/// What the configuration says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    /// Cameras by id, in the order of the configuration.
    pub cameras: Vec<(String, CameraRegistered)>,
    /// Sensors by id.
    pub sensors: Vec<(String, SensorRegistered)>,
    /// The household's own rules of classification.
    pub rules: Vec<ConfiguredRule>,
}

impl Registry {
    /// What of it the tables do not say yet, as events at `now`.
    pub fn news(
        &self,
        session: &mut dyn Session,
        now: UnixNanos,
    ) -> Result<Vec<NewEvent>, StorageError> {
        let cameras = differences(&self.cameras, cameras(session)?, |known| CameraRegistered {
            registered: false,
            ..known
        });
        let sensors = differences(&self.sensors, sensors(session)?, |known| SensorRegistered {
            registered: false,
            ..known
        });
        let cameras = cameras
            .into_iter()
            .map(|(id, told)| NewEvent::own(now, format!("camera/{id}"), told));
        let sensors = sensors
            .into_iter()
            .map(|(id, told)| NewEvent::own(now, format!("sensor/{id}"), told));
        let mut news: Vec<NewEvent> = cameras.chain(sensors).collect();
        if configured(session)? != self.rules {
            let rules = self.rules.clone();
            let told = ClassificationConfigured { rules };
            news.push(NewEvent::own(now, "system/classification", told));
        }
        Ok(news)
    }
}

/// What is configured otherwise than known, then what is known and configured no more.
fn differences<T: Clone + PartialEq>(
    told: &[(String, T)],
    mut known: BTreeMap<String, T>,
    gone: impl Fn(T) -> T,
) -> Vec<(String, T)> {
    let mut news = Vec::new();
    for (id, device) in told {
        if known.remove(id).as_ref() != Some(device) {
            news.push((id.clone(), device.clone()));
        }
    }
    news.extend(known.into_iter().map(|(id, device)| (id, gone(device))));
    news
}

fn cameras(session: &mut dyn Session) -> Result<BTreeMap<String, CameraRegistered>, StorageError> {
    let rows = all(
        session,
        "SELECT id, display_name, registered_location, source_url, enabled FROM cameras \
         WHERE registered = 1",
        &[],
        |row| {
            let told = CameraRegistered {
                registered: true,
                name: row.text(1)?.to_owned(),
                location: row.opt_text(2)?.and_then(Location::from_name),
                source_url: row.opt_text(3)?.map(ToOwned::to_owned),
                enabled: row.int(4)? != 0,
            };
            Ok((row.text(0)?.to_owned(), told))
        },
    )?;
    Ok(rows.into_iter().collect())
}

fn sensors(session: &mut dyn Session) -> Result<BTreeMap<String, SensorRegistered>, StorageError> {
    let rows = all(
        session,
        "SELECT id, display_name, registered_type, registered_protocol, device_address, location, \
         enabled, silent_after_ms FROM sensors WHERE registered = 1",
        &[],
        |row| {
            let text = |column| Ok::<_, StorageError>(row.opt_text(column)?.map(ToOwned::to_owned));
            let told = SensorRegistered {
                registered: true,
                name: row.text(1)?.to_owned(),
                r#type: text(2)?,
                protocol: text(3)?,
                device_address: text(4)?,
                location: text(5)?,
                enabled: row.int(6)? != 0,
                silent_after_ms: row.opt_int(7)?,
            };
            Ok((row.text(0)?.to_owned(), told))
        },
    )?;
    Ok(rows.into_iter().collect())
}
