//! From configuration to plan: what `up`, `run`, `init`, `replay` and `publish` have in common.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exit::{CliError, Exit};
use super::{Context, Global, channels, folder};
use crate::app::{DetectionSettings, Plan, StartError, Status, machine, outbound};
use crate::base::clock::MILLISECOND_NS;
use crate::base::{fsutil, ids};
use crate::config::{self, Config, ConfigError, Loaded, Origin, Override, Sources};
use crate::decode::Rules;
use crate::decode::topic::{Family, Topic, TopicFilter, check_disjoint};
use crate::ingest::control::{self, Ask};
use crate::ingest::mqtt::{Broker, announce};
use crate::ingest::recordings;
use crate::ingest::recordings::retention::plan::{DiskLimits, Policies, Policy};
use crate::ingest::recordings::retention::{Meter, Settings};
use crate::ingest::tables;
use crate::storage::sqlite::Durability;
use crate::vault::admission::AdmissionOptions;
use crate::vault::key::{self, KeyEnvironment, KeyError, KeyOptions};
use crate::vault::seal::SealOptions;
use crate::writer::sabotage::Sabotage;

/// The configuration inside a data folder of its own.
pub(super) const FOLDER_CONFIG: &str = "nightjar.toml";
/// The key inside a data folder of its own.
const FOLDER_KEY: &str = "storage.key";

/// Loads the configuration as the global flags say: `--config`, else the one that `init` put into
/// the data folder, both on top of the system's.
pub(super) fn load(context: &Context<'_>) -> Result<Loaded, CliError> {
    let own = context.folder.join(FOLDER_CONFIG);
    let explicit = context
        .global
        .config
        .clone()
        .or_else(|| own.exists().then_some(own));
    load_with(explicit.as_deref(), context.global.dir.as_deref())
}

/// The data folder that the configuration names, if it names one.
pub(super) fn configured_folder(global: &Global) -> Result<Option<PathBuf>, CliError> {
    // A broken configuration of the system must not keep anybody from reading.
    match load_with(global.config.as_deref(), None) {
        Ok(loaded) if *loaded.origin("storage.data_dir") == Origin::Default => Ok(None),
        Ok(loaded) => Ok(Some(loaded.config.storage.data_dir)),
        Err(error) if global.config.is_some() => Err(error),
        Err(_) => Ok(None),
    }
}

/// Loads the configuration of a data folder.
pub(super) fn load_folder(folder: &Path, context: &mut Context<'_>) -> Result<Config, CliError> {
    let own = folder.join(FOLDER_CONFIG);
    let explicit = context.global.config.clone().unwrap_or(own);
    let loaded = load_with(Some(&explicit), Some(folder))?;
    warn(context, &loaded);
    Ok(loaded.config)
}

/// Says what is odd in a configuration.
pub(super) fn warn(context: &mut Context<'_>, loaded: &Loaded) {
    for warning in &loaded.warnings {
        context.note(warning);
    }
}

fn load_with(explicit: Option<&Path>, data_dir: Option<&Path>) -> Result<Loaded, CliError> {
    let overrides = data_dir
        .map(|dir| Override {
            key: "storage.data_dir".into(),
            value: std::path::absolute(dir)
                .unwrap_or_else(|_| dir.to_owned())
                .display()
                .to_string(),
            flag: "--dir".into(),
        })
        .into_iter()
        .collect();
    let sources = Sources {
        system_dir: Some(config::SYSTEM_DIR.into()),
        explicit: explicit.map(Path::to_owned),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        overrides,
        as_root: rustix::process::geteuid().is_root(),
    };
    config::load(&sources).map_err(config_error)
}

pub(super) fn config_error(error: ConfigError) -> CliError {
    CliError::new(Exit::Config, error.to_string())
}

