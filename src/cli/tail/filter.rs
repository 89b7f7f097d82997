//! Which events `tail` shows.

use clap::ValueEnum;

use super::super::exit::{CliError, Exit};
use super::super::{Context, suggestion};
use super::{Args, Entry};
use crate::event::sentence::sentence;
use crate::event::{Envelope, Kind};

/// How severe an event is, on the one scale of events, log lines and system events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    /// For developers.
    Debug,
    /// Ordinary.
    Info,
    /// Odd.
    Warning,
    /// Somebody should look; an error of a log line.
    #[value(alias = "error")]
    Alert,
    /// Somebody must act.
    Critical,
}

impl Level {
    /// 0 is debug, 4 critical.
    pub(super) const fn from_number(number: i64) -> Self {
        match number {
            ..=0 => Self::Debug,
            1 => Self::Info,
            2 => Self::Warning,
            3 => Self::Alert,
            4.. => Self::Critical,
        }
    }

    /// As printed in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Alert => "alert",
            Self::Critical => "critical",
        }
    }
}

/// The options of `tail`, understood.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
    kinds: Vec<String>,
    level: Option<Level>,
    /// Lower case.
    grep: Option<String>,
}

impl Filter {
    pub(super) fn new(args: &Args, context: &Context<'_>) -> Result<Self, CliError> {
        let moment = |option, text: &Option<String>| {
            text.as_deref()
                .map(|text| context.moment(option, text))
                .transpose()
        };
        let (since, until) = (
            moment("--since", &args.since)?,
            moment("--until", &args.until)?,
        );
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            let text = "--until is not after --since: no event can lie between them";
            return Err(CliError::new(Exit::Usage, text));
        }
        args.kind.iter().try_for_each(|glob| known(glob))?;
        Ok(Self {
            since,
            until,
            kinds: args.kind.clone(),
            level: args.level,
            grep: args.grep.as_ref().map(|text| text.to_lowercase()),
        })
    }

    pub(super) fn takes(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Event(event, level) => {
                self.takes_kind(event.kind().name())
                    && self.takes_time(event.occurred_at)
                    && self.level.is_none_or(|least| *level >= least)
                    && self.takes_text(event)
            }
            // What cannot be read cannot be searched either; better shown than passed over.
            Entry::Unreadable {
                kind, occurred_at, ..
            } => self.takes_kind(kind) && self.takes_time(*occurred_at),
        }
    }

    fn takes_kind(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|glob| matches(glob, kind))
    }

    fn takes_time(&self, at: i64) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    fn takes_text(&self, event: &Envelope) -> bool {
        let Some(wanted) = &self.grep else {
            return true;
        };
        let holds = |text: &str| text.to_lowercase().contains(wanted);
        holds(&sentence(event))
            || holds(event.text())
            || holds(&event.source.text)
            || holds(&event.stream.text)
            || event.topic.as_ref().is_some_and(|topic| holds(&topic.text))
    }
}

fn known(glob: &str) -> Result<(), CliError> {
    if Kind::ALL.iter().any(|kind| matches(glob, kind.name())) {
        return Ok(());
    }
    // `sensors.*` is like `sensor.*`, and no kind is much like either.
    let (noun, verb) = glob.split_once('.').unwrap_or((glob, ""));
    let nouns = || {
        Kind::ALL
            .iter()
            .filter_map(|kind| Some(kind.name().split_once('.')?.0))
    };
    let hint = if verb.contains(['*', '?']) {
        suggestion::closest(noun, nouns()).map_or_else(String::new, |noun| {
            format!("; did you mean `{noun}.{verb}`?")
        })
    } else {
        suggestion::hint(glob, Kind::ALL.iter().map(|kind| kind.name()))
    };
    let text = format!("--kind {glob}: no kind of event is called so{hint}");
    Err(CliError::new(Exit::Usage, text))
}

/// Whether `text` fits `glob`: `*` is any run of characters, `?` any one.
fn matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut g, mut t) = (0, 0);
    // Where to go on when the last star has to take one character more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(&letter) if letter == b'?' || letter == text[t] => {
                g += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else {
                    return false;
                };
                star = Some((at, taken + 1));
                g = at + 1;
                t = taken + 1;
            }
        }
    }
    glob[g..].iter().all(|&letter| letter == b'*')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn globs_match_like_those_of_a_shell() {
        for (glob, text, fits) in [
            ("sensor.*", "sensor.reported", true),
            ("sensor.*", "sensors.reported", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("*.sighted", "pet.sighted", true),
            ("p?t.*", "pet.sighted", true),
            ("*e*e*", "recording.sealed", true),
            ("*e*e*e*e*", "recording.sealed", false),
            ("pet.sighted", "pet.sighted", true),
            ("pet.sighted", "pet.sighted2", false),
            ("**d", "pet.sighted", true),
        ] {
            assert_eq!(matches(glob, text), fits, "{glob} {text}");
        }
        // Would take longer than the universe by backtracking without memory.
        assert!(!matches(&"*a".repeat(50), &"a".repeat(49)));
    }

    #[test]
    fn a_kind_that_nobody_knows_is_refused_with_the_likely_one() {
        assert!(known("camera.*").is_ok());
        let message = |glob| known(glob).unwrap_err().message;
        assert!(message("pet.sightd").contains("`pet.sighted`"));
        assert!(message("sensors.*").contains("`sensor.*`"));
        assert!(message("zzz").ends_with("called so"));
    }
}
