//! Where addresses belong, as local databases of places say (`MaxMind` DB format 2.0: `GeoLite2`, DB-IP and
//! others). Nothing is asked over a network.
//!
//! A thread of its own looks from time to time for public addresses that lines have named and nobody
//! has placed, and tells each one's place in an event, once: also that nothing is known of it. The
//! databases are read into memory for that moment alone, for they are larger than all the rest of
//! the program; a new edition is used from then on.

use core::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use maxminddb::{MaxMindDbError, Reader, geoip2};

use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::event::NewEvent;
use crate::event::trace::IpLocated;
use crate::read_model::reputation;
use crate::storage::StorageError;
use crate::storage::sqlite::Database;
use crate::writer::{Handle, WriterError};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// Most addresses of one look; the next look goes on.
const ADDRESSES_MAX: usize = 5_000;
/// Most events of one transaction: others wait for it.
const PIECE: usize = 256;
/// Longest name that is kept, in characters.
const NAME_MAX: usize = 128;

/// Places addresses.
#[derive(Debug)]
pub struct Locator {
    database: PathBuf,
    places: Vec<PathBuf>,
    writer: Handle,
    clock: Clock,
    shutdown: Shutdown,
    /// What was wrong last; told once.
    complaint: Option<String>,
}

/// Why a look placed nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{}: {source}; see [health] place_databases", path.display())]
    Places {
        path: PathBuf,
        source: MaxMindDbError,
    },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Writer(#[from] WriterError),
}

impl Locator {
    /// Of the addresses in the main `database`, by what the files `places` say; the first that knows
    /// a country, a city, a network tells it.
    pub const fn new(
        database: PathBuf,
        places: Vec<PathBuf>,
        writer: Handle,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            database,
            places,
            writer,
            clock,
            shutdown,
            complaint: None,
        }
    }

    /// Runs until the shutdown.
    pub fn run(mut self) {
        loop {
            self.complaint = match self.look() {
                Ok(()) => None,
                Err(trouble) => {
                    let said = trouble.to_string();
                    if self.complaint.as_ref() != Some(&said) {
                        tracing::warn!(error = said, "addresses cannot be placed");
                    }
                    Some(said)
                }
            };
            if self.shutdown.wait(EVERY) {
                return;
            }
        }
    }

    /// Places what nobody has placed.
    fn look(&self) -> Result<(), Trouble> {
        let addresses = {
            let mut database = Database::open_reader(&self.database)?;
            reputation::unplaced(&mut database.snapshot()?, ADDRESSES_MAX)?
        };
        if addresses.is_empty() {
            return Ok(());
        }
        let mut found: Vec<IpLocated> = addresses.into_iter().map(unknown).collect();
        for path in &self.places {
            place(path, &mut found).map_err(|source| Trouble::Places {
                path: path.clone(),
                source,
            })?;
        }
        let now = self.clock.now();
        let events = found.into_iter().map(|place| {
            let stream = format!("ip/{}", place.ip);
            NewEvent::own(now, stream, place)
        });
        let events: Vec<NewEvent> = events.collect();
        for piece in events.chunks(PIECE) {
            self.writer.store(piece.to_vec())?;
        }
        Ok(())
    }
}

const fn unknown(ip: IpAddr) -> IpLocated {
    IpLocated {
        ip,
        country_code: None,
        city: None,
        asn: None,
    }
}

/// What one file says of addresses, where nothing is known yet.
fn place(path: &Path, found: &mut [IpLocated]) -> Result<(), MaxMindDbError> {
    let reader = Reader::open_readfile(path)?;
    for one in found {
        // A file of IPv4 addresses knows nothing of IPv6, and a record that cannot be read says
        // nothing: neither may keep the others from being placed.
        if let Err(error) = place_one(&reader, one) {
            tracing::debug!(ip = %one.ip, %error, file = %path.display(), "not placed");
        }
    }
    Ok(())
}

fn place_one(reader: &Reader<Vec<u8>>, one: &mut IpLocated) -> Result<(), MaxMindDbError> {
    let answer = reader.lookup(one.ip)?;
    if let Some(city) = answer.decode::<geoip2::City<'_>>()? {
        let country = city.country.iso_code.map(bounded);
        one.country_code = one.country_code.take().or(country);
        let city = city.city.names.english.map(bounded);
        one.city = one.city.take().or(city);
    }
    if let Some(network) = answer.decode::<geoip2::Asn<'_>>()?
        && let Some(number) = network.autonomous_system_number
    {
        let name = network.autonomous_system_organization.unwrap_or_default();
        let asn = bounded(format!("AS{number} {name}").trim_end());
        one.asn = one.asn.take().or(Some(asn));
    }
    Ok(())
}

/// A name of bearable length, without what would confuse a terminal.
fn bounded(name: &str) -> String {
    let plain = name.chars().filter(|letter| !letter.is_control());
    plain.take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/places");
        folder.join(name)
    }

    fn placed(ip: &str, files: &[&str]) -> IpLocated {
        let mut found = [unknown(ip.parse().unwrap())];
        for file in files {
            place(&fixture(file), &mut found).unwrap();
        }
        let [one] = found;
        one
    }

    #[test]
    fn places_and_networks_come_from_any_number_of_files() {
        let both = ["city.mmdb", "network.mmdb"];
        let berlin = placed("203.0.113.7", &both);
        assert_eq!(berlin.country_code.as_deref(), Some("DE"));
        assert_eq!(berlin.city.as_deref(), Some("Berlin"));
        assert_eq!(berlin.asn.as_deref(), Some("AS64500 Example Net"));
        let v6 = placed("2001:db8::9", &both);
        assert_eq!(v6.country_code.as_deref(), Some("FR"));
        assert_eq!((v6.city, v6.asn), (None, None));
        let nowhere = placed("192.0.2.1", &both);
        assert_eq!(nowhere, unknown(nowhere.ip));
        assert_eq!(placed("203.0.113.7", &both[..1]).asn, None);
    }

    #[test]
    fn what_is_no_database_is_an_error() {
        let mut found = [unknown("203.0.113.7".parse().unwrap())];
        assert!(place(&fixture("make"), &mut found).is_err());
        assert!(place(&fixture("none.mmdb"), &mut found).is_err());
    }
}