/// Makes what is missing of a data folder: the folder (0700), the recordings folder, a key, a
/// configuration. What is there stays as it is. The recovery sheet of a new key is shown once.
pub(super) fn initialise(folder: &Path, context: &mut Context<'_>) -> Result<(), CliError> {
    let cannot = |what: &Path, error: &dyn std::fmt::Display| {
        CliError::new(
            Exit::CannotCreate,
            format!("cannot make {}: {error}", what.display()),
        )
    };
    let recordings = folder.join(folder::RECORDINGS_FOLDER);
    make_folder(folder).map_err(|error| cannot(folder, &error))?;
    make_folder(&recordings).map_err(|error| cannot(&recordings, &error))?;
    let key = folder.join(FOLDER_KEY);
    match key::keygen(&key, ids::random()) {
        Ok(sheet) => {
            context.note(&format!("made the key {}", key.display()));
            show_sheet(context, sheet.reveal())?;
        }
        Err(KeyError::AlreadyThere { .. }) => {}
        Err(error) => return Err(cannot(&key, &error)),
    }
    let config = folder.join(FOLDER_CONFIG);
    if !config.exists() {
        let text = config::init_toml(&config::InitOptions {
            site: "home",
            host: "localhost",
            port: 1883,
            recordings: folder::RECORDINGS_FOLDER,
            key_file: FOLDER_KEY,
        });
        fsutil::write_atomic(&config, text.as_bytes(), 0o600)
            .map_err(|error| cannot(&config, &error))?;
        context.note(&format!("made the configuration {}", config.display()));
    }
    Ok(())
}

