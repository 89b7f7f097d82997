//! The schema of case files: its migrations and the number that marks a file as one.

use crate::storage::migrate::Migration;

/// `application_id` of a case file: "NJCF".
pub const APPLICATION_ID: i32 = 0x4e4a_4346;

/// The schema, step by step.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        script: include_str!("../../migrations/casefile/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "calibrations",
        script: include_str!("../../migrations/casefile/0002_calibrations.sql"),
    },
    Migration {
        version: 3,
        name: "ocr_runs",
        script: include_str!("../../migrations/casefile/0003_ocr_runs.sql"),
    },
    Migration {
        version: 4,
        name: "branch_trash",
        script: include_str!("../../migrations/casefile/0004_branch_trash.sql"),
    },
    Migration {
        version: 5,
        name: "backfill_ocr_stale",
        script: include_str!("../../migrations/casefile/0005_backfill_ocr_stale.sql"),
    },
    Migration {
        version: 6,
        name: "case_layer",
        script: include_str!("../../migrations/casefile/0006_case_layer.sql"),
    },
    Migration {
        version: 7,
        name: "guards",
        script: include_str!("../../migrations/casefile/0007_guards.sql"),
    },
];

/// Version of the newest migration.
pub fn newest_version() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}
