//! Text read from pictures by the program `tesseract`, where it is installed.
//!
//! The picture goes in through memory (`child`), words come out as TSV. One reading is never a fact:
//! a line is read once per variant of the picture, and what the readings agree on is told together
//! with all of them. The engine's arithmetic is its own and may differ between machines, so its
//! version is part of every reading and pixels are never made of it.

mod child;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::consensus::{Consensus, Reading, consensus, plain};
use super::pipeline::run::RegionsError;
use super::pipeline::{Area, Image, Pipeline, Run, RunError, Start, encode_png};
use child::{ChildError, Ended};

const PROGRAM: &str = "tesseract";
/// How long the program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
/// Languages at once: each is a model in memory.
const LANGUAGES_MAX: usize = 4;
/// What plates are made of.
pub const PLATE_LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

/// Why nothing was read.
#[derive(Debug, Error)]
pub enum OcrError {
    /// The program is not there.
    #[error(
        "the program `tesseract` is not installed, so no text can be read; install it with `apt \
         install tesseract-ocr`, everything else works without it"
    )]
    Absent,
    /// A language or letter list that cannot be asked for.
    #[error("{0}")]
    Options(String),
    /// The program did not end in time.
    #[error(
        "tesseract has not read the picture within {0:?} and was stopped; cut out a smaller part"
    )]
    Slow(Duration),
    /// The program answered without end.
    #[error(
        "tesseract answered more than {} bytes and was stopped; cut out a smaller part",
        child::OUTPUT_BYTES_MAX
    )]
    Endless,
    /// The program gave up.
    #[error(
        "tesseract failed: {complaint}; a language that is missing comes with `apt install \
         tesseract-ocr-<language>`"
    )]
    Failed {
        /// What it said.
        complaint: String,
    },
    /// The answer is no TSV.
    #[error("tesseract answered something else than a table: {0:?}")]
    Answer(String),
    /// The machine refused.
    #[error("tesseract cannot be run: {0}")]
    Io(#[from] std::io::Error),
    /// A variant of the picture could not be made.
    #[error("the picture cannot be prepared: {0}")]
    Prepare(#[from] RunError),
    /// Regions that a run cannot start with.
    #[error(transparent)]
    Regions(#[from] RegionsError),
}

impl From<ChildError> for OcrError {
    fn from(error: ChildError) -> Self {
        match error {
            ChildError::Absent => Self::Absent,
            ChildError::Slow(limit) => Self::Slow(limit),
            ChildError::Endless => Self::Endless,
            ChildError::Io(error) => Self::Io(error),
        }
    }
}

/// How text lies on the picture (the program's page segmentation modes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Anywhere (11).
    Sparse,
    /// One block of lines (6).
    Block,
    /// One line (7).
    Line,
}

impl Layout {
    const fn mode(self) -> &'static str {
        match self {
            Self::Sparse => "11",
            Self::Block => "6",
            Self::Line => "7",
        }
    }
}

/// How to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How text lies on the picture.
    pub layout: Layout,
    /// By the program's names: `eng`, `deu`.
    pub languages: Vec<String>,
    /// The only letters there can be; empty for any.
    pub letters: String,
    /// How long one picture may take.
    pub limit: Duration,
}

impl Options {
    /// For number plates.
    pub fn plate() -> Self {
        Self {
            layout: Layout::Line,
            languages: vec!["eng".to_owned()],
            letters: PLATE_LETTERS.to_owned(),
            limit: Duration::from_secs(20),
        }
    }

    fn check(&self) -> Result<(), OcrError> {
        let is_name = |name: &String| {
            (1..=32).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !(1..=LANGUAGES_MAX).contains(&self.languages.len())
            || !self.languages.iter().all(is_name)
        {
            return Err(OcrError::Options(format!(
                "languages are 1 to {LANGUAGES_MAX} names like `eng`, not {:?}",
                self.languages
            )));
        }
        if !self.letters.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OcrError::Options(format!(
                "the letters {:?} must be ASCII without spaces",
                self.letters
            )));
        }
        Ok(())
    }
}

/// A word where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// What was read.
    pub text: String,
    /// How sure the program is, 0 to 1.
    pub confidence: f64,
    /// Block, paragraph and line, from 1.
    pub line: [u32; 3],
    /// In pixels of the picture that was read.
    pub area: Area,
}

/// What one variant of the picture was read as.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantReading {
    /// The variant's name.
    pub variant: String,
    /// SHA-256 of the frozen variant.
    pub pipeline_sha256: [u8; 32],
    /// The hash of the pixels that were read.
    pub pixel_sha256: [u8; 32],
    /// As the program wrote it, words with spaces between.
    pub raw: String,
    /// Letters and digits alone, and how sure the program is of them.
    pub reading: Reading,
}

/// All readings of one picture, and what they agree on. Not a fact before a person says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Readings {
    /// In the order of the variants.
    pub variants: Vec<VariantReading>,
    /// Letter by letter.
    pub consensus: Consensus,
}

/// The program, found and asked for its version.
#[derive(Clone, Debug)]
pub struct Tesseract {
    search_path: Option<OsString>,
    version: String,
}

