//! The JSON Schema of the configuration, and the list of keys that is read out of it.
//!
//! The schema is derived from the structs, so the list of keys, the checks of types and choices,
//! and what the documentation says cannot drift apart.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::sections::Config;
use super::units::{DURATION_EXPECTED, SIZE_EXPECTED};

/// `config/nightjar.toml`: every key at its default, commented out and explained.
pub const REFERENCE: &str = include_str!("../../config/nightjar.toml");

/// What the name of an environment variable that sets a key begins with.
pub const ENVIRONMENT_PREFIX: &str = "NIGHTJAR__";

/// The JSON Schema (2020-12) of a configuration file.
pub fn schema() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let mut schema = generator.into_root_schema_for::<Config>().to_value();
    tidy(&mut schema);
    schema
}

/// Takes null away, which TOML has not: a key that may be missing is just not there. Joins the lines
/// of descriptions, which were broken for the source.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            object.retain(|key, value| !(key == "default" && value.is_null()));
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// What a key takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Text,
    Path,
    Secret,
    Choice(Vec<String>),
    Whole {
        least: i64,
        most: i64,
    },
    /// A number, whole or not.
    Number {
        least: f64,
        most: f64,
    },
    Switch,
    List,
    /// A list of sections.
    Tables,
    Size,
    Duration,
}

/// One key of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// `mqtt.filters.sensor`
    pub(super) path: String,
    pub(super) kind: Kind,
}

impl Key {
    /// `mqtt.filters`
    pub(super) fn section(&self) -> &str {
        self.split().0
    }

    /// `sensor`
    pub(super) fn name(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (&str, &str) {
        self.path.rsplit_once('.').unwrap_or(("", &self.path))
    }

    /// `NIGHTJAR__MQTT__FILTERS__SENSOR`
    pub(super) fn environment_name(&self) -> String {
        let name = self.path.replace('.', "__").to_uppercase();
        format!("{ENVIRONMENT_PREFIX}{name}")
    }
}

/// All keys, in the order of [`REFERENCE`].
pub(super) fn keys() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let mut keys = Vec::new();
        collect(&schema(), "", &mut keys);
        let order = reference_order();
        keys.sort_by_key(|key| order.iter().position(|path| *path == key.path));
        keys
    });
    &KEYS
}

/// The key `path`, if there is one.
pub(super) fn key(path: &str) -> Option<&'static Key> {
    keys().iter().find(|key| key.path == path)
}

/// Whether `path` is a section, such as `mqtt` or `mqtt.filters`.
pub(super) fn is_section(path: &str) -> bool {
    keys().iter().any(|key| {
        key.path
            .strip_prefix(path)
            .is_some_and(|behind| behind.starts_with('.'))
    })
}

fn collect(schema: &Value, path: &str, keys: &mut Vec<Key>) {
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, inner) in properties {
            let dot = if path.is_empty() { "" } else { "." };
            collect(inner, &format!("{path}{dot}{name}"), keys);
        }
    } else if let Value::Object(object) = schema {
        let path = path.into();
        let kind = kind(object);
        keys.push(Key { path, kind });
    }
}

fn kind(schema: &Map<String, Value>) -> Kind {
    let text = |name| schema.get(name).and_then(Value::as_str).unwrap_or_default();
    let choices = choices(schema);
    match (text("type"), text("format")) {
        _ if !choices.is_empty() => Kind::Choice(choices),
        (_, "size") => Kind::Size,
        (_, "duration-short") => Kind::Duration,
        (_, "path") => Kind::Path,
        (_, "password") => Kind::Secret,
        ("boolean", _) => Kind::Switch,
        ("array", _)
            if schema
                .get("items")
                .is_some_and(|items| items["type"] == "object") =>
        {
            Kind::Tables
        }
        ("array", _) => Kind::List,
        ("integer", _) => Kind::Whole {
            least: bound(schema, "minimum", i64::MIN),
            most: bound(schema, "maximum", i64::MAX),
        },
        ("number", _) => {
            let bound = |name| schema.get(name).and_then(Value::as_f64);
            Kind::Number {
                least: bound("minimum").unwrap_or(f64::MIN),
                most: bound("maximum").unwrap_or(f64::MAX),
            }
        }
        _ => Kind::Text,
    }
}

