//! The UPS: what it says now, and what became of the power.
//!
//! Its topics and the words of its status tell the same; which edge they make is told by the rules
//! of classification, so that both tables always agree.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::events::classification::{self, Circumstances};
use super::view::columns;
use super::{Projection, View, table};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "ups",
    version: 1,
    tables: &[table!("ups_status" by "id"), table!("power_events" by "id")],
    kinds: Some(&[
        Kind::UpsStatusReported,
        Kind::UpsPowerLost,
        Kind::UpsPowerRestored,
        Kind::UpsBatteryLow,
        Kind::UpsBatteryCritical,
    ]),
    fold,
};

/// A yes or no of the UPS, as last told.
#[derive(Clone, Copy, Default)]
struct Known {
    is: Option<bool>,
    told_at: Option<i64>,
}

#[derive(Default)]
struct Ups {
    said: Said,
    on_battery: Known,
    on_battery_at: Option<i64>,
    battery_low: Known,
    battery_critical: Known,
    updated_at: Option<i64>,
    position: i64,
}

#[derive(Clone, Default)]
struct Said {
    status: Option<String>,
    charge_pct: Option<f64>,
    runtime_s: Option<f64>,
    load_pct: Option<f64>,
    input_voltage: Option<f64>,
}

macro_rules! said {
    ($payload:expr) => {
        Said {
            status: $payload.status.clone(),
            charge_pct: $payload.charge_pct,
            runtime_s: $payload.runtime_s,
            load_pct: $payload.load_pct,
            input_voltage: $payload.input_voltage,
        }
    };
}

fn said(event: &Event) -> Option<Said> {
    Some(match event {
        Event::UpsStatusReported(ups) => said!(ups),
        Event::UpsPowerLost(ups) => said!(ups),
        Event::UpsPowerRestored(ups) => said!(ups),
        Event::UpsBatteryLow(ups) => said!(ups),
        Event::UpsBatteryCritical(ups) => said!(ups),
        _ => return None,
    })
}

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut known: BTreeMap<&str, Ups> = BTreeMap::new();
    for event in batch {
        let Some(said) = said(&event.event) else {
            continue;
        };
        let ups = match known.entry(event.subject()) {
            Entry::Occupied(ups) => ups.into_mut(),
            Entry::Vacant(empty) => {
                let stored = stored(session, empty.key())?;
                empty.insert(stored)
            }
        };
        for what in ups
            .edges(event)
            .into_iter()
            .filter(|_| !event.is_snapshot())
        {
            // One message may be two edges (`OB LB`); the graver one stands for it.
            session.write(
                "INSERT INTO power_events (id, at, ups_id, what, status, charge_pct, runtime_s) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET \
                 what = excluded.what",
                values![
                    event.position,
                    event.occurred_at,
                    event.subject(),
                    what,
                    said.status.as_deref(),
                    said.charge_pct,
                    said.runtime_s
                ],
            )?;
        }
        ups.learn(event, said);
    }
    known
        .iter()
        .try_for_each(|(id, ups)| store(session, id, ups))
}

impl Ups {
    /// What is news in an event, the gravest last.
    fn edges(&mut self, event: &Envelope) -> Vec<&'static str> {
        let mut news = Vec::new();
        for rule in classification::fitting(event, &Circumstances::default()) {
            let (Some(key), value) = (rule.edge.key(), rule.edge.value(event)) else {
                continue;
            };
            let (known, is, rank, what) = match key {
                "power" if value == "lost" => (&mut self.on_battery, true, 1, "LOST"),
                "power" => (&mut self.on_battery, false, 0, "RESTORED"),
                "battery_low" => (&mut self.battery_low, value == "on", 2, "LOW"),
                _ => (&mut self.battery_critical, value == "on", 3, "CRITICAL"),
            };
            let at = event.occurred_at;
            let repeat = known.is.map(|known| known == is);
            let late = known.told_at.is_some_and(|told_at| at < told_at);
            if !late {
                *known = Known {
                    is: Some(is),
                    told_at: Some(at),
                };
                if key == "power" && repeat != Some(true) {
                    self.on_battery_at = Some(at);
                }
            }
            let is_news = repeat.map_or(rule.edge.is_news_at_first(), |repeat| !repeat);
            if is_news && rule.name.is_some() {
                news.push((rank, what));
            }
        }
        news.sort_unstable();
        news.into_iter().map(|(_, what)| what).collect()
    }

    /// Takes the numbers of an event, unless newer ones are known.
    fn learn(&mut self, event: &Envelope, said: Said) {
        if self
            .updated_at
            .is_some_and(|known| event.occurred_at < known)
        {
            return;
        }
        let before = std::mem::take(&mut self.said);
        self.said = Said {
            status: said.status.or(before.status),
            charge_pct: said.charge_pct.or(before.charge_pct),
            runtime_s: said.runtime_s.or(before.runtime_s),
            load_pct: said.load_pct.or(before.load_pct),
            input_voltage: said.input_voltage.or(before.input_voltage),
        };
        self.updated_at = Some(event.occurred_at);
        self.position = event.position;
    }
}