/// Shows a recovery sheet on stderr, so that it does not end in a pipe or a file by accident.
pub(super) fn show_sheet(context: &mut Context<'_>, sheet: &str) -> Result<(), CliError> {
    writeln!(
        context.messages,
        "\nRecovery sheet, shown this once. Write it down and keep it away from this box: it is the\n\
         key, and without the key no recording can be opened.\n\n    {sheet}\n"
    )?;
    Ok(())
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// What the daemon is to do after this configuration, in this data folder.
pub(super) fn plan(config: &Config, folder: &Path) -> Result<Plan, CliError> {
    Ok(Plan {
        folder: folder.to_owned(),
        site: config.site.name.clone(),
        broker: broker(config),
        own_broker: None,
        filters: filters(config)?,
        rules: rules(config)?,
        durability: storage(config).0,
        cache_kib: storage(config).1,
        pin: config.alarm.pin(),
        reactions: config.reactions(),
        registry: config.registry(),
        recordings: recordings(config, folder)?,
        tables: tables(config),
        machine: machine(config, folder),
        detection: detection(config),
        outbound: outbound(config),
        sabotage: sabotage()?,
    })
}

/// What is seen on this machine after this configuration.
fn machine(config: &Config, folder: &Path) -> machine::Settings {
    machine::Settings {
        name: config.host.name(),
        interval: config.host.enabled.then(|| config.host.interval.to_std()),
        files: config.log_files(),
        journal: config.journal(folder.join(folder::DATABASE_FILE)),
        places: config.health.place_databases.clone(),
    }
}

/// How what is odd is found after this configuration; none if it is not.
fn detection(config: &Config) -> Option<DetectionSettings> {
    let settings = &config.detection;
    let lines = config
        .tables
        .iter()
        .find(|(table, _)| *table == "log_lines");
    settings.enabled.then(|| DetectionSettings {
        sensitivity: settings.sensitivity.into(),
        save_every: Duration::from_secs(settings.model_save_interval_seconds),
        lines_kept: lines.and_then(|(_, limits)| Some(limits.max_age.0?.to_std())),
    })
}

/// How long the tables keep their rows after this configuration.
pub(super) fn tables(config: &Config) -> tables::Policies {
    let limits = config.tables.iter().map(|(name, limits)| {
        let age_ns = |age: config::units::Duration| {
            i64::try_from(age.as_millis()).map_or(i64::MAX, |ms| ms.saturating_mul(MILLISECOND_NS))
        };
        let limits = tables::Limits {
            max_age_ns: limits.max_age.0.map(age_ns),
            max_rows: limits.max_rows.map(|rows| rows as i64),
        };
        (name.to_owned(), limits)
    });
    limits.collect()
}

/// What leaves the box after this configuration.
fn outbound(config: &Config) -> outbound::Settings {
    outbound::Settings {
        base: own_topics(config),
        events: config.mqtt.publish_events,
        compat: config.mqtt.compat,
        directory: channels::directory(&config.alerts),
    }
}

/// What our own topics lie below, such as `nightjar/home`.
pub(super) fn own_topics(config: &Config) -> String {
    format!("{}/{}", config.mqtt.publish_prefix, config.site.name)
}

/// How hard a commit is, and the writer's page cache in KiB.
pub(super) fn storage(config: &Config) -> (Durability, i64) {
    let durability = match config.storage.durability {
        config::Durability::Full => Durability::Full,
        config::Durability::Normal => Durability::Normal,
    };
    (durability, (config.storage.cache.bytes() / 1024) as i64)
}

/// Makes the data folder if it is missing.
pub(super) fn make_data_folder(folder: &Path) -> Result<(), CliError> {
    make_folder(folder).map_err(|error| {
        CliError::new(
            Exit::CannotCreate,
            format!("cannot make {}: {error}", folder.display()),
        )
    })
}

/// The broker of the daemon that runs on the data folder, such as the small one of `up`.
pub(super) fn running_broker(context: &Context<'_>) -> Option<(String, u16)> {
    let status = control::ask(&context.folder, Ask::Status, &mut |_| Ok(())).ok()??;
    let status: Status = serde_json::from_value(status).ok()?;
    Some((status.broker_host, status.broker_port))
}

/// How topics and payloads are read after this configuration.
pub(super) fn rules(config: &Config) -> Result<Rules, CliError> {
    let prefix = topic(&config.mqtt.prefix)?;
    let mut own = vec![filter(&format!("{}/#", own_topics(config)))?];
    if config.mqtt.compat {
        for topic in announce::COMPAT_TOPICS {
            own.push(filter(topic)?);
        }
    }
    let face_cameras = config.faces.opted_in().cloned();
    Ok(Rules::new(prefix, own)
        .with_threats(config.wildlife.threats())
        .with_face_cameras(face_cameras)
        .with_time_zone(config.site.time_zone.rules().clone()))
}

/// The broker of this configuration.
pub(super) fn broker(config: &Config) -> Broker {
    let mqtt = &config.mqtt;
    let (host, port) = match &mqtt.socket {
        Some(socket) => (socket.display().to_string(), 0),
        None => (mqtt.host.clone(), mqtt.port),
    };
    let credentials = mqtt.username.as_ref().map(|user| {
        let password = mqtt
            .password
            .as_ref()
            .map_or("", |password| password.expose());
        (user.clone(), password.to_owned())
    });
    Broker {
        host,
        port,
        credentials,
        keep_alive: mqtt.keep_alive.to_std(),
        max_packet_bytes: mqtt.max_packet.bytes() as usize,
        hard_cap_bytes: mqtt.receive_hard_cap.bytes() as usize,
    }
}

fn filters(config: &Config) -> Result<Vec<(Family, Vec<String>)>, CliError> {
    let prefix = topic(&config.mqtt.prefix)?;
    let extra = |family| match family {
        Family::Sensor => &config.mqtt.filters.sensor,
        Family::Camera => &config.mqtt.filters.camera,
        Family::Pet => &config.mqtt.filters.pet,
        Family::Wildlife => &config.mqtt.filters.wildlife,
        Family::Log => &config.mqtt.filters.log,
        Family::House => &config.mqtt.filters.house,
    };
    let mut subscriptions = Vec::new();
    for &family in Family::ALL {
        let mut filters = family.filters(&prefix);
        for text in extra(family) {
            filters.push(filter(text)?);
        }
        subscriptions.push((family, filters));
    }
    check_disjoint(&subscriptions)
        .map_err(|error| CliError::new(Exit::Config, format!("mqtt.filters: {error}")))?;
    let texts = |filters: Vec<TopicFilter>| filters.iter().map(ToString::to_string).collect();
    Ok(subscriptions
        .into_iter()
        .map(|(family, filters)| (family, texts(filters)))
        .collect())
}

fn topic(text: &str) -> Result<Topic, CliError> {
    text.parse()
        .map_err(|error| CliError::new(Exit::Config, format!("mqtt.prefix: {error}")))
}

fn filter(text: &str) -> Result<TopicFilter, CliError> {
    text.parse()
        .map_err(|error| CliError::new(Exit::Config, format!("mqtt.filters: {error}")))
}

/// Where this configuration keeps its keys.
pub(super) fn key_options(config: &Config) -> KeyOptions {
    KeyOptions {
        key_file: config.vault.key_file.clone(),
        keyring: config.vault.keyring.clone(),
        ..KeyOptions::default()
    }
}

/// How recordings are watched after this configuration; none if they are not.
pub(super) fn recordings(
    config: &Config,
    folder: &Path,
) -> Result<Option<recordings::Options>, CliError> {
    if !config.recordings.enabled {
        return Ok(None);
    }
    let settings = config.recordings.clone();
    let watched = config.recordings_folder();
    make_folder(&watched).map_err(|error| {
        CliError::new(
            Exit::CannotCreate,
            format!("cannot make {}: {error}", watched.display()),
        )
    })?;
    Ok(Some(recordings::Options {
        folder: watched,
        database: folder.join(folder::DATABASE_FILE),
        key: key_options(config),
        key_environment: KeyEnvironment::from_variables(|name| std::env::var_os(name)),
        admission: AdmissionOptions {
            reserve_bytes: settings.reserve.bytes(),
            size_cap_bytes: settings.max_file.bytes(),
        },
        scan_every: settings.scan_every.to_std(),
        extensions: settings.extensions.clone(),
        accepted_key: config.vault.accepted_key.clone(),
        seal: SealOptions {
            verify_after_write: config.vault.verify_after_write,
        },
        retention: retention(config),
        place: recordings::Place(Box::new(move |path| settings.matches(path))),
        ..recordings::Options::new(&config.recordings_folder(), folder)
    }))
}

/// Which recordings are deleted by themselves, after this configuration.
pub(super) fn retention(config: &Config) -> Settings {
    let age = |age: Option<config::units::Duration>| {
        age.map(|age| i64::try_from(age.to_std().as_nanos()).unwrap_or(i64::MAX))
    };
    let total = |size: Option<config::units::Size>| {
        size.map(|size| i64::try_from(size.bytes()).unwrap_or(i64::MAX))
    };
    let retention = &config.retention;
    let list = retention.policy.iter().map(|policy| Policy {
        camera: policy.camera.clone(),
        trigger: policy.trigger.map(|trigger| trigger.name().to_owned()),
        max_age_ns: age(policy.max_age),
        max_total_bytes: total(policy.max_total),
    });
    Settings {
        enabled: retention.enabled,
        every: retention.every.to_std(),
        policies: Policies {
            list: list.collect(),
            general: Policy {
                max_age_ns: age(retention.max_age),
                max_total_bytes: total(retention.max_total),
                ..Policy::default()
            },
        },
        limits: DiskLimits {
            warn_percent: retention.disk.warn_percent,
            critical_percent: retention.disk.critical_percent,
            target_percent: retention.disk.target_percent,
        },
        meter: Meter::System,
    }
}

#[cfg(feature = "sabotage")]
fn sabotage() -> Result<Sabotage, CliError> {
    match std::env::var("NIGHTJAR_SABOTAGE") {
        Err(_) => Ok(Sabotage::NONE),
        Ok(name) => Sabotage::from_name(&name).ok_or_else(|| {
            CliError::new(Exit::Usage, format!("NIGHTJAR_SABOTAGE: no mode {name}"))
        }),
    }
}

#[cfg(not(feature = "sabotage"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature as with the feature"
)]
fn sabotage() -> Result<Sabotage, CliError> {
    Ok(Sabotage::NONE)
}

