//! Ground floor: what every other module may stand on and what itself stands on nothing.

pub mod fsutil;
