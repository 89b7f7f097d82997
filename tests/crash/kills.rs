//! SIGKILL at random moments while messages arrive: nothing lost, nothing twice.

use std::time::{Duration, Instant};

use crate::ledger::{Load, Stored};
use crate::rig::{House, pause};

/// Kills in the short form; `NIGHTJAR_CRASH_KILLS` overrides.
const KILLS: u32 = 100;
/// Messages per second.
const RATE: u32 = 1_000;
/// How long the daemon stays away in every fifth round, so that a backlog waits for it.
const AWAY: Duration = Duration::from_millis(500);

/// A small generator (Marsaglia's xorshift64), so that a run can be repeated from its seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

pub(crate) fn number_from(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is no number")),
    )
}

#[test]
fn random_kills_while_messages_arrive() {
    let kills = number_from("NIGHTJAR_CRASH_KILLS").unwrap_or(KILLS.into());
    let seed = number_from("NIGHTJAR_CRASH_SEED")
        .unwrap_or_else(|| u64::from_le_bytes(nightjar::base::ids::random::<8>()))
        .max(1);
    println!("random kills: NIGHTJAR_CRASH_SEED={seed}");
    let mut dice = Dice(seed);
    let house = House::new();
    let mut daemon = house.start_daemon();
    let load = Load::start(house.port, RATE);
    let mut back_max = Duration::ZERO;
    for round in 0..kills {
        pause(Duration::from_millis(50 + dice.below(350)));
        daemon.kill();
        if round % 5 == 4 {
            pause(AWAY);
        }
        let began = Instant::now();
        daemon = house.start_daemon();
        back_max = back_max.max(began.elapsed());
    }
    let mut publisher = load.stop();
    let mut stored = Stored::default();
    stored.settle(&mut publisher, &house.data());
    let ledger = publisher.ledger();
    assert_eq!(stored.differences(&ledger), [], "message, accepted, stored");
    house.is_whole();
    drop(daemon);
    println!(
        "random kills: {kills} kills, {} messages, each stored once; back within {} ms",
        stored.messages,
        back_max.as_millis()
    );
}
