#![allow(clippy::unwrap_used)]
//! The configuration seen from outside: files in a folder, an environment, flags.

mod house;

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::schema::keys;
use super::units::{Duration, Size};
use super::*;

/// A folder as `/etc/nightjar` would be, and the rest of the sources.
struct House {
    folder: tempfile::TempDir,
    sources: Sources,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources {
            system_dir: Some(folder.path().to_owned()),
            as_root: true,
            ..Sources::default()
        };
        Self { folder, sources }
    }

    /// A house whose main file is `text`.
    fn with(text: &str) -> Self {
        let house = Self::new();
        house.file("nightjar.toml", text);
        house
    }

    #[expect(clippy::disallowed_methods, reason = "a torn test file hurts nobody")]
    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        self.chmod(name, 0o600);
        path
    }

    fn chmod(&self, name: &str, mode: u32) {
        let path = self.folder.path().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, flag: &str, key: &str, value: &str) -> Self {
        self.sources.overrides.push(Override {
            key: key.into(),
            value: value.into(),
            flag: flag.into(),
        });
        self
    }

    fn load(&self) -> Loaded {
        load(&self.sources).unwrap()
    }

    /// The messages, with the folder's name cut off.
    fn error(&self) -> String {
        let error = load(&self.sources).unwrap_err().to_string();
        error.replace(&format!("{}/", self.folder.path().display()), "")
    }

    /// Where `key` comes from, with the folder's name cut off.
    fn origin(&self, key: &str) -> String {
        let origin = self.load().origin(key).to_string();
        origin.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

fn refused(text: &str, message: &str) {
    assert_eq!(
        House::with(text).error(),
        format!("nightjar.toml:{message}"),
        "{text}"
    );
}

#[test]
fn without_any_source_the_defaults_hold() {
    let loaded = House::new().load();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.files, Vec::<PathBuf>::new());
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert!(
        loaded
            .origins
            .values()
            .all(|origin| *origin == Origin::Default)
    );
    let config = loaded.config;
    assert_eq!(config.mqtt.keep_alive.to_std().as_secs(), 30);
    assert_eq!(config.storage.cache.bytes(), 24 << 20);
    assert_eq!(
        config.recordings_folder(),
        Path::new("/var/lib/nightjar/recordings")
    );
}

#[test]
fn each_layer_goes_before_the_one_below() {
    let house = House::new();
    let host = |house: &House| (house.load().config.mqtt.host, house.origin("mqtt.host"));
    let is = |host: &str, origin: &str| (host.to_owned(), origin.to_owned());
    assert_eq!(host(&house), is("127.0.0.1", "default"));
    house.file(
        "nightjar.toml",
        "[mqtt]\nhost = 'main'\nport = 1\nkeep_alive = '9s'\n",
    );
    assert_eq!(host(&house), is("main", "nightjar.toml:2"));
    house.file("conf.d/20-b.toml", "\n\n[mqtt]\nhost = 'b'");
    house.file("conf.d/10-a.toml", "[mqtt]\nhost = 'a'\nport = 2");
    house.file("conf.d/.30-hidden.toml", "[mqtt]\nhost = 'hidden'");
    house.file("conf.d/40-old.toml.bak", "[mqtt]\nhost = 'old'");
    assert_eq!(host(&house), is("b", "conf.d/20-b.toml:4"));
    let mut house = house;
    house.sources.explicit = Some(house.file("mine.toml", "mqtt.host = 'explicit'"));
    assert_eq!(host(&house), is("explicit", "mine.toml:1"));
    let house = house.variable("NIGHTJAR__MQTT__HOST", "environment");
    assert_eq!(host(&house), is("environment", "NIGHTJAR__MQTT__HOST"));
    let house = house.flag("--host", "mqtt.host", "flag");
    assert_eq!(host(&house), is("flag", "--host"));
    // What the upper layers leave alone still shows through.
    let loaded = house.load();
    assert_eq!(loaded.config.mqtt.port, 2);
    assert_eq!(house.origin("mqtt.port"), "conf.d/10-a.toml:3");
    assert_eq!(loaded.config.mqtt.keep_alive, Duration::from_secs(9));
    let names = loaded
        .files
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap());
    let names: Vec<_> = names.collect();
    assert_eq!(
        names,
        ["nightjar.toml", "10-a.toml", "20-b.toml", "mine.toml"]
    );
}

