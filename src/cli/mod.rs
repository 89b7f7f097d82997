//! The command line: one file per verb, each with its `Args` and its `run`.
//!
//! Data goes to stdout, messages to stderr; `--json` everywhere. Verbs write through the writers in
//! [`Context`], so that tests read what people would see; a reader that goes away (EPIPE) is a
//! quiet end. Verbs that read open connections of their own and never wait for the daemon.

pub mod exit;
pub mod folder;
pub mod grid;
pub mod suggestion;
pub mod table;
pub mod term;
pub mod when;

mod channels;
mod setup;

pub mod aggregates;
pub mod alarm;
pub mod alerts;
pub mod cameras;
pub mod check;
pub mod completions;
pub mod config;
pub mod dead_letters;
mod decide;
pub mod entity;
pub mod errors;
pub mod events;
pub mod faces;
pub mod graph;
pub mod health;
pub mod init;
pub mod ips;
pub mod models;
mod opening;
pub mod packages;
mod paging;
mod parts;
pub mod patterns;
pub mod performance;
pub mod pets;
pub mod presence;
pub mod publish;
pub mod query;
pub mod rebuild;
pub mod recordings;
pub mod replay;
pub mod report;
pub mod retention;
pub mod rules;
pub mod run;
pub mod search;
pub mod security;
pub mod sensors;
pub mod sql;
pub mod state;
pub mod stats;
pub mod status;
mod stream;
pub mod tail;
pub mod timelapse;
pub mod traces;
pub mod up;
pub mod ups;
pub mod vault;
pub mod wildlife;