fn stored(session: &mut dyn Session, id: &str) -> Result<Ups, StorageError> {
    let known = first(
        session,
        "SELECT status, charge_pct, runtime_s, load_pct, input_voltage, on_battery, \
         on_battery_told_at, on_battery_at, battery_low, battery_low_told_at, battery_critical, \
         battery_critical_told_at, updated_at, position FROM ups_status WHERE id = ?1",
        values![id],
        |row| {
            let known = |is, told_at| {
                Ok::<_, StorageError>(Known {
                    is: row.opt_int(is)?.map(|is| is != 0),
                    told_at: row.opt_int(told_at)?,
                })
            };
            Ok(Ups {
                said: Said {
                    status: row.opt_text(0)?.map(ToOwned::to_owned),
                    charge_pct: row.opt_real(1)?,
                    runtime_s: row.opt_real(2)?,
                    load_pct: row.opt_real(3)?,
                    input_voltage: row.opt_real(4)?,
                },
                on_battery: known(5, 6)?,
                on_battery_at: row.opt_int(7)?,
                battery_low: known(8, 9)?,
                battery_critical: known(10, 11)?,
                updated_at: row.opt_int(12)?,
                position: row.int(13)?,
            })
        },
    )?;
    Ok(known.unwrap_or_default())
}

fn store(session: &mut dyn Session, id: &str, ups: &Ups) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO ups_status (id, status, charge_pct, runtime_s, load_pct, input_voltage, \
         on_battery, on_battery_told_at, on_battery_at, battery_low, battery_low_told_at, \
         battery_critical, battery_critical_told_at, updated_at, position) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, \
         charge_pct = excluded.charge_pct, runtime_s = excluded.runtime_s, \
         load_pct = excluded.load_pct, input_voltage = excluded.input_voltage, \
         on_battery = excluded.on_battery, on_battery_told_at = excluded.on_battery_told_at, \
         on_battery_at = excluded.on_battery_at, battery_low = excluded.battery_low, \
         battery_low_told_at = excluded.battery_low_told_at, \
         battery_critical = excluded.battery_critical, \
         battery_critical_told_at = excluded.battery_critical_told_at, \
         updated_at = excluded.updated_at, position = excluded.position",
        values![
            id,
            ups.said.status.as_deref(),
            ups.said.charge_pct,
            ups.said.runtime_s,
            ups.said.load_pct,
            ups.said.input_voltage,
            ups.on_battery.is,
            ups.on_battery.told_at,
            ups.on_battery_at,
            ups.battery_low.is,
            ups.battery_low.told_at,
            ups.battery_critical.is,
            ups.battery_critical.told_at,
            ups.updated_at,
            ups.position
        ],
    )
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "ups_status",
        about: "what each UPS says now",
        columns: columns![
            "id" Text, "status" Text, "on_battery" Flag, "on_battery_at" Time, "charge_pct" Number,
            "runtime_s" Number, "load_pct" Number, "input_voltage" Number, "battery_low" Flag,
            "battery_critical" Flag, "updated_at" Time
        ],
        sql: "SELECT id, status, on_battery, on_battery_at, charge_pct, runtime_s, load_pct, \
              input_voltage, battery_low, battery_critical, updated_at FROM ups_status \
              WHERE updated_at >= ?1 AND updated_at < ?2 ORDER BY updated_at DESC, id LIMIT ?3",
    },
    View {
        name: "power_events",
        about: "when the power failed and came back",
        columns: columns![
            "at" Time, "what" Text, "ups_id" Text, "status" Text, "charge_pct" Number,
            "runtime_s" Number, "id" Number
        ],
        sql: "SELECT at, what, ups_id, status, charge_pct, runtime_s, id FROM power_events \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
];
