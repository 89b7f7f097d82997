//! A pipeline: steps in a row, written as YAML, frozen with everything that decides its outcome.
//!
//! ```yaml
//! name: plate
//! steps:
//!   - regions: {kinds: [plate], margin: 4}
//!   - gray
//!   - resize: {factor: 4}
//! ```
//!
//! The frozen text is YAML too and written by hand here, so that no library's taste is in its hash:
//! `format`, `name`, the tools' versions by name, and each step with all its parameters as JSON in
//! the order of their declaration. Reading a frozen text and freezing it again gives the same text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::codec::JPEG_DECODER;
use super::step::Step;

/// The version of the text and of what the steps compute. Raised when any step's pixels change.
pub const FORMAT: u32 = 1;

/// Steps in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Lower-case letters, digits, `-` and `_`; 1 to 64 of them.
    pub name: String,
    /// In the order of work; each is settled.
    pub steps: Vec<Step>,
    /// The tools that it was frozen with, when it was read from a frozen text.
    pub frozen_with: Option<BTreeMap<String, String>>,
}

/// A pipeline with everything that decides its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// Canonical YAML.
    pub text: String,
    /// SHA-256 of the text.
    pub sha256: [u8; 32],
}

/// The tools whose versions decide what comes out, by name.
pub fn tools() -> BTreeMap<String, String> {
    [
        ("jpeg", JPEG_DECODER),
        ("nightjar", env!("CARGO_PKG_VERSION")),
    ]
    .map(|(tool, version)| (tool.to_owned(), version.to_owned()))
    .into()
}

impl Pipeline {
    /// Frozen with the tools of this program.
    pub fn freeze(&self) -> Frozen {
        let mut text = format!("format: {FORMAT}\nname: {:?}\ntools:\n", self.name);
        for (tool, version) in tools() {
            let _ = writeln!(text, "  {tool}: {version:?}");
        }
        text.push_str(if self.steps.is_empty() {
            "steps: []\n"
        } else {
            "steps:\n"
        });
        for step in &self.steps {
            let _ = writeln!(text, "  - {}: {}", step.name(), step.params_json());
        }
        let sha256 = Sha256::digest(&text).into();
        Frozen { text, sha256 }
    }

    /// What was frozen with other tools than this program's: the pixels of a repetition may differ.
    pub fn foreign_tools(&self) -> Vec<String> {
        let Some(frozen_with) = &self.frozen_with else {
            return Vec::new();
        };
        let mine = tools();
        let mut names: Vec<_> = frozen_with.keys().chain(mine.keys()).collect();
        names.sort();
        names.dedup();
        let version = |tools: &BTreeMap<String, String>, name| {
            tools
                .get(name)
                .map_or_else(|| "nothing".to_owned(), Clone::clone)
        };
        names
            .into_iter()
            .filter(|name| frozen_with.get(*name) != mine.get(*name))
            .map(|name| {
                let (then, now) = (version(frozen_with, name), version(&mine, name));
                format!("{name}: frozen with {then}, this is {now}")
            })
            .collect()
    }
}
