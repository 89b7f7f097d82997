//! The crash suite: the real daemon and a real mosquitto, killed wherever it hurts.
#![allow(clippy::unwrap_used, reason = "tests")]

mod acks;
mod batch;
mod brokers;
mod detection;
mod errors;
mod flood;
mod kills;
mod ledger;
mod lines;
mod outbound;
mod refusals;
mod rig;
mod sabotage;
mod sealing;
mod trace;
mod verbs;