/// `host:port`, with 1883 for a missing port.
pub(super) fn parse_broker(address: &str) -> Result<(String, u16), CliError> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host, port),
        _ => (address, "1883"),
    };
    match port.parse() {
        Ok(port) if port != 0 && !host.is_empty() => Ok((host.to_owned(), port)),
        _ => Err(CliError::new(
            Exit::Usage,
            format!("{address} is no broker address; give HOST:PORT, such as localhost:1883"),
        )),
    }
}

pub(super) fn start_error(error: StartError) -> CliError {
    match error {
        StartError::Lock(error) => error.into(),
        StartError::Writer(error) => error.into(),
        StartError::Broker(error) => CliError::new(Exit::Unavailable, error.to_string()),
        StartError::Control(error) => CliError::new(Exit::CannotCreate, error.to_string()),
        StartError::Thread(error) => CliError::new(Exit::Io, error.to_string()),
    }
}

/// A runtime for a verb that talks to the broker and is no daemon.
pub(super) fn edge() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::from)
}

/// A span of time as people say it: `0.4 s`, `12 s`, `3 min`.
pub(super) fn spoken(span: Duration) -> String {
    match span.as_secs() {
        0..10 => format!("{:.1} s", span.as_secs_f64()),
        10..120 => format!("{:.0} s", span.as_secs_f64()),
        seconds => format!("{} min", seconds / 60),
    }
}
