//! Pipelines read from YAML: every word is known, or the error names its line and the nearest word.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;
use thiserror::Error;

use super::frozen::{FORMAT, Pipeline};
use super::step::{ParameterError, Step};

/// Longest text: 99 steps with all parameters have about 20 KiB.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most steps: the store counts them with two digits.
pub const STEPS_MAX: usize = 99;
const NAME_LETTERS_MAX: usize = 64;

/// What a pipeline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A case's own work: nothing is ever painted over.
    Case,
    /// A copy that is given away.
    Export,
}

/// A text that is no pipeline. Lines count from 1.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PipelineError {
    /// No such step.
    #[error("line {line}: unknown step `{name}`{hint}; steps are {}", Step::NAMES.join(", "))]
    UnknownStep {
        /// Where.
        line: u64,
        /// As written.
        name: String,
        /// `; did you mean …?`, or nothing.
        hint: String,
    },
    /// No such parameter, or no such word for one.
    #[error("line {line}: unknown {what} `{name}`{hint}; known are {known}")]
    UnknownWord {
        /// Where.
        line: u64,
        /// Parameter or value.
        what: &'static str,
        /// As written.
        name: String,
        /// `; did you mean …?`, or nothing.
        hint: String,
        /// All that would do.
        known: String,
    },
    /// A parameter that has no default.
    #[error("line {line}: `{name}` is missing")]
    Missing {
        /// Where the step is.
        line: u64,
        /// The parameter.
        name: &'static str,
    },
    /// A parameter that makes no sense.
    #[error("line {line}: {step}: {error}")]
    Parameter {
        /// Where the step is.
        line: u64,
        /// The step.
        step: &'static str,
        /// What is wrong with it.
        error: ParameterError,
    },
    /// Painting over in a case.
    #[error(
        "line {line}: `redact` is for copies that are given away (`case export --redact`), never for \
         a case's own pictures; take it out"
    )]
    RedactInCase {
        /// Where.
        line: u64,
    },
    /// Not readable as YAML, or not of the expected shape.
    #[error("line {line}: {what}")]
    Shape {
        /// Where.
        line: u64,
        /// What the reader says.
        what: String,
    },
    /// A bound or a rule of the whole text.
    #[error("{0}")]
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    format: Option<u32>,
    name: String,
    #[serde(default)]
    tools: Option<BTreeMap<String, String>>,
    steps: Vec<Spanned<Step>>,
}

/// The pipeline in a text, with all defaults filled in.
pub fn parse(text: &str, purpose: Purpose) -> Result<Pipeline, PipelineError> {
    if text.len() > TEXT_BYTES_MAX {
        let bytes = text.len();
        return Err(PipelineError::Text(format!(
            "the pipeline has {bytes} bytes, more than {TEXT_BYTES_MAX}; split it"
        )));
    }
    let document: Document = serde_saphyr::from_str(text).map_err(|error| told(&error))?;
    if let Some(format) = document.format.filter(|format| *format != FORMAT) {
        return Err(PipelineError::Text(format!(
            "the pipeline has format {format}, and this program knows {FORMAT}; use the program \
             that froze it"
        )));
    }
    check_name(&document.name)?;
    let count = document.steps.len();
    if count > STEPS_MAX {
        return Err(PipelineError::Text(format!(
            "the pipeline has {count} steps, more than {STEPS_MAX}; split it"
        )));
    }
    let steps = document
        .steps
        .into_iter()
        .map(|step| settled(step, purpose));
    Ok(Pipeline {
        name: document.name,
        steps: steps.collect::<Result<_, _>>()?,
        frozen_with: document.tools,
    })
}

fn check_name(name: &str) -> Result<(), PipelineError> {
    let known = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_')
    };
    if (1..=NAME_LETTERS_MAX).contains(&name.len()) && name.chars().all(known) {
        return Ok(());
    }
    Err(PipelineError::Text(format!(
        "the pipeline's name {name:?} must be 1 to {NAME_LETTERS_MAX} of a–z, 0–9, `-` and `_`"
    )))
}

fn settled(step: Spanned<Step>, purpose: Purpose) -> Result<Step, PipelineError> {
    let line = step.referenced.line();
    let mut step = step.value;
    if purpose == Purpose::Case && matches!(step, Step::Redact(_)) {
        return Err(PipelineError::RedactInCase { line });
    }
    step.settle().map_err(|error| PipelineError::Parameter {
        line,
        step: step.name(),
        error,
    })?;
    Ok(step)
}

fn told(error: &serde_saphyr::Error) -> PipelineError {
    use serde_saphyr::Error as Yaml;
    let error = error.without_snippet();
    let line = error.location().map_or(1, |location| location.line());
    match error {
        Yaml::SerdeUnknownVariant {
            variant, expected, ..
        } if expected == Step::NAMES => PipelineError::UnknownStep {
            line,
            name: variant.clone(),
            hint: did_you_mean(variant, expected),
        },
        Yaml::SerdeUnknownVariant {
            variant: name,
            expected,
            ..
        } => unknown_word(line, "value", name, expected),
        Yaml::SerdeUnknownField {
            field: name,
            expected,
            ..
        } => unknown_word(line, "parameter", name, expected),
        Yaml::SerdeMissingField { field: name, .. } => PipelineError::Missing { line, name },
        other => PipelineError::Shape {
            line,
            what: other.to_string(),
        },
    }
}

fn unknown_word(
    line: u64,
    what: &'static str,
    name: &str,
    expected: &[&'static str],
) -> PipelineError {
    let known = if expected.is_empty() {
        "none".to_owned()
    } else {
        expected.join(", ")
    };
    PipelineError::UnknownWord {
        line,
        what,
        name: name.to_owned(),
        hint: did_you_mean(name, expected),
        known,
    }
}

/// `; did you mean `…`?` with the nearest word, at most one slip per three letters away.
fn did_you_mean(word: &str, known: &[&str]) -> String {
    let slips_max = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|known| (strsim::osa_distance(word, known), known))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map_or_else(String::new, |(_, known)| {
            format!("; did you mean `{known}`?")
        })
}
