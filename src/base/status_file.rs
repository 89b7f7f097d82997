//! What the daemon tells of itself while it runs: `status.json` in the data folder.
//!
//! The database knows everything that is durable; the counters and connections of a process are
//! not, and reach `nightjar status` this way. Every field is optional, so that a file of an older or
//! newer program still tells what it can.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::clock::UnixNanos;
use super::telemetry::Snapshot;

/// Name of the file in the data folder.
pub const STATUS_FILE: &str = "status.json";
/// Longest file that is read, bytes; ours has about two thousand.
const MAX_BYTES: u64 = 256 * 1_024;

/// The daemon's account of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusFile {
    /// When it was written, Unix nanoseconds.
    pub updated_at: Option<UnixNanos>,
    /// Topic families, and whether each is connected to the broker.
    pub connected: BTreeMap<String, bool>,
    /// What is wrong, by part: a topic family, or `recordings`.
    pub trouble: BTreeMap<String, String>,
    /// What somebody should know, by part.
    pub warnings: BTreeMap<String, String>,
    /// How full the disk of the recordings is, in a line for people.
    pub recordings_disk: Option<String>,
    /// How far the models are, in a line for people; none while detection is switched off.
    pub models: Option<String>,
    /// Counters since the daemon started.
    #[serde(flatten)]
    pub counters: Snapshot,
}

impl StatusFile {
    /// Writes it into the data folder `dir`, whole, by a rename. Not flushed: it tells of a process,
    /// and every few seconds anew.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let fresh = dir.join(format!(".{STATUS_FILE}.new"));
        let mut file = std::fs::File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(&fresh, dir.join(STATUS_FILE))
    }

    /// Reads it from the data folder `dir`; none when there is no file.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        let file = match std::fs::File::open(dir.join(STATUS_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text)?;
        Ok(Some(serde_json::from_str(&text)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Option<StatusFile>> {
        let folder = tempfile::tempdir().unwrap();
        std::io::Write::write_all(
            &mut std::fs::File::create(folder.path().join(STATUS_FILE)).unwrap(),
            text.as_bytes(),
        )
        .unwrap();
        StatusFile::read(folder.path())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = StatusFile {
            updated_at: Some(5),
            connected: [("sensor".to_owned(), true), ("pet".to_owned(), false)].into(),
            trouble: [("pet".to_owned(), "no broker".to_owned())].into(),
            warnings: BTreeMap::new(),
            recordings_disk: Some("71.0 % used".into()),
            models: Some("4 models, at the head".into()),
            counters: Snapshot {
                messages_acked: 7,
                ..Snapshot::default()
            },
        };
        let text = serde_json::to_string(&written).unwrap();
        assert!(text.contains("\"messages_acked\":7"), "{text}");
        assert_eq!(read(&text).unwrap().as_ref(), Some(&written));
        let folder = tempfile::tempdir().unwrap();
        written.write(folder.path()).unwrap();
        assert_eq!(StatusFile::read(folder.path()).unwrap(), Some(written));
    }

    #[test]
    fn fields_may_be_missing_or_unknown_and_nonsense_is_an_error() {
        assert_eq!(read("{}").unwrap(), Some(StatusFile::default()));
        let newer = read("{\"messages_acked\":1,\"uptime_s\":[1]}")
            .unwrap()
            .unwrap();
        assert_eq!(newer.counters.messages_acked, 1);
        assert!(read("{\"updated_at\":").is_err());
        assert_eq!(
            StatusFile::read(Path::new("/no/such/folder")).unwrap(),
            None
        );
    }
}