use std::io::{IsTerminal as _, Read, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use jiff::tz::TimeZone;

use crate::base::clock::{Clock, UnixNanos};
use crate::base::shutdown::Shutdown;
use exit::{CliError, Exit};
use term::{ColorChoice, Screen};

const EXAMPLES: &str = "\
Examples:
  nightjar up                              see it work, without any set-up
  nightjar status                          is all well?
  nightjar search failed password          lines and moments with these words
  nightjar patterns --new                  kinds of log lines that never came before
  nightjar tail -f                         watch the house live
  nightjar query events --since today      what happened today
  nightjar events list --unacknowledged    what nobody has looked at yet
  nightjar sensors                         which sensors there are, and which are silent
  nightjar state --at \"2026-11-20 03:12\"   the house as it was then
  nightjar query                           everything that can be queried
  nightjar sql \"SELECT * FROM pets\"        any question, read-only
  nightjar check                           is the database whole?
  nightjar rebuild --check                 would a rebuild give the same tables?
  nightjar dead-letters list               what could not be understood
  nightjar init --dir /var/lib/nightjar    make a data folder with key and configuration
  nightjar run --dir /var/lib/nightjar     the daemon
  nightjar replay night.jsonl              feed a fixture stream
  nightjar publish TOPIC PAYLOAD           one message
  nightjar recordings list                 what was recorded, and whether it is sealed
  nightjar arm away                        watch the house; `nightjar disarm` ends it
  nightjar alarm                           what it does, and what it did
  nightjar retention show                  how long the tables keep their rows
  nightjar presence                        who is at home
  nightjar faces list                      who was seen
  nightjar packages list --open            what lies before the door
  nightjar alerts list                     who was told of what
  nightjar alerts stats --by rule          which alerts are right how often
  nightjar alerts test --recipient ada     can ada be reached?
  nightjar rules list                      what the house does by itself
  nightjar vault unseal clip.vge           open a recording
  nightjar pets list                       where the pets are
  nightjar cameras                         which cameras there are, and which are silent
  nightjar ups                             the power, now and lately
  nightjar timelapse list                  when films of a day are made
  nightjar wildlife species                which wild animals ever came
  nightjar health                          one figure for the box, and why
  nightjar security                        who tries to get in
  nightjar performance                     what is used up
  nightjar errors --since 7d               what fails, and what comes again and again
  nightjar aggregates daily --local        day by day; `compare` proves the sums
  nightjar report --since 7d               all that is known of a week
  nightjar ips show 203.0.113.9            what one address did
  nightjar entity 203.0.113.9              who that is, what happened, who is related
  nightjar graph path mara 203.0.113.9     what connects the two
  nightjar traces list                     what was found out about notable lines
  nightjar models list                     what the models of usual behaviour have learned
  nightjar stats                           what fills the database, how long the disk lasts
  nightjar cleanup --dry-run               what would go for its age
  nightjar config show --origin            what is set, and where
  nightjar completions bash                for the shell";

const GLOBAL: &str = "Options of every command";

/// A home-security event log beside an MQTT broker
#[derive(Debug, Parser)]
#[command(name = "nightjar", version, before_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of every verb.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Global {
    /// Data folder [default: ./nightjar-data if it exists, else the configured one]
    #[arg(long, value_name = "DIR", global = true, help_heading = GLOBAL)]
    pub dir: Option<PathBuf>,
    /// Configuration file, on top of /etc/nightjar
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL)]
    pub config: Option<PathBuf>,
    /// Colours on stdout: auto (on a terminal, unless `NO_COLOR` is set), always, never
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto", hide_default_value = true, hide_possible_values = true, global = true, help_heading = GLOBAL)]
    pub color: ColorChoice,
    /// Say more on stderr; up to three times
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = GLOBAL)]
    pub verbose: u8,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// See it work: a night on the box with a broker of its own
    Up(up::Args),
    /// The daemon
    Run(run::Args),
    /// Make a data folder with key and configuration
    Init(init::Args),
    /// Is all well?
    Status(status::Args),
    /// The house as it is, or as it was at any instant
    State(state::Args),
    /// Show the event log, as it grows
    Tail(tail::Args),
    /// Find log lines and moments by their words
    Search(search::Args),
    /// What log lines have in common, and which kinds of lines are new
    Patterns(patterns::Args),
    /// Ask the tables: events, sensors, recordings …
    Query(query::Args),
    /// Ask any question in SQL, read-only
    Sql(sql::Args),
    /// Fold every table again from the event log, or prove that it would be the same
    Rebuild(rebuild::Args),
    /// Check the database and the recordings folder
    Check(check::Args),
    /// What could not be decoded or folded
    DeadLetters(dead_letters::Args),
    /// Replay a fixture stream, through the broker or straight into the log
    Replay(replay::Args),
    /// Publish one message
    Publish(publish::Args),
    /// List, show, play, keep and delete recordings
    Recordings(recordings::Args),
    /// Who was told of what, what they say of it, and whether they can be reached
    Alerts(alerts::Args),
    /// What the house does when several things hold, and why or why not
    Rules(rules::Args),
    /// Arm the alarm
    Arm(alarm::ArmArgs),
    /// Disarm the alarm
    Disarm(alarm::DisarmArgs),
    /// What the alarm does, and what it did
    Alarm(alarm::Args),
    /// Moments at the house: list, acknowledge, and by which rules they are made
    Events(events::Args),
    /// Cameras, and whether they live
    Cameras(cameras::Args),
    /// Sensors, what they say, and whether they live
    Sensors(sensors::Args),
    /// The power: now, and what became of it
    Ups(ups::Args),
    /// When time-lapse films are made
    Timelapse(timelapse::Args),
    /// How long the tables keep their rows, and what would go
    Retention(retention::Args),
    /// Delete now what is due; the same as `retention run`
    Cleanup(retention::Cleanup),
    /// One figure for the box, its parts, and where it goes
    Health(health::Args),
    /// Who tries to get in: brute force, bans, threats, names
    Security(security::Args),
    /// What is used up: processor, memory, disk, network, connections
    Performance(performance::Args),
    /// What fails: types, spikes, recurring errors, sources
    Errors(errors::Args),
    /// What is known of addresses; trust and block them
    Ips(ips::Args),
    /// A user, an address, a host, …: what happened to it, and what it is related to
    Entity(entity::Args),
    /// What connects users, addresses, hosts, …: neighbours, paths, drawings
    Graph(graph::Args),
    /// What was found out about notable lines and samples, and patterns over many
    Traces(traces::Args),
    /// What the models of usual behaviour have learned; begin one anew
    Models(models::Args),
    /// Hours and days, and whether they are what the lines and samples say
    Aggregates(aggregates::Args),
    /// Health, security, performance, errors and traces in one text
    Report(report::Args),
    /// What fills the database, how fast it grows, how long the disk lasts
    Stats(stats::Args),
    /// Who was seen, who it is, and forgetting a person for good
    Faces(faces::Args),
    /// Parcels: what lies before the door
    Packages(packages::Args),
    /// Who is at home
    Presence(presence::Args),
    /// Keys, and single files sealed and unsealed by hand
    Vault(vault::Args),
    /// The pets of the house: where they were seen, what should be told about them
    Pets(pets::Args),
    /// Wild animals: who came, how often, and when
    Wildlife(wildlife::Args),
    /// What is configured, and where it comes from
    Config(config::Args),
    /// Print what a shell needs to complete the command line
    Completions(completions::Args),
}

/// What a verb works with: all that it would otherwise fetch from the process.
pub struct Context<'a> {
    /// The options of every verb.
    pub global: &'a Global,
    /// The data folder.
    pub folder: PathBuf,
    /// The time.
    pub clock: Clock,
    /// The house's time zone.
    pub zone: TimeZone,
    /// stdin.
    pub input: &'a mut dyn Read,
    /// stdout: data.
    pub out: &'a mut dyn Write,
    /// stderr: messages.
    pub messages: &'a mut dyn Write,
    /// What is known of the terminal.
    pub screen: Screen,
    /// Ends a verb that would go on for ever.
    pub shutdown: Shutdown,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("folder", &self.folder)
            .field("screen", &self.screen)
            .finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// A message for people on stderr.
    pub fn note(&mut self, message: &str) {
        // With stderr gone there is nobody left to tell, and the data still goes out.
        let _ = writeln!(self.messages, "nightjar: {}", term::visible(message));
    }

    /// Keeps keys and PINs that come into this process's memory out of core dumps.
    fn forbid_core_dumps(&mut self) {
        if let Err(error) = crate::vault::key::forbid_core_dumps() {
            self.note(&format!("core dumps cannot be switched off: {error}"));
        }
    }

    /// The moment that an option like `--since` means.
    pub fn moment(&self, option: &str, text: &str) -> Result<UnixNanos, CliError> {
        when::parse(text, self.clock.now(), &self.zone)
            .map_err(|error| CliError::new(Exit::Usage, format!("{option}: {error}")))
    }
}

