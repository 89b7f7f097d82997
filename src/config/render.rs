//! The configuration as TOML: what holds and why, and what a new data folder begins with.

use std::fmt::Write as _;

use super::load::Loaded;
use super::schema::{self, Kind};
use super::tree;

/// The whole configuration as TOML that can be read again, in the order of the reference file; with
/// `with_origin` each line ends with where its value comes from.
///
/// Secrets are not shown: a comment says that they are set.
pub fn render(loaded: &Loaded, with_origin: bool) -> String {
    let table =
        toml::Table::try_from(&loaded.config).expect("a loaded configuration can be written");
    let mut text = String::new();
    let mut section = "";
    for key in schema::keys() {
        if key.section() != section {
            section = key.section();
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{section}]");
        }
        let name = key.name();
        let origin = loaded.origin(&key.path);
        let line = match tree::get(&table, &key.path) {
            Some(_) if key.kind == Kind::Secret => format!("# {name} is set and not shown"),
            Some(value) => format!("{name} = {value}"),
            None if with_origin => format!("# {name} is not set"),
            None => continue,
        };
        let shown = with_origin && tree::get(&table, &key.path).is_some();
        // The name of a file or of a flag may hold anything; a line end would end the comment.
        let origin = origin.to_string().replace(char::is_control, "?");
        let comment = if shown {
            format!("  # {origin}")
        } else {
            String::new()
        };
        let _ = writeln!(text, "{line}{comment}");
    }
    text
}

/// What a data folder of its own needs to know.
#[derive(Clone, Debug)]
pub struct InitOptions<'a> {
    /// Name of the house; see `site.name`.
    pub site: &'a str,
    /// Host of the broker.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The recordings folder; a relative path is relative to the data folder.
    pub recordings: &'a str,
    /// The key file; a relative path is relative to the data folder.
    pub key_file: &'a str,
}

/// The `nightjar.toml` for a data folder: everything in it stays in that folder, which can be moved
/// as a whole, because the paths are relative to the file.
pub fn init_toml(options: &InitOptions<'_>) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        "\
# Nightjar, all in this folder. Try it:
#
#     nightjar --config nightjar.toml config show --origin
#
# Paths are relative to the folder of this file, so the folder can be moved as a whole.
# What is not set here keeps its default; `nightjar config schema` explains every key.

[site]
# Name of the house, in topics and client ids: a-z, 0-9 and `-`.
name = {site}

[storage]
# Where the database lies: beside this file.
data_dir = \".\"

[mqtt]
# The broker that devices publish to.
host = {host}
port = {port}

[recordings]
# What cameras or a recorder write here is encrypted, checked, and only then removed.
folder = {recordings}
# How file names tell camera and time; this one means front-20261120-031207.mp4.
path_pattern = \"{{camera}}-%Y%m%d-%H%M%S\"

[vault]
# Without this key no recording can be opened again. Keep a copy somewhere else.
key_file = {key_file}
",
        site = quoted(options.site),
        host = quoted(options.host),
        port = options.port,
        recordings = quoted(options.recordings),
        key_file = quoted(options.key_file),
    )
}