impl Tesseract {
    /// The program on `search_path`, or on the process's own path.
    pub fn find(search_path: Option<OsString>) -> Result<Self, OcrError> {
        let mut found = Self {
            search_path,
            version: String::new(),
        };
        let ended = child::run(
            found.command().arg("--version"),
            Stdio::null(),
            VERSION_LIMIT,
        )?;
        let said = String::from_utf8_lossy(&ended.output);
        let first = said.lines().next().unwrap_or_default().trim();
        first.clone_into(&mut found.version);
        if first.starts_with(PROGRAM) {
            return Ok(found);
        }
        Err(failed(&ended))
    }

    /// `tesseract 5.3.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn command(&self) -> Command {
        // Looked up by hand: a changed PATH of the child would not be used to find it.
        let program = self.search_path.as_ref().and_then(|path| {
            let mut places = std::env::split_paths(path).map(|folder| folder.join(PROGRAM));
            places.find(|place| place.exists())
        });
        let fallback = match self.search_path {
            // Nowhere on the path that was given: a name that is nowhere at all.
            Some(_) => PathBuf::from("/nonexistent").join(PROGRAM),
            None => PathBuf::from(PROGRAM),
        };
        let mut command = Command::new(program.unwrap_or(fallback));
        // Its threads gain nothing on small pictures and starve the box.
        command.env("OMP_THREAD_LIMIT", "1");
        command
    }

    /// The words on the picture, in reading order.
    pub fn words(&self, image: &Image, options: &Options) -> Result<Vec<Word>, OcrError> {
        options.check()?;
        let mut command = self.command();
        command.args([
            "stdin",
            "stdout",
            "--dpi",
            "300",
            "--psm",
            options.layout.mode(),
        ]);
        command.args(["-l", &options.languages.join("+")]);
        if !options.letters.is_empty() {
            command.args([
                "-c",
                &format!("tessedit_char_whitelist={}", options.letters),
            ]);
        }
        command.arg("tsv");
        let picture = child::in_memory(&encode_png(image))?;
        let ended = child::run(&mut command, picture, options.limit)?;
        if !ended.is_success {
            return Err(failed(&ended));
        }
        words(&String::from_utf8_lossy(&ended.output))
    }

    /// The picture read once per variant, and what the readings agree on.
    pub fn read(
        &self,
        image: &Arc<Image>,
        variants: &[Pipeline],
        options: &Options,
    ) -> Result<Readings, OcrError> {
        let mut read = Vec::new();
        for variant in variants {
            let mut prepared = Arc::clone(image);
            for output in Run::new(variant, Arc::clone(image), &[], Start::default())? {
                prepared = output?.image;
            }
            let words = self.words(&prepared, options)?;
            let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
            read.push(VariantReading {
                variant: variant.name.clone(),
                pipeline_sha256: variant.freeze().sha256,
                pixel_sha256: prepared.pixel_sha256(),
                raw: texts.join(" "),
                reading: Reading {
                    text: plain(&texts.concat()),
                    confidence: confidence(&words),
                },
            });
        }
        let readings: Vec<_> = read.iter().map(|variant| variant.reading.clone()).collect();
        Ok(Readings {
            variants: read,
            consensus: consensus(&readings),
        })
    }
}

/// The mean over the letters; 0 when there are none.
fn confidence(words: &[Word]) -> f64 {
    let letters = |word: &Word| plain(&word.text).len() as f64;
    let all: f64 = words.iter().map(letters).sum();
    let sure: f64 = words
        .iter()
        .map(|word| letters(word) * word.confidence)
        .sum();
    if all > 0.0 { sure / all } else { 0.0 }
}

fn failed(ended: &Ended) -> OcrError {
    let said = String::from_utf8_lossy(&ended.complaint);
    let first = said.lines().map(str::trim).find(|line| !line.is_empty());
    OcrError::Failed {
        complaint: first.unwrap_or("it said nothing").to_owned(),
    }
}

/// Rows of the program's TSV: level (5 is a word), page, block, paragraph, line, word, left, top,
/// width, height, confidence in per cent (−1 for what is no word), text.
fn words(tsv: &str) -> Result<Vec<Word>, OcrError> {
    let mut lines = tsv.lines();
    let head = lines.next().unwrap_or_default();
    if !head.starts_with("level\tpage_num\t") {
        return Err(OcrError::Answer(head.chars().take(80).collect()));
    }
    let mut words = Vec::new();
    for line in lines {
        let columns: Vec<_> = line.split('\t').collect();
        if columns.first() == Some(&"5") {
            let word = word(&columns);
            let refused = || OcrError::Answer(line.chars().take(80).collect());
            words.push(word.ok_or_else(refused)?);
        }
    }
    words.retain(|word| !word.text.is_empty());
    Ok(words)
}

fn word(columns: &[&str]) -> Option<Word> {
    let number = |at: usize| columns.get(at)?.parse::<u32>().ok();
    let percent: f64 = columns.get(10)?.parse().ok()?;
    Some(Word {
        text: columns.get(11)?.trim().to_owned(),
        confidence: (percent / 100.0).clamp(0.0, 1.0),
        line: [number(2)?, number(3)?, number(4)?],
        area: Area {
            x: number(6)?,
            y: number(7)?,
            width: number(8)?,
            height: number(9)?,
        },
    })
}

#[cfg(test)]
mod tests;
