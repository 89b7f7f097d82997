//! Stories of a house, told message by message to a box whose clock goes with them, and what its
//! verbs then say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser as _;
use jiff::tz::TimeZone;
use nightjar::base::clock::{Clock, HOUR_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS};
use nightjar::base::shutdown::Shutdown;
use nightjar::cli::term::Screen;
use nightjar::cli::{self, Cli, Context};
use nightjar::config::{self, Sources};
use nightjar::decode::Rules;
use nightjar::ingest::pin_desk::PinDesk;
use nightjar::ingest::replay::{Direct, messages};
use nightjar::read_model;
use nightjar::storage::sqlite::{Database, Durability};
use nightjar::writer::sabotage::Sabotage;
use nightjar::writer::{self, Options, Reactions};

/// Zone of the house, so that no table of zones is needed.
const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/streams")
        .join(name)
}

/// A data folder after the story, which began at `begins`; the clock went on for `after_minutes`.
fn tell(story: &str, begins: &str, after_minutes: i64) -> (tempfile::TempDir, Clock) {
    let folder = tempfile::tempdir().unwrap();
    let begins: jiff::Timestamp = begins.parse().unwrap();
    let clock = Clock::fixed(begins.as_nanosecond() as i64);
    let sources = Sources {
        explicit: Some(fixture("house.toml")),
        as_root: true,
        ..Sources::default()
    };
    let config = config::load(&sources).unwrap().config;
    let options = Options {
        path: folder.path().join("nightjar.db"),
        durability: Durability::Scratch,
        cache_kib: 8_192,
        clock: clock.clone(),
        projections: read_model::ALL,
        reactions: Reactions::all(config.reactions()),
        tick_every: None,
        sabotage: Sabotage::NONE,
    };
    let path = options.path.clone();
    let started =
        writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {}).unwrap();
    let core = started.writer;
    let thread = std::thread::Builder::new()
        .name("writer".into())
        .spawn(move || core.run())
        .unwrap();
    let mut reader = Database::open_reader(&path).unwrap();
    let pins = PinDesk::new(config.alarm.pin(), &mut reader.snapshot().unwrap()).unwrap();
    let direct = Direct {
        writer: started.handle,
        rules: Arc::new(
            Rules::new("vigilar".parse().unwrap(), Vec::new())
                .with_threats(config.wildlife.threats()),
        ),
        pins: Arc::new(pins),
        clock: clock.clone(),
    };
    let known = config
        .registry()
        .news(&mut reader.snapshot().unwrap(), clock.now())
        .unwrap();
    direct.writer.store(known).unwrap();
    let pass = |nanos: i64| {
        let until = clock.now() + nanos;
        // Nothing in the long pauses is told in seconds.
        let step = if nanos > HOUR_NS {
            MINUTE_NS
        } else {
            5 * SECOND_NS
        };
        while clock.now() < until {
            clock.set(until.min(clock.now() + step));
            direct.writer.tick().unwrap();
        }
    };
    for message in messages(&fixture(&format!("{story}.jsonl"))).unwrap() {
        let message = message.unwrap();
        pass(message.after.as_millis() as i64 * MILLISECOND_NS);
        direct.submit(message).unwrap();
        direct.writer.barrier().unwrap();
    }
    pass(after_minutes * MINUTE_NS);
    drop((direct, reader));
    thread.join().unwrap().unwrap();
    (folder, clock)
}

/// What a verb prints, asked when the story is over.
fn verb(folder: &Path, now: &Clock, line: &str) -> String {
    let config = fixture("house.toml");
    let words = [
        "nightjar".to_owned(),
        "--dir".into(),
        folder.display().to_string(),
        "--config".into(),
        config.display().to_string(),
    ];
    let cli = Cli::try_parse_from(words.into_iter().chain(shell_words(line))).unwrap();
    let (mut out, mut messages) = (Vec::new(), Vec::new());
    let mut context = Context {
        global: &cli.global,
        folder: folder.to_owned(),
        clock: now.clone(),
        zone: TimeZone::posix(ZONE).unwrap(),
        input: &mut std::io::empty(),
        out: &mut out,
        messages: &mut messages,
        screen: Screen::default(),
        shutdown: Shutdown::new(),
    };
    let outcome = cli::dispatch(&cli.verb, &mut context);
    assert!(outcome.is_ok(), "{line}: {outcome:?}");
    let said = String::from_utf8(out).unwrap();
    // No table pads the end of a line in a way that anybody sees.
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    format!("$ nightjar {line}\n{}\n", lines.join("\n"))
}

/// Words, with double quotes around those that hold blanks.
fn shell_words(line: &str) -> Vec<String> {
    line.split('"')
        .enumerate()
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

fn after(story: &str, begins: &str, after_minutes: i64, verbs: &[&str]) -> String {
    let (folder, now) = tell(story, begins, after_minutes);
    let said: Vec<String> = verbs
        .iter()
        .map(|line| verb(folder.path(), &now, line))
        .collect();
    // It fails when a table would come out otherwise.
    verb(folder.path(), &now, "rebuild --check");
    said.join("\n")
}

#[test]
fn a_burglary_while_everybody_is_away() {
    let said = after(
        "burglary",
        "2026-11-20T16:30:00Z",
        5,
        &[
            "events list --limit 60",
            "alarm history",
            "alarm requests",
            "alerts list",
            "rules list",
            "presence --history",
            "state --at \"2026-11-20 18:21\"",
        ],
    );
    insta::assert_snapshot!("burglary", said);
}

#[test]
fn the_dog_escapes() {
    let said = after(
        "escape",
        "2026-11-21T09:00:00Z",
        30,
        &[
            "pets list",
            "pets sightings",
            "pets encounters",
            "pets rules list",
            "events list",
            "alerts list",
        ],
    );
    insta::assert_snapshot!("escape", said);
}

#[test]
fn a_parcel_is_taken_after_sunset() {
    let said = after(
        "parcel",
        "2026-11-20T14:00:00Z",
        10,
        &["packages list", "events list", "alerts list"],
    );
    insta::assert_snapshot!("parcel", said);
}

#[test]
fn the_power_fails() {
    let said = after(
        "power",
        "2026-11-22T01:00:00Z",
        5,
        &["ups", "events list", "alerts list", "sensors show freezer"],
    );
    insta::assert_snapshot!("power", said);
}

#[test]
fn a_week_of_wildlife() {
    let said = after(
        "wildlife",
        "2026-11-16T00:00:00Z",
        60,
        &[
            "wildlife species",
            "wildlife encounters --limit 20",
            "wildlife stats",
            "alerts list",
        ],
    );
    insta::assert_snapshot!("wildlife", said);
}
