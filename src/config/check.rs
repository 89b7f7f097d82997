//! Checks of one value, or of one name, by itself, and the words for what is wrong with it.

use serde::Deserialize;

use super::schema::{self, Key, Kind};
use super::sections::Config;
use super::{suggestion, tree, validate};

/// What is wrong with `value` as the value of `key`, other keys aside.
pub(super) fn complaints(key: &Key, value: &toml::Value) -> Vec<String> {
    let path = &key.path;
    let secret = key.kind == Kind::Secret;
    if !key.kind.takes(value) {
        let hint = match (&key.kind, value) {
            (Kind::Choice(words), toml::Value::String(word)) => {
                suggestion::did_you_mean(word, words.iter().map(String::as_str))
            }
            _ => String::new(),
        };
        let (expected, found) = (key.kind.expected(), found(value, secret));
        return vec![format!("`{path}` must be {expected}, not {found}{hint}")];
    }
    if let (Kind::Path, toml::Value::String(text)) = (&key.kind, value) {
        if text.is_empty() || text.contains('\0') {
            return vec![format!("`{path}` must name a file or folder")];
        }
        if text.starts_with('~') {
            return vec![format!(
                "`{path}` begins with `~`, which only a shell expands; write the whole path"
            )];
        }
    }
    let mut alone = toml::Table::new();
    tree::put(&mut alone, path, value.clone());
    match Config::deserialize(alone) {
        Ok(config) => validate::values(&config)
            .into_iter()
            .map(|(key, message)| format!("`{key}` {message}"))
            .collect(),
        // Types were checked above, so this is a message of our own about the value.
        Err(e) => vec![format!("`{path}`: {}", e.message())],
    }
}

/// What was found instead, as the end of "…, not".
pub(super) fn found(value: &toml::Value, secret: bool) -> String {
    match value {
        toml::Value::String(_) if secret => "this text".into(),
        toml::Value::String(text) => format!("the text {text:?}"),
        toml::Value::Integer(number) if !secret => format!("the number {number}"),
        toml::Value::Float(number) if !secret => format!("the number {number}"),
        toml::Value::Integer(_) | toml::Value::Float(_) => "a number".into(),
        toml::Value::Boolean(value) => value.to_string(),
        toml::Value::Datetime(_) => "a date".into(),
        toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => "a list".into(),
        toml::Value::Array(_) => "a list of other things".into(),
        toml::Value::Table(_) => "a section".into(),
    }
}

/// "unknown key …" with the key that was probably meant: a sibling, a path, or a namesake elsewhere.
pub(super) fn unknown_key(section: &str, name: &str) -> String {
    let keys = schema::keys();
    if section.is_empty() {
        let message = format!("unknown section or key `{name}`");
        let sections = keys.iter().map(Key::section);
        return match suggestion::nearest(name, sections) {
            Some(section) => format!("{message}; did you mean `[{section}]`?"),
            None => format!("{message}{}", elsewhere(name, name)),
        };
    }
    let message = format!("unknown key `{section}.{name}`");
    let siblings = keys.iter().filter(|key| key.section() == section);
    match suggestion::nearest(name, siblings.map(Key::name)) {
        Some(known) => format!("{message}; did you mean `{section}.{known}`?"),
        None => format!("{message}{}", elsewhere(&format!("{section}.{name}"), name)),
    }
}

/// A hint to a key that is called `name` in another section, or whose path is near `path`.
fn elsewhere(path: &str, name: &str) -> String {
    let mut keys = schema::keys().iter();
    let paths = schema::keys().iter().map(|key| key.path.as_str());
    let known = keys.find(|key| key.name() == name);
    known
        .map(|key| key.path.as_str())
        .or_else(|| suggestion::nearest(path, paths))
        .map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}
