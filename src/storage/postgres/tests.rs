//! The engine on a real server, started for these tests alone.

mod cluster;
mod grouped;
mod guards;
mod schema;
mod sessions;

use super::Database;
use crate::storage::migrate::{POSTGRES, migrate};
use cluster::cluster;

/// A site of a test's own, with the whole schema.
fn migrated(name: &str) -> Database {
    let mut database = Database::open_writer(&cluster().site(name)).unwrap();
    migrate(&mut database, POSTGRES, 5).unwrap();
    database
}