/// Messages of the program's parts on stderr: warnings, and with `-v` more.
fn start_tracing(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        2 => tracing::Level::DEBUG,
        3.. => tracing::Level::TRACE,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .finish();
    // Refused when there is one already, which is what is wanted then.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Runs the verb with the process' own streams, clock and terminal.
pub fn run(cli: &Cli) -> Result<(), CliError> {
    start_tracing(cli.global.verbose);
    let stdout = std::io::stdout();
    let is_terminal = stdout.is_terminal();
    let no_color = std::env::var("NO_COLOR").ok();
    let mut out = std::io::BufWriter::new(stdout.lock());
    let configured = setup::configured_folder(&cli.global)?;
    let named = match (&cli.global.dir, &cli.global.config) {
        (None, Some(_)) => configured.clone(),
        (dir, _) => dir.clone(),
    };
    let places = folder::Places::of_process(named, configured);
    let mut context = Context {
        global: &cli.global,
        folder: folder::data_folder(&places),
        clock: Clock::System,
        zone: TimeZone::system(),
        input: &mut std::io::stdin().lock(),
        out: &mut out,
        messages: &mut std::io::stderr(),
        screen: Screen {
            color: term::wants_color(cli.global.color, is_terminal, no_color.as_deref()),
            width: comfy_table::Table::new().width().filter(|_| is_terminal),
            live: std::io::stderr().is_terminal(),
        },
        shutdown: Shutdown::new(),
    };
    let outcome = dispatch(&cli.verb, &mut context);
    // What was written before an error belongs to the reader, error or not.
    let flushed = out.flush().map_err(CliError::from);
    outcome.and(flushed)
}

/// Runs a verb with what the context has, and nothing of the process' own.
pub fn dispatch(verb: &Verb, context: &mut Context<'_>) -> Result<(), CliError> {
    match verb {
        Verb::Status(args) => status::run(args, context),
        Verb::State(args) => state::run(args, context),
        Verb::Tail(args) => tail::run(args, context),
        Verb::Search(args) => search::run(args, context),
        Verb::Patterns(args) => patterns::run(args, context),
        Verb::Query(args) => query::run(args, context),
        Verb::Sql(args) => sql::run(args, context),
        Verb::Rebuild(args) => rebuild::run(args, context),
        Verb::Check(args) => check::run(args, context),
        Verb::DeadLetters(args) => dead_letters::run(args, context),
        Verb::Up(args) => up::run(args, context),
        Verb::Run(args) => run::run(args, context),
        Verb::Init(args) => init::run(args, context),
        Verb::Replay(args) => replay::run(args, context),
        Verb::Publish(args) => publish::run(args, context),
        Verb::Recordings(args) => recordings::run(args, context),
        Verb::Alerts(args) => alerts::run(args, context),
        Verb::Rules(args) => rules::run(args, context),
        Verb::Arm(args) => alarm::arm(args, context),
        Verb::Disarm(args) => alarm::disarm(args, context),
        Verb::Alarm(args) => alarm::run(args, context),
        Verb::Events(args) => events::run(args, context),
        Verb::Cameras(args) => cameras::run(args, context),
        Verb::Sensors(args) => sensors::run(args, context),
        Verb::Ups(args) => ups::run(args, context),
        Verb::Timelapse(args) => timelapse::run(args, context),
        Verb::Retention(args) => retention::run(args, context),
        Verb::Cleanup(args) => retention::cleanup(args, context),
        Verb::Health(args) => health::run(args, context),
        Verb::Security(args) => security::run(args, context),
        Verb::Performance(args) => performance::run(args, context),
        Verb::Errors(args) => errors::run(args, context),
        Verb::Ips(args) => ips::run(args, context),
        Verb::Entity(args) => entity::run(args, context),
        Verb::Graph(args) => graph::run(args, context),
        Verb::Traces(args) => traces::run(args, context),
        Verb::Models(args) => models::run(args, context),
        Verb::Aggregates(args) => aggregates::run(args, context),
        Verb::Report(args) => report::run(args, context),
        Verb::Stats(args) => stats::run(args, context),
        Verb::Faces(args) => faces::run(args, context),
        Verb::Packages(args) => packages::run(args, context),
        Verb::Presence(args) => presence::run(args, context),
        Verb::Vault(args) => vault::run(args, context),
        Verb::Pets(args) => pets::run(args, context),
        Verb::Wildlife(args) => wildlife::run(args, context),
        Verb::Config(args) => config::run(args, context),
        Verb::Completions(args) => completions::run(args, context),
    }
}

#[cfg(test)]
mod tests;