fn bound(schema: &Map<String, Value>, name: &str, otherwise: i64) -> i64 {
    let bound = schema.get(name).and_then(Value::as_i64);
    bound.unwrap_or(otherwise)
}

/// The words of an enum: plain, or each with its own description.
fn choices(schema: &Map<String, Value>) -> Vec<String> {
    let words = |name: &str| schema.get(name).and_then(Value::as_array);
    let described = words("oneOf").into_iter().flatten();
    let described = described.filter_map(|one| one.get("const")?.as_str());
    let plain = words("enum").into_iter().flatten();
    let plain = plain.filter_map(Value::as_str);
    described.chain(plain).map(Into::into).collect()
}

/// The keys in the reference file, from top to bottom. A setting is `#name = value`, or with a space
/// behind the `#` when it has no default.
fn reference_order() -> Vec<String> {
    let mut section = "";
    let mut order = Vec::new();
    for line in REFERENCE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
        } else if let Some((name, _)) = line.trim_start_matches(['#', ' ']).split_once(" = ") {
            order.push(format!("{section}.{name}"));
        }
    }
    order
}

impl Kind {
    /// What must stand there, as the end of "must be …".
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Text | Self::Secret => "text in quotes".into(),
            Self::Path => "a path in quotes".into(),
            Self::Choice(words) => format!("one of \"{}\"", words.join("\", \"")),
            Self::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Self::Number { least, most } => format!("a number from {least} to {most}"),
            Self::Switch => "true or false".into(),
            Self::List => "a list of texts, such as [\"a\", \"b\"]".into(),
            Self::Tables => "a list of sections, such as [{ camera = \"yard\" }]".into(),
            Self::Size => SIZE_EXPECTED.into(),
            Self::Duration => DURATION_EXPECTED.into(),
        }
    }

    /// Whether `value` has the right type and, for whole numbers and choices, one of the values.
    pub(super) fn takes(&self, value: &toml::Value) -> bool {
        match (self, value) {
            (
                Self::Text | Self::Path | Self::Secret | Self::Size | Self::Duration,
                toml::Value::String(_),
            )
            | (Self::Switch, toml::Value::Boolean(_)) => true,
            (Self::Size, toml::Value::Integer(bytes)) => *bytes >= 0,
            (Self::Choice(words), toml::Value::String(word)) => words.contains(word),
            (Self::Whole { least, most }, toml::Value::Integer(number)) => {
                (least..=most).contains(&number)
            }
            (Self::Number { least, most }, toml::Value::Float(number)) => {
                (least..=most).contains(&number)
            }
            (Self::Number { least, most }, toml::Value::Integer(number)) => {
                (*least..=*most).contains(&(*number as f64))
            }
            (Self::List, toml::Value::Array(items)) => items.iter().all(toml::Value::is_str),
            (Self::Tables, toml::Value::Array(items)) => items.iter().all(toml::Value::is_table),
            _ => false,
        }
    }

    /// The value that `text` from the environment or the command line stands for. A text that does
    /// not fit stays a text, which [`Kind::takes`] then refuses.
    ///
    /// A list is written as in TOML, or simply `a,b,c`.
    pub(super) fn value_of(&self, text: &str) -> toml::Value {
        let as_text = || toml::Value::String(text.to_owned());
        match self {
            Self::Whole { .. } => text
                .trim()
                .parse()
                .map_or_else(|_| as_text(), toml::Value::Integer),
            Self::Number { .. } => text
                .trim()
                .parse()
                .map_or_else(|_| as_text(), toml::Value::Float),
            Self::Switch => text
                .trim()
                .parse()
                .map_or_else(|_| as_text(), toml::Value::Boolean),
            Self::Tables => parse_list(text).unwrap_or_else(as_text),
            Self::List if text.trim_start().starts_with('[') => {
                parse_list(text).unwrap_or_else(as_text)
            }
            Self::List => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| toml::Value::String(item.to_owned()))
                .collect::<Vec<_>>()
                .into(),
            Self::Text
            | Self::Path
            | Self::Secret
            | Self::Choice(_)
            | Self::Size
            | Self::Duration => as_text(),
        }
    }
}

fn parse_list(text: &str) -> Option<toml::Value> {
    let deserializer = toml::de::ValueDeserializer::parse(text.trim()).ok()?;
    serde::Deserialize::deserialize(deserializer).ok()
}