#[test]
fn the_environment_sets_keys_of_every_type() {
    let config = House::new()
        .variable("NIGHTJAR__SITE__NAME", "1883")
        .variable("NIGHTJAR__STORAGE__DATA_DIR", "relative/data")
        .variable("NIGHTJAR__STORAGE__DURABILITY", "normal")
        .variable("NIGHTJAR__STORAGE__CACHE", "33554432")
        .variable("NIGHTJAR__MQTT__PORT", " 8883 ")
        .variable("NIGHTJAR__MQTT__USERNAME", "true")
        .variable("NIGHTJAR__MQTT__PASSWORD", "a,[b] = \"c\"")
        .variable("NIGHTJAR__MQTT__KEEP_ALIVE", "1m30s")
        .variable("NIGHTJAR__MQTT__MAX_PACKET", "1 MiB")
        .variable(
            "NIGHTJAR__MQTT__FILTERS__SENSOR",
            "zigbee2mqtt/+, tasmota/#",
        )
        .variable("NIGHTJAR__MQTT__FILTERS__LOG", r#"["a,b/#"]"#)
        .variable("NIGHTJAR__MQTT__FILTERS__PET", "")
        .variable("NIGHTJAR__RECORDINGS__ENABLED", "false")
        .variable("NIGHTJAR__RECORDINGS__TIME_ZONE", "UTC")
        .variable("NIGHTJAR__LOG__FORMAT", "json")
        .variable("NIGHTJAR_OTHER", "is none of our keys")
        .load()
        .config;
    let mut expected = Config::default();
    expected.site.name = "1883".into();
    expected.storage.data_dir = "relative/data".into();
    expected.storage.durability = Durability::Normal;
    expected.storage.cache = Size::mib(32);
    expected.mqtt.port = 8883;
    expected.mqtt.username = Some("true".into());
    expected.mqtt.password = Some(Secret::new("a,[b] = \"c\"".into()));
    expected.mqtt.keep_alive = Duration::from_secs(90);
    expected.mqtt.max_packet = Size::mib(1);
    expected.mqtt.filters.sensor = vec!["zigbee2mqtt/+".into(), "tasmota/#".into()];
    expected.mqtt.filters.log = vec!["a,b/#".into()];
    expected.recordings.enabled = false;
    expected.recordings.time_zone = "UTC".parse().unwrap();
    expected.log.format = LogFormat::Json;
    assert_eq!(config, expected);
}

#[test]
fn unknown_keys_say_what_was_probably_meant() {
    refused(
        "[mqtt]\nhots = 'x'",
        "2:1: unknown key `mqtt.hots`; did you mean `mqtt.host`?",
    );
    refused("[mqtt]\n  pfx = 'x'", "2:3: unknown key `mqtt.pfx`");
    refused(
        "[mqqt]\nhost = 'x'",
        "1:2: unknown section or key `mqqt`; did you mean `[mqtt]`?",
    );
    refused(
        "port = 1",
        "1:1: unknown section or key `port`; did you mean `mqtt.port`?",
    );
    refused(
        "[log]\nhost = 'x'",
        "2:1: unknown key `log.host`; did you mean `mqtt.host`?",
    );
    refused(
        "mqtt.filters.sensors = []",
        "1:14: unknown key `mqtt.filters.sensors`; did you mean `mqtt.filters.sensor`?",
    );
    refused("[web]", "1:2: unknown section or key `web`");
    refused("[mqtt.tls]\nca = 'x'", "1:7: unknown key `mqtt.tls`");
}

#[test]
fn unknown_variables_and_flags_say_what_was_probably_meant() {
    let house = House::new()
        .variable("NIGHTJAR__MQTT__HSOT", "x")
        .variable("NIGHTJAR__mqtt__port", "1")
        .variable("NIGHTJAR__TASTE_OF_TEA", "blue")
        .flag("--set", "mqtt.prot", "1");
    let expected = "\
NIGHTJAR__MQTT__HSOT: this environment variable sets no known key; did you mean `NIGHTJAR__MQTT__HOST`?
NIGHTJAR__mqtt__port: this environment variable sets no known key; did you mean `NIGHTJAR__MQTT__PORT`?
NIGHTJAR__TASTE_OF_TEA: this environment variable sets no known key
--set: unknown key `mqtt.prot`; did you mean `mqtt.port`?";
    assert_eq!(house.error(), expected);
}

#[test]
fn wrong_types_say_what_is_expected() {
    for (text, message) in [
        (
            "mqtt.port = '1883'",
            "1:13: `mqtt.port` must be a whole number from 1 to 65535, not the text \"1883\"",
        ),
        (
            "mqtt.port = 70000",
            "1:13: `mqtt.port` must be a whole number from 1 to 65535, not the number 70000",
        ),
        (
            "mqtt.port = 0",
            "1:13: `mqtt.port` must be a whole number from 1 to 65535, not the number 0",
        ),
        (
            "mqtt.host = 5",
            "1:13: `mqtt.host` must be text in quotes, not the number 5",
        ),
        (
            "[mqtt.host]",
            "1:1: `mqtt.host` must be text in quotes, not a section",
        ),
        (
            "mqtt = 5",
            "1:8: `mqtt` must be a section [mqtt], not the number 5",
        ),
        (
            "vault.key_file = 2026-11-20",
            "1:18: `vault.key_file` must be a path in quotes, not a date",
        ),
        (
            "recordings.enabled = 'yes'",
            "1:22: `recordings.enabled` must be true or false, not the text \"yes\"",
        ),
        (
            "recordings.extensions = 'mp4'",
            "1:25: `recordings.extensions` must be a list of texts, such as [\"a\", \"b\"], not \
             the text \"mp4\"",
        ),
        (
            "recordings.extensions = ['mp4', 4]",
            "1:25: `recordings.extensions` must be a list of texts, such as [\"a\", \"b\"], not a \
             list of other things",
        ),
        (
            "mqtt.keep_alive = 30",
            "1:19: `mqtt.keep_alive` must be a duration such as \"30s\", \"15m\" or \"1h30m\", not \
             the number 30",
        ),
        (
            "storage.cache = -1",
            "1:17: `storage.cache` must be a size such as \"64 MiB\" or \"10 GB\", or a number of \
             bytes, not the number -1",
        ),
        (
            "storage.durability = 'ful'",
            "1:22: `storage.durability` must be one of \"full\", \"normal\", not the text \
             \"ful\"; did you mean `full`?",
        ),
        (
            "log.level = true",
            "1:13: `log.level` must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\", \
             not true",
        ),
    ] {
        refused(text, message);
    }
}

#[test]
fn values_out_of_range_say_the_range() {
    for (text, message) in [
        (
            "site.name = 'Haus am See'",
            "1:13: `site.name` is \"Haus am See\", but must be 1 to 32 of a-z, 0-9 and `-`",
        ),
        (
            "storage.cache = '1 KiB'",
            "1:17: `storage.cache` is 1 KiB, but must be from 1 MiB to 16 GiB",
        ),
        (
            "storage.cache = '64 M'",
            "1:17: `storage.cache`: \"64 M\" has the unknown unit `M`; known are B, KiB, MiB, GiB, \
             TiB (1024) and kB, MB, GB, TB (1000)",
        ),
        (
            "mqtt.keep_alive = '1s'",
            "1:19: `mqtt.keep_alive` is 1s, but must be from 5s to 18h",
        ),
        (
            "mqtt.keep_alive = '5500ms'",
            "1:19: `mqtt.keep_alive` is 5s500ms, but MQTT counts it in whole seconds",
        ),
        (
            "mqtt.keep_alive = '30'",
            "1:19: `mqtt.keep_alive`: \"30\" has no unit; for seconds write \"30s\", for minutes \
             \"30m\"",
        ),
        (
            "mqtt.host = 'mqtt://mara:zaubernuss@broker'",
            "1:13: `mqtt.host` must be a host name or address alone, without `mqtt://` and without \
             a name",
        ),
        (
            "mqtt.host = 'broker:1883'",
            "1:13: `mqtt.host` is \"broker:1883\"; write the host \"broker\" here and the port \
             1883 as `mqtt.port`",
        ),
        (
            "mqtt.host = ''",
            "1:13: `mqtt.host` must be a host name or address alone, without `mqtt://` and without \
             a name",
        ),
        (
            "mqtt.prefix = 'a/#'",
            "1:15: `mqtt.prefix` is \"a/#\", but must be a topic without `+`, `#`, empty levels, \
             or `$` in front",
        ),
        (
            "recordings.scan_every = '2d'",
            "1:25: `recordings.scan_every` is 2d, but must be from 1s to 1d",
        ),
        (
            "recordings.extensions = ['.mp4']",
            "1:25: `recordings.extensions` has \".mp4\"; an extension is 1 to 16 of a-z and 0-9, \
             without the dot",
        ),
        (
            "recordings.extensions = ['vge']",
            "1:25: `recordings.extensions` has \"vge\", which the vault uses itself",
        ),
        (
            "recordings.path_pattern = '%Y-{cam}'",
            "1:27: `recordings.path_pattern`: unknown placeholder `{cam}`; known are {camera}, \
             {any}, %Y, %m, %d, %H, %M, %S, %s, %z and %%",
        ),
        (
            "recordings.folder = '~/clips'",
            "1:21: `recordings.folder` begins with `~`, which only a shell expands; write the \
             whole path",
        ),
        (
            "vault.key_file = ''",
            "1:18: `vault.key_file` must name a file or folder",
        ),
    ] {
        refused(text, message);
    }
    let ipv6 = House::with("mqtt.host = 'fd00::17'").load();
    assert_eq!(ipv6.config.mqtt.host, "fd00::17");
}

#[test]
fn settings_of_detection_are_refused_out_of_their_range() {
    for (text, message) in [
        (
            "detection.model_save_interval_seconds = 0",
            "1:41: `detection.model_save_interval_seconds` must be a whole number from 1 to 86400, \
             not the number 0",
        ),
        (
            "detection.model_save_interval_seconds = 86401",
            "1:41: `detection.model_save_interval_seconds` must be a whole number from 1 to 86400, \
             not the number 86401",
        ),
        (
            "detection.sensitivity = 'loud'",
            "1:25: `detection.sensitivity` must be one of \"low\", \"normal\", \"high\", not the text \"loud\"",
        ),
    ] {
        refused(text, message);
    }
    let least = House::with("detection.model_save_interval_seconds = 1").load();
    assert_eq!(least.config.detection.model_save_interval_seconds, 1);
}

#[test]
fn keys_that_contradict_each_other_are_told_at_the_place_of_one() {
    refused(
        "mqtt.max_packet = '128 MiB'",
        "1:6: `mqtt.max_packet` is 128 MiB, but `mqtt.receive_hard_cap` only 64 MiB; raise the cap",
    );
    refused(
        "[mqtt]\npublish_prefix = 'vigilar/nightjar'",
        "2:1: `mqtt.publish_prefix` is \"vigilar/nightjar\" and `mqtt.prefix` \"vigilar\"; one \
         must not lie below the other, or Nightjar would hear itself",
    );
    refused(
        "[mqtt]\npassword = 'hunter2'",
        "2:1: `mqtt.password` is set without `mqtt.username`; MQTT knows no password without a \
         name",
    );
    refused(
        "[recordings]\npath_pattern = '{camera}-%s.mp4'",
        "2:1: `recordings.path_pattern` ends in \".mp4\"; leave the extension out, it is cut off \
         before a path is compared",
    );
    // A conflict in a lower layer that an upper one solves is none.
    let house = House::with("mqtt.max_packet = '128 MiB'");
    house.file("conf.d/a.toml", "mqtt.receive_hard_cap = '256 MiB'");
    house.load();
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_line_and_column() {
    let house = House::with("# Grüße\n[mqtt]\nhots = 'x'\nport = 'y'\n[log]\nlevel = 'loud'\n");
    house.file("conf.d/a.toml", "site = { name = 'ß', nmae = 1 }");
    house.file("conf.d/b.toml", "[mqtt\nhost = 1");
    house.file("conf.d/c.toml", b"\xff");
    let house = house.variable("NIGHTJAR__MQTT__PORT", "many");
    let expected = "\
nightjar.toml:3:1: unknown key `mqtt.hots`; did you mean `mqtt.host`?
nightjar.toml:4:8: `mqtt.port` must be a whole number from 1 to 65535, not the text \"y\"
nightjar.toml:6:9: `log.level` must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\", not the text \"loud\"
conf.d/a.toml:1:17: `site.name` is \"ß\", but must be 1 to 32 of a-z, 0-9 and `-`
conf.d/a.toml:1:22: unknown key `site.nmae`; did you mean `site.name`?
conf.d/b.toml:1:6: this is not TOML: unclosed table, expected `]`
cannot read conf.d/c.toml: it is not UTF-8 text
NIGHTJAR__MQTT__PORT: `mqtt.port` must be a whole number from 1 to 65535, not the text \"many\"";
    assert_eq!(house.error(), expected);
}

#[test]
fn text_without_quotes_and_keys_twice_are_told_by_the_parser() {
    refused(
        "[mqtt]\nhost = broker.local\n",
        "2:8: this is not TOML: string values must be quoted, expected literal string",
    );
    refused(
        "[log]\nlevel = 'info'\nlevel = 'warn'",
        "3:1: this is not TOML: duplicate key",
    );
}

#[test]
fn a_dot_in_quotes_does_not_part_a_section_from_a_key() {
    refused(
        "\"mqtt.host\" = 'x'",
        "1:1: unknown section or key `\"mqtt.host\"`; did you mean `mqtt.host`?",
    );
    refused(
        "[mqtt]\n'filters.sensor' = []",
        "2:1: unknown key `mqtt.\"filters.sensor\"`; did you mean `mqtt.filters.sensor`?",
    );
}

#[test]
fn hostile_files_are_refused_in_few_and_harmless_words() {
    let long = format!("site.name = '{}'", "x".repeat(100_000));
    assert!(House::with(&long).error().len() < 500);
    let escape = House::with("\"\\u001b[2J\" = 1").error();
    assert_eq!(
        escape,
        "nightjar.toml:1:1: unknown section or key `\\u{1b}[2J`"
    );
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let deep = format!(
            "site.name = {}1{}",
            open.repeat(100_000),
            close.repeat(100_000)
        );
        let error = House::with(&deep).error();
        assert!(error.starts_with("nightjar.toml:1:"), "{error}");
        assert!(error.len() < 2_000, "{error}");
    }
    let huge = House::with("mqtt.password = 99999999999999999999").error();
    assert_eq!(
        huge,
        "nightjar.toml:1:17: `mqtt.password`: this number is too large"
    );
    assert!(
        House::with("mqtt.port = nan")
            .error()
            .ends_with("not the number NaN")
    );
}

#[test]
fn a_flood_of_problems_is_cut() {
    let mut text = String::from("[mqtt]\n");
    for number in 0..100 {
        let _ = writeln!(text, "nonsense{number} = 1");
    }
    let error = House::with(&text).error();
    assert_eq!(error.lines().count(), 26);
    assert!(error.ends_with("\n… and 75 more"), "{error}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let mut house = House::new();
    house.sources.explicit = Some(house.folder.path().join("gone.toml"));
    let gone = "cannot read gone.toml: No such file or directory (os error 2)";
    assert_eq!(house.error(), gone);
    let house = House::new();
    std::fs::create_dir(house.folder.path().join("nightjar.toml")).unwrap();
    assert_eq!(house.error(), "cannot read nightjar.toml: it is a folder");
    let house = House::with(&"#".repeat((1 << 20) + 1));
    assert_eq!(
        house.error(),
        "cannot read nightjar.toml: it is larger than 1048576 bytes"
    );
    let house = House::new();
    house.file("conf.d", "");
    assert_eq!(
        house.error(),
        "cannot read conf.d: Not a directory (os error 20)"
    );
}

#[test]
fn relative_paths_in_a_file_are_relative_to_its_folder() {
    let house = House::with("storage.data_dir = '.'\nvault.key_file = '/abs/key'");
    house.file("conf.d/a.toml", "recordings.folder = '../clips'");
    let config = house.load().config;
    assert_eq!(config.storage.data_dir, house.folder.path());
    assert_eq!(
        config.recordings_folder(),
        house.folder.path().join("conf.d/../clips")
    );
    assert_eq!(config.vault.key_file, Path::new("/abs/key"));
}

#[test]
fn data_lies_where_the_user_may_write() {
    let folder = |house: House| house.load().config.storage.data_dir;
    let mut other = House::new();
    other.sources.as_root = false;
    let no_home = "there is no HOME to keep data in; set `storage.data_dir`";
    assert_eq!(other.error(), no_home);
    let other = other.variable("HOME", "/home/mara");
    assert_eq!(other.origin("storage.data_dir"), "default");
    assert_eq!(
        other.load().config.storage.data_dir,
        Path::new("/home/mara/.local/share/nightjar")
    );
    let other = other.variable("XDG_DATA_HOME", "/data/mara");
    assert_eq!(folder(other), Path::new("/data/mara/nightjar"));
    let mut set = House::with("storage.data_dir = '/srv/nightjar'");
    set.sources.as_root = false;
    assert_eq!(folder(set), Path::new("/srv/nightjar"));
}

const USER: &str = "[mqtt]\nusername = 'nightjar'\n";

#[test]
fn a_password_comes_from_its_file_without_the_last_line_end() {
    for (content, password) in [
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        ("hunter2", "hunter2"),
        (" hunter2 \n\n", " hunter2 \n"),
    ] {
        let house = House::with(&format!("{USER}password_file = 'pw'"));
        house.file("pw", content);
        let loaded = house.load();
        assert_eq!(loaded.config.mqtt.password.unwrap().expose(), password);
        assert_eq!(loaded.warnings, Vec::<String>::new());
        assert_eq!(house.origin("mqtt.password"), "pw");
        assert_eq!(house.origin("mqtt.password_file"), "nightjar.toml:3");
    }
}

#[test]
fn a_password_file_that_is_no_good_is_told() {
    let house = House::with(&format!("{USER}password_file = 'pw'"));
    let missing = "nightjar.toml:3:1: `mqtt.password_file`: cannot read pw: No such file or \
                   directory (os error 2)";
    assert_eq!(house.error(), missing);
    house.file("pw", "\n");
    let empty = "pw: `mqtt.password` must have 1 to 65535 bytes; to do without, leave it out";
    assert_eq!(house.error(), empty);
    house.file("conf.d/a.toml", "mqtt.password = 'hunter2'");
    let both = "conf.d/a.toml:1:6: `mqtt.password` and `mqtt.password_file` (nightjar.toml:3) are \
                both set; leave one out";
    assert_eq!(house.error(), both);
}

#[test]
fn passwords_that_others_can_read_are_a_warning() {
    let warning = |house: &House, name: &str, mode: &str| {
        let path = house.folder.path().join(name);
        let path = path.display();
        vec![format!(
            "{path} holds the broker's password and is open to others (mode {mode}); chmod 600 {path}"
        )]
    };
    let house = House::with(&format!("{USER}password_file = 'pw'"));
    house.file("pw", "hunter2\n");
    house.chmod("pw", 0o640);
    assert_eq!(house.load().warnings, warning(&house, "pw", "0640"));
    let house = House::with(&format!("{USER}password = 'hunter2'"));
    assert_eq!(house.load().warnings, Vec::<String>::new());
    house.chmod("nightjar.toml", 0o644);
    assert_eq!(
        house.load().warnings,
        warning(&house, "nightjar.toml", "0644")
    );
}

#[test]
fn a_credential_of_systemd_goes_first() {
    let house = House::with(&format!("{USER}password_file = 'gone'"));
    house.file("credentials/mqtt.password", "from systemd\n");
    house.chmod("credentials/mqtt.password", 0o440);
    let folder = house.folder.path().join("credentials");
    let house = house.variable("CREDENTIALS_DIRECTORY", folder.to_str().unwrap());
    let loaded = house.load();
    assert_eq!(
        loaded.config.mqtt.password.unwrap().expose(),
        "from systemd"
    );
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(house.origin("mqtt.password"), "credentials/mqtt.password");
    // Other credentials of the service do not get in the way.
    std::fs::remove_file(folder.join("mqtt.password")).unwrap();
    house.file("gone", "from the file\n");
    assert_eq!(
        house.load().config.mqtt.password.unwrap().expose(),
        "from the file"
    );
}

#[test]
fn no_secret_is_ever_shown() {
    let secret = "zaubernuss";
    let text = format!("{USER}password = '{secret}'");
    let loaded = House::with(&text).load();
    assert_eq!(
        loaded.config.mqtt.password.as_ref().unwrap().expose(),
        secret
    );
    let mut shown = format!("{loaded:?}{loaded:#?}");
    shown += &render(&loaded, true);
    shown += &render(&loaded, false);
    shown += &serde_json::to_string(&loaded.config).unwrap();
    for broken in [
        format!("mqtt.password = ['{secret}']"),
        format!("mqtt.password = {{ {secret} = 1 }}"),
        format!("mqtt.password = '{secret}' x"),
        format!("mqtt.password = '{secret}"),
        format!("mqtt.password = '{secret}'"),
        format!("mqtt.password = '{}'", secret.repeat(10_000)),
        format!("mqtt.password = '{secret}'\nmqtt.password = '{secret}'"),
    ] {
        shown += &House::with(&broken).error();
    }
    assert!(!shown.contains(secret), "{shown}");
    let number = House::with("mqtt.password = 271828").error();
    let expected = "nightjar.toml:1:17: `mqtt.password` must be text in quotes, not a number";
    assert_eq!(number, expected);
}

#[test]
fn the_rendered_configuration_tells_origins_and_can_be_read_again() {
    let house = House::with("[mqtt]\nusername = 'nightjar'\npassword_file = 'pw'\n");
    house.file("pw", "hunter2\n");
    let house = house
        .variable("NIGHTJAR__MQTT__FILTERS__SENSOR", "zigbee2mqtt/+")
        .flag("--log-level", "log.level", "debug");
    let loaded = house.load();
    let folder = format!("{}/", house.folder.path().display());
    let shown = render(&loaded, true).replace(&folder, "");
    let section = |name: &str| {
        let all = format!("\n{shown}");
        let (_, from) = all.split_once(&format!("\n[{name}]\n")).unwrap();
        from.split("\n\n").next().unwrap().trim_end().to_owned()
    };
    let expected = "\
host = \"127.0.0.1\"  # default
port = 1883  # default
# socket is not set
username = \"nightjar\"  # nightjar.toml:2
# password is set and not shown  # pw
password_file = \"pw\"  # nightjar.toml:3
prefix = \"vigilar\"  # default
publish_prefix = \"nightjar\"  # default
keep_alive = \"30s\"  # default
max_packet = \"16 MiB\"  # default
receive_hard_cap = \"64 MiB\"  # default";
    assert!(section("mqtt").starts_with(expected), "{shown}");
    let sensor = "sensor = [\"zigbee2mqtt/+\"]  # NIGHTJAR__MQTT__FILTERS__SENSOR\ncamera = []";
    assert!(section("mqtt.filters").starts_with(sensor), "{shown}");
    let log = "level = \"debug\"  # --log-level\nformat = \"auto\"  # default";
    assert_eq!(section("log"), log);
    assert!(shown.contains("\nrule = []  # default\n"), "{shown}");
    // Every key stands there, with or without a value.
    for key in keys() {
        let lines = if key.section().is_empty() {
            shown.split("\n\n").next().unwrap().to_owned()
        } else {
            section(key.section())
        };
        let name = key.name();
        let told = lines.lines().any(|line| {
            line.starts_with(&format!("{name} = ")) || line.starts_with(&format!("# {name} is "))
        });
        assert!(told, "{} is not shown", key.path);
    }
    for with_origin in [true, false] {
        let again = House::with(&render(&loaded, with_origin)).load();
        assert_eq!(again.config, loaded.config);
    }
}

/// The lines of the reference file that begin with `mark` and a key, and the headers, as TOML.
fn reference_settings(mark: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut settings = Vec::new();
    for line in REFERENCE.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).into();
        } else if let Some(setting) = line.strip_prefix(mark)
            && let Some((name, _)) = setting.split_once(" = ")
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            settings.push(if section.is_empty() {
                (name.to_owned(), format!("{setting}\n"))
            } else {
                (
                    format!("{section}.{name}"),
                    format!("[{section}]\n{setting}\n"),
                )
            });
        }
    }
    settings
}

