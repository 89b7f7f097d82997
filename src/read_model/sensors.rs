//! Sensors, as registered and as known by what they send, and what each of them says now.

use std::collections::BTreeMap;

use super::view::columns;
use super::{Projection, View, table};
use crate::event::registry::SensorRegistered;
use crate::event::sentence::label;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "sensors",
    version: 2,
    tables: &[
        table!("sensors" by "id"),
        table!("sensor_states" by "sensor_id, state_key"),
    ],
    kinds: Some(&[Kind::SensorReported, Kind::SensorRegistered]),
    fold,
};

struct Sensor<'a> {
    kind: &'a str,
    first_at: i64,
    last_at: i64,
    battery: Option<f64>,
}

struct State {
    value: String,
    number: Option<f64>,
    unit: Option<String>,
    changed_at: i64,
    updated_at: i64,
    position: i64,
}

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut sensors: BTreeMap<&str, Sensor<'_>> = BTreeMap::new();
    let mut states: BTreeMap<(&str, &str), Option<State>> = BTreeMap::new();
    for event in batch {
        if let Event::SensorRegistered(told) = &event.event {
            // What came before was before: rare, and so written out at once.
            store(
                session,
                &std::mem::take(&mut sensors),
                &std::mem::take(&mut states),
            )?;
            register(session, event.subject(), told)?;
            continue;
        }
        let Event::SensorReported(reading) = &event.event else {
            continue;
        };
        let (id, at) = (event.subject(), event.occurred_at);
        let sensor = sensors.entry(id).or_insert(Sensor {
            kind: &reading.key,
            first_at: at,
            last_at: at,
            battery: None,
        });
        sensor.first_at = sensor.first_at.min(at);
        sensor.last_at = sensor.last_at.max(at);
        let charge = if reading.key == "battery" {
            reading.value.number()
        } else {
            None
        };
        sensor.battery = charge.or(reading.battery).or(sensor.battery);

        let state = match states.entry((id, &reading.key)) {
            std::collections::btree_map::Entry::Occupied(state) => state.into_mut(),
            std::collections::btree_map::Entry::Vacant(empty) => {
                empty.insert(stored(session, id, &reading.key)?)
            }
        };
        let value = reading.value.to_string();
        // A late message is history, not the present; a snapshot that tells nothing new is neither.
        if state.as_ref().is_some_and(|state| {
            at < state.updated_at || (event.is_snapshot() && state.value == value)
        }) {
            continue;
        }
        let changed_at = state
            .as_ref()
            .filter(|state| state.value == value)
            .map_or(at, |state| state.changed_at);
        *state = Some(State {
            value,
            number: reading.value.number(),
            unit: reading
                .unit
                .clone()
                .or_else(|| state.take().and_then(|state| state.unit)),
            changed_at,
            updated_at: at,
            position: event.position,
        });
    }
    store(session, &sensors, &states)
}

fn register(
    session: &mut dyn Session,
    id: &str,
    told: &SensorRegistered,
) -> Result<(), StorageError> {
    if !told.registered {
        session.write(
            "UPDATE sensors SET display_name = ?2, registered_type = NULL, registered_protocol = NULL, \
             device_address = NULL, location = NULL, enabled = 1, registered = 0, \
             silent_after_ms = NULL WHERE id = ?1",
            values![id, &label(id)],
        )?;
        return session.write(
            "DELETE FROM sensors WHERE id = ?1 AND first_seen_at IS NULL",
            values![id],
        );
    }
    session.write(
        "INSERT INTO sensors (id, display_name, registered_type, registered_protocol, device_address, location, \
         enabled, silent_after_ms, registered) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1) \
         ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name, \
         registered_type = excluded.registered_type, registered_protocol = excluded.registered_protocol, \
         device_address = excluded.device_address, location = excluded.location, \
         enabled = excluded.enabled, silent_after_ms = excluded.silent_after_ms, registered = 1",
        values![
            id,
            &told.name,
            told.r#type.as_deref(),
            told.protocol.as_deref(),
            told.device_address.as_deref(),
            told.location.as_deref(),
            told.enabled,
            told.silent_after_ms
        ],
    )
}

fn store(
    session: &mut dyn Session,
    sensors: &BTreeMap<&str, Sensor<'_>>,
    states: &BTreeMap<(&str, &str), Option<State>>,
) -> Result<(), StorageError> {
    for (id, sensor) in sensors {
        store_sensor(session, id, sensor)?;
    }
    for ((id, key), state) in states {
        let Some(state) = state else { continue };
        session.write(
            "INSERT INTO sensor_states (sensor_id, state_key, value, number, unit, changed_at, \
             updated_at, position) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
             ON CONFLICT (sensor_id, state_key) DO UPDATE SET value = excluded.value, \
             number = excluded.number, unit = excluded.unit, changed_at = excluded.changed_at, \
             updated_at = excluded.updated_at, position = excluded.position",
            values![
                *id,
                *key,
                &state.value,
                state.number,
                state.unit.as_deref(),
                state.changed_at,
                state.updated_at,
                state.position
            ],
        )?;
    }
    Ok(())
}

fn stored(session: &mut dyn Session, id: &str, key: &str) -> Result<Option<State>, StorageError> {
    first(
        session,
        "SELECT value, number, unit, changed_at, updated_at, position FROM sensor_states \
         WHERE sensor_id = ?1 AND state_key = ?2",
        values![id, key],
        |row| {
            Ok(State {
                value: row.text(0)?.to_owned(),
                number: row.opt_real(1)?,
                unit: row.opt_text(2)?.map(ToOwned::to_owned),
                changed_at: row.int(3)?,
                updated_at: row.int(4)?,
                position: row.int(5)?,
            })
        },
    )
}

fn store_sensor(
    session: &mut dyn Session,
    id: &str,
    sensor: &Sensor<'_>,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO sensors (id, display_name, first_key, first_seen_at, last_seen_at, battery) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET \
         first_key = coalesce(sensors.first_key, excluded.first_key), \
         first_seen_at = min(coalesce(sensors.first_seen_at, excluded.first_seen_at), excluded.first_seen_at), \
         last_seen_at = max(coalesce(sensors.last_seen_at, excluded.last_seen_at), excluded.last_seen_at), \
         battery = coalesce(excluded.battery, sensors.battery)",
        values![id, &label(id), sensor.kind, sensor.first_at, sensor.last_at, sensor.battery],
    )
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "sensor_states",
        about: "what every sensor says now",
        columns: columns![
            "sensor_id" Text, "state_key" Text, "value" Text, "unit" Text, "changed_at" Time,
            "updated_at" Time, "position" Number
        ],
        sql: "SELECT sensor_id, state_key, value, unit, changed_at, updated_at, position \
              FROM sensor_states WHERE updated_at >= ?1 AND updated_at < ?2 \
              ORDER BY updated_at DESC, sensor_id, state_key LIMIT ?3",
    },
    View {
        name: "sensors",
        about: "sensors, and when each was last heard of",
        columns: columns![
            "id" Text, "display_name" Text, "type" Text, "battery_pct" Number, "first_seen_at" Time,
            "last_seen_at" Time, "protocol" Text, "device_address" Text, "location" Text,
            "enabled" Flag, "registered" Flag
        ],
        sql: "SELECT id, display_name, type, battery, first_seen_at, last_seen_at, protocol, \
              device_address, location, enabled, registered FROM sensors \
              WHERE coalesce(last_seen_at, 0) >= ?1 AND coalesce(last_seen_at, 0) < ?2 \
              ORDER BY last_seen_at DESC NULLS LAST, id LIMIT ?3",
    },
];
