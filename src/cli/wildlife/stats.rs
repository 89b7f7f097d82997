//! `wildlife stats`: how many came, by hour of the day or by weather.

use std::collections::BTreeMap;

use clap::ValueEnum;
use jiff::Timestamp;

use super::super::exit::{CliError, Exit};
use super::super::paging::{self, cell};
use super::super::table::FormatArgs;
use super::super::{Context, folder};
use super::known_species;
use crate::base::clock::MINUTE_NS;
use crate::read_model::view::Shape;
use crate::storage::{Owned, all};
use crate::values;

/// Arguments of `wildlife stats`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the counts are put under
    #[arg(long, value_enum, default_value = "hour")]
    by: By,
    /// Of this species
    #[arg(long)]
    species: Option<String>,
    /// At this camera
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// At or after this: RFC 3339, today, -2h, 30d
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// The hour of the day, in the house's time zone
    Hour,
    /// The weather in words, with its mean temperature
    Weather,
}

/// Zones differ from UTC by multiples of a quarter of an hour.
const QUARTER_NS: i64 = 15 * MINUTE_NS;

/// What came under one heading.
#[derive(Default)]
struct Tally {
    encounters: i64,
    sightings: i64,
    degrees: f64,
    measured: i64,
}

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let since = match &args.since {
        Some(text) => context.moment("--since", text)?,
        None => i64::MIN,
    };
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let species = match &args.species {
        Some(typed) => Some(known_species(&mut session, typed)?),
        None => None,
    };
    // An encounter counts where its first sighting lies, at the usual 30 minutes.
    let quarters = all(
        &mut session,
        "SELECT s.at / ?1, s.species, s.conditions, sum(s.temperature_c), count(s.temperature_c), \
         count(*), sum(NOT EXISTS (SELECT 1 FROM wildlife_sightings p \
             WHERE p.species = s.species AND p.camera_id = s.camera_id \
             AND p.at >= s.at - 1800000000000 AND p.at <= s.at AND (p.at < s.at OR p.id < s.id))) \
         FROM wildlife_sightings s WHERE s.at >= ?2 AND (?3 IS NULL OR s.species = ?3) \
         AND (?4 IS NULL OR s.camera_id = ?4) GROUP BY 1, 2, 3",
        values![
            QUARTER_NS,
            since,
            species.as_deref(),
            args.camera.as_deref()
        ],
        |row| {
            let tally = Tally {
                degrees: row.opt_real(3)?.unwrap_or_default(),
                measured: row.int(4)?,
                sightings: row.int(5)?,
                encounters: row.int(6)?,
            };
            let weather = row.opt_text(2)?.map(ToOwned::to_owned);
            Ok((row.int(0)?, row.text(1)?.to_owned(), weather, tally))
        },
    )?;
    let mut tallies: BTreeMap<(Option<String>, String), Tally> = BTreeMap::new();
    for (quarter, species, weather, found) in quarters {
        let heading = match args.by {
            By::Hour => {
                let at = i128::from(quarter) * i128::from(QUARTER_NS);
                let stamp = Timestamp::from_nanosecond(at)
                    .map_err(|error| CliError::new(Exit::BadData, error.to_string()))?;
                Some(format!(
                    "{:02}:00",
                    stamp.to_zoned(context.zone.clone()).hour()
                ))
            }
            By::Weather => weather.map(|weather| weather.trim().to_lowercase()),
        };
        let tally = tallies.entry((heading, species)).or_default();
        tally.encounters += found.encounters;
        tally.sightings += found.sightings;
        tally.degrees += found.degrees;
        tally.measured += found.measured;
    }
    let columns = [
        (
            if args.by == By::Hour {
                "hour"
            } else {
                "weather"
            },
            Shape::Text,
        ),
        ("species", Shape::Text),
        ("encounters", Shape::Number),
        ("sightings", Shape::Number),
        ("mean_temperature_c", Shape::Number),
    ];
    let row = |((heading, species), tally): (&(Option<String>, String), &Tally)| {
        let mean = tally.degrees / tally.measured.max(1) as f64;
        vec![
            cell(heading.as_deref()),
            cell(Some(species)),
            Owned::Integer(tally.encounters),
            Owned::Integer(tally.sightings),
            if tally.measured > 0 {
                Owned::Real(mean)
            } else {
                Owned::Null
            },
        ]
    };
    let rows = tallies.iter().map(row).collect();
    paging::write(&columns, rows, args.format, false, context)
}