#[test]
fn the_reference_file_shows_the_defaults() {
    assert_eq!(House::with(REFERENCE).load().config, Config::default());
    let mut text = String::new();
    for line in REFERENCE.lines() {
        let setting = line.strip_prefix('#').filter(|line| !line.starts_with(' '));
        let _ = writeln!(text, "{}", setting.unwrap_or(line));
    }
    let loaded = House::with(&text).load();
    assert_eq!(loaded.config, Config::default());
    // Each default really stood there, and stood there once.
    for (key, origin) in &loaded.origins {
        assert!(
            matches!(origin, Origin::File { .. }),
            "{key} is not in the reference file"
        );
    }
    assert_eq!(reference_settings("#").len(), loaded.origins.len());
}

#[test]
fn every_key_of_the_schema_is_explained_in_the_reference_file() {
    let mut known: Vec<_> = keys().iter().map(|key| key.path.clone()).collect();
    let defaults = reference_settings("#");
    let examples = reference_settings("# ");
    let mut told: Vec<_> = defaults
        .iter()
        .chain(&examples)
        .map(|(key, _)| key.clone())
        .collect();
    known.sort();
    told.sort();
    assert_eq!(told, known);
    for (key, text) in examples {
        let config = Config::deserialize(toml::from_str::<toml::Table>(&text).unwrap()).unwrap();
        assert_ne!(config, Config::default(), "{key} has no effect");
        let single = load(&House::with(&text).sources).map_err(|e| e.to_string());
        let needs_more = [
            "mqtt.password",
            "mqtt.password_file",
            "alarm.pin_hash_file",
            "site.latitude",
            "site.longitude",
        ]
        .contains(&key.as_str());
        assert!(needs_more || single.is_ok(), "{single:?}");
    }
}

