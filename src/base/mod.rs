//! Ground floor: what every other module may stand on and what itself stands on nothing.

pub mod clock;
pub mod fsutil;
pub mod ids;
pub mod lock;
pub mod reserve;
pub mod secret;
pub mod shutdown;
pub mod status_file;
pub mod telemetry;