#[test]
fn the_schema_describes_every_key_and_knows_the_defaults() {
    let schema = schema();
    assert_eq!(schema["title"], "Nightjar configuration");
    assert_eq!(schema["additionalProperties"], false);
    assert!(keys().len() > 60, "{}", keys().len());
    for key in keys() {
        let place = key
            .path
            .split('.')
            .fold(&schema, |at, name| &at["properties"][name]);
        let described = place["description"]
            .as_str()
            .is_some_and(|text| text.len() > 10);
        assert!(described, "{} has no description", key.path);
    }
    let mqtt = &schema["properties"]["mqtt"]["properties"];
    assert_eq!(mqtt["port"]["minimum"], 1);
    assert_eq!(mqtt["port"]["maximum"], 65_535);
    assert_eq!(mqtt["port"]["default"], 1883);
    assert_eq!(mqtt["keep_alive"]["default"], "30s");
    assert_eq!(mqtt["password"]["writeOnly"], true);
    assert_eq!(mqtt["socket"]["type"], "string");
    assert!(!schema.to_string().contains("null"), "{schema}");
    let description = mqtt["keep_alive"]["description"].as_str().unwrap();
    assert!(
        description.ends_with("5s to 18h, whole seconds."),
        "{description}"
    );
}

#[test]
fn the_file_of_a_new_data_folder_loads_and_keeps_everything_inside() {
    let text = init_toml(&InitOptions {
        site: "lake-house",
        host: "127.0.0.1",
        port: 18_830,
        recordings: "recordings",
        key_file: "secrets/a \"b\".key",
    });
    let mut house = House::new();
    let path = house.file("data/nightjar.toml", &text);
    house.sources.system_dir = None;
    house.sources.as_root = false;
    house.sources.explicit = Some(path);
    let loaded = house.load();
    let data = house.folder.path().join("data");
    let config = loaded.config;
    assert_eq!(config.site.name, "lake-house");
    assert_eq!(config.mqtt.port, 18_830);
    assert_eq!(config.storage.data_dir, data);
    assert_eq!(config.recordings_folder(), data.join("recordings"));
    assert_eq!(config.vault.key_file, data.join("secrets/a \"b\".key"));
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn checks_made_elsewhere_can_point_at_the_line() {
    let house = House::with("[mqtt.filters]\nsensor = ['a/#']\n");
    let error = house
        .load()
        .refuse("mqtt.filters.sensor", "`a/#` overlaps with `a/b`");
    let path = house.folder.path().join("nightjar.toml");
    assert_eq!(
        error.to_string(),
        format!("{}:2:1: `a/#` overlaps with `a/b`", path.display())
    );
}

#[test]
fn recordings_are_recognised_by_extension_and_name() {
    let recordings = House::with("recordings.time_zone = 'UTC'")
        .load()
        .config
        .recordings;
    let name = "front/front-19700101-000001.MP4";
    assert!(recordings.has_extension(Path::new(name)));
    assert_eq!(
        recordings.matches(name),
        Some(("front".into(), 1_000_000_000))
    );
    assert!(!recordings.has_extension(Path::new("front.jpg")));
    assert_eq!(recordings.matches("front.mp4"), None);
}

#[test]
fn retention_is_refused_where_it_would_delete_by_mistake() {
    for (text, message) in [
        (
            "retention.max_age = '0s'",
            "1:21: `retention.max_age` is 0s, but must be from 1h to 36500d",
        ),
        (
            "retention.max_age = '-3d'",
            "1:21: `retention.max_age`: \"-3d\" is not a duration such as \"30s\", \"15m\" or \
             \"1h30m\"",
        ),
        (
            "retention.max_total = 0",
            "1:23: `retention.max_total` is 0 B, but must be from 1 MiB to 1048576 TiB",
        ),
        (
            "[[retention.policy]]\ncamera = 'yard'\nmax_age = '1m'",
            "1:1: `retention.policy` number 1: `max_age` is 1m, but must be from 1h to 36500d",
        ),
        (
            "[[retention.policy]]\nmax_age = '1d'",
            "1:1: `retention.policy` number 1 names neither camera nor trigger; for all \
             recordings set `retention.max_age` and `retention.max_total`",
        ),
        (
            "[retention.disk]\ntarget_percent = 95",
            "2:1: `retention.disk.target_percent` is 95, but must be less than \
             `retention.disk.critical_percent`, which is 95",
        ),
        (
            "retention.policy = ['yard']",
            "1:20: `retention.policy` must be a list of sections, such as [{ camera = \"yard\" }], \
             not a list",
        ),
    ] {
        refused(text, message);
    }
    let error = House::with("[[retention.policy]]\ncam = 'yard'").error();
    assert!(error.contains("unknown field `cam`"), "{error}");
}

#[test]
fn policies_are_read_in_their_order_and_written_again() {
    let text = "[retention]\nmax_age = '30d'\n\
                [[retention.policy]]\ncamera = 'yard'\ntrigger = 'CONTINUOUS'\nmax_age = '3d'\n\
                [[retention.policy]]\ntrigger = 'MANUAL'\nmax_total = '1 GiB'\n";
    let loaded = House::with(text).load();
    let policies = &loaded.config.retention.policy;
    assert_eq!(policies.len(), 2);
    assert_eq!(policies[0].camera.as_deref(), Some("yard"));
    assert_eq!(policies[1].max_total, Some(Size::gib(1)));
    let again = House::with(&render(&loaded, true)).load();
    assert_eq!(again.config, loaded.config);
}
