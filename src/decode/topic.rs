//! Topic names, topic filters, and the families of topics that share a session with the broker.
//!
//! A [`Topic`] is where one message went; a [`TopicFilter`] is a question for many. They are two
//! types so that neither stands where the other is meant. The rules are those of MQTT 3.1.1 §4.7.
//!
//! Invariant: no two families' filters overlap ([`check_disjoint`]). A message that two sessions
//! bring would be stored twice, and neither delivery could be told from an honest repeat.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest topic or filter, bytes: MQTT gives its length in two bytes.
const MAX_BYTES: usize = 65_535;

/// Why a text is no topic, no filter, or why filters cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TopicError {
    /// Nothing there.
    #[error("an empty text is no MQTT topic; name at least one level")]
    Empty,
    /// Too long for the protocol.
    #[error("topic of {bytes} bytes is too long; MQTT allows {MAX_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// U+0000 inside.
    #[error("topic {0:?} holds the character U+0000, which MQTT forbids; remove it")]
    Nul(String),
    /// A wildcard where a plain topic is due.
    #[error("topic {0:?} holds a wildcard; a topic has neither + nor #")]
    Wildcard(String),
    /// A wildcard in the wrong place.
    #[error("filter {0:?} is malformed; + and # fill a level of their own, and # comes last")]
    MisplacedWildcard(String),
    /// Two families would receive the same message.
    #[error(
        "filter {first_filter} of family {first} and filter {second_filter} of family {second} \
         overlap, so a message would be stored twice; narrow one of them"
    )]
    Overlap {
        /// The first family.
        first: &'static str,
        /// Its filter.
        first_filter: TopicFilter,
        /// The other family.
        second: &'static str,
        /// Its filter.
        second_filter: TopicFilter,
    },
}

/// The name of one topic, such as `vigilar/ups/status`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

/// A pattern over topics, such as `vigilar/camera/+/motion/#`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(String);

fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > MAX_BYTES {
        return Err(TopicError::TooLong { bytes: text.len() });
    }
    if text.contains('\0') {
        return Err(TopicError::Nul(text.to_owned()));
    }
    Ok(())
}

impl Topic {
    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        check_text(text)?;
        if text.contains(['+', '#']) {
            return Err(TopicError::Wildcard(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TopicFilter {
    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a message on `topic` is one that the filter asks for.
    pub fn matches(&self, topic: &str) -> bool {
        // A wildcard in the first level leaves the broker's own $-topics out (§4.7.2).
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in self.0.split('/') {
            // `a/#` matches `a` too, therefore before the level is taken.
            if wanted == "#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }

    /// Whether some topic matches both filters.
    pub fn overlaps(&self, other: &Self) -> bool {
        let starts_wild = |filter: &Self| filter.0.starts_with(['+', '#']);
        if (self.0.starts_with('$') && starts_wild(other))
            || (other.0.starts_with('$') && starts_wild(self))
        {
            return false;
        }
        let (mut ours, mut theirs) = (self.0.split('/'), other.0.split('/'));
        loop {
            match (ours.next(), theirs.next()) {
                (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
                (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
                _ => return false,
            }
        }
    }
}

impl FromStr for TopicFilter {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        check_text(text)?;
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let lone = level == "+" || (level == "#" && levels.peek().is_none());
            if level.contains(['+', '#']) && !lone {
                return Err(TopicError::MisplacedWildcard(text.to_owned()));
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A family of topics: one persistent session with the broker each, so that a flood of log lines
/// cannot fill the window in which the door contacts arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Contacts, motion detectors, thermometers.
    Sensor,
    /// What cameras say of themselves, of motion, parcels and faces.
    Camera,
    /// Pets.
    Pet,
    /// Wild animals.
    Wildlife,
    /// Log lines.
    Log,
    /// The rest of the house: recordings, power, presence, arming, health, metrics.
    House,
}

impl Family {
    /// Every family.
    pub const ALL: &[Self] = &[
        Self::Sensor,
        Self::Camera,
        Self::Pet,
        Self::Wildlife,
        Self::Log,
        Self::House,
    ];

    /// The family's name: part of its MQTT client id, and its key in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sensor => "sensor",
            Self::Camera => "camera",
            Self::Pet => "pet",
            Self::Wildlife => "wildlife",
            Self::Log => "log",
            Self::House => "house",
        }
    }

    /// The family with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|family| family.name() == name)
    }

    /// The family's filters below `prefix`. They are named one by one: a catch-all such as
    /// `prefix/#` would overlap with every other family. A topic below the prefix that no filter
    /// names (`prefix/garden/#`) is therefore not received until the configuration adds a filter
    /// for it; its messages then become `message.unmapped` as long as they have no rule.
    pub fn filters(self, prefix: &Topic) -> Vec<TopicFilter> {
        let below: &[&str] = match self {
            Self::Sensor => &["sensor/#"],
            Self::Camera => &[
                "camera/+/motion/#",
                "camera/+/heartbeat",
                "camera/+/error",
                "camera/+/snapshot",
                "camera/+/package/#",
                "camera/+/face/#",
            ],
            Self::Pet => &["camera/+/pet/#", "pets/#"],
            Self::Wildlife => &["camera/+/wildlife/#"],
            Self::Log => &["log/#"],
            Self::House => &[
                "recording/#",
                "ups/#",
                "presence/#",
                "system/#",
                "metrics/#",
            ],
        };
        below
            .iter()
            .map(|below| TopicFilter(format!("{prefix}/{below}")))
            .collect()
    }
}

/// Fails with the first two filters of different families that overlap.
pub fn check_disjoint(subscriptions: &[(Family, Vec<TopicFilter>)]) -> Result<(), TopicError> {
    for (i, (first, first_filters)) in subscriptions.iter().enumerate() {
        for (second, second_filters) in &subscriptions[i + 1..] {
            for ours in first_filters {
                if let Some(theirs) = second_filters.iter().find(|theirs| ours.overlaps(theirs)) {
                    return Err(TopicError::Overlap {
                        first: first.name(),
                        first_filter: ours.clone(),
                        second: second.name(),
                        second_filter: theirs.clone(),
                    });
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn filter(text: &str) -> TopicFilter {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_a_topic_and_what_is_a_filter() {
        for good in [
            "a",
            "/",
            "a//b",
            "vigilar/sensor/Küche Süd 🦔/x",
            "$SYS/broker/uptime",
        ] {
            assert_eq!(good.parse::<Topic>().unwrap().as_str(), good);
            assert_eq!(filter(good).as_str(), good);
        }
        for bad in ["", "a\0b", "a/+", "#", "a#"] {
            assert!(bad.parse::<Topic>().is_err(), "{bad:?}");
        }
        for good in ["#", "+", "+/+", "a/+/b", "a/#", "/#", "+/#"] {
            assert_eq!(filter(good).as_str(), good);
        }
        for bad in ["", "a\0", "a#", "a/#/b", "#/a", "a+", "a/+b/c", "++", "##"] {
            assert!(bad.parse::<TopicFilter>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(65_535).parse::<Topic>().is_ok());
        assert_eq!(
            "x".repeat(65_536).parse::<Topic>(),
            Err(TopicError::TooLong { bytes: 65_536 })
        );
    }

    #[test]
    fn filters_match_as_mqtt_says() {
        let table = [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b", "a", false),
            ("a/b", "A/b", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("+/b", "a/b", true),
            ("+", "/a", false),
            ("+/+", "/a", true),
            ("/+", "/a", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("a/+/#", "a", false),
            ("a/+/#", "a/b", true),
            ("#", "a/b", true),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("$SYS/+", "$SYS/x", true),
        ];
        for (pattern, topic, expected) in table {
            assert_eq!(
                filter(pattern).matches(topic),
                expected,
                "{pattern} on {topic}"
            );
        }
    }

    #[test]
    fn overlap_means_that_a_topic_matches_both() {
        let table = [
            ("a/b", "a/b", true),
            ("a/b", "a/c", false),
            ("a/+", "+/b", true),
            ("a/+", "b/+", false),
            ("a/#", "a", true),
            ("a/#", "a/b/+/c", true),
            ("a/+/b", "a/#", true),
            ("a/+", "a/b/c", false),
            ("a/+/c", "a/b/+", true),
            ("a/+/c", "a/b/+/d", false),
            ("#", "x", true),
            ("#", "$SYS/#", false),
            ("+/#", "$SYS/a", false),
            ("$SYS/#", "$SYS/+/x", true),
            ("v/camera/+/motion/#", "v/camera/+/pet/#", false),
            ("v/camera/+/motion/#", "v/camera/+/+", true),
        ];
        for (a, b, expected) in table {
            assert_eq!(filter(a).overlaps(&filter(b)), expected, "{a} and {b}");
            assert_eq!(filter(b).overlaps(&filter(a)), expected, "{b} and {a}");
        }
    }

    #[test]
    fn the_families_filters_are_valid_and_apart() {
        let prefix: Topic = "vigilar".parse().unwrap();
        let mut all: Vec<_> = Family::ALL
            .iter()
            .map(|family| (*family, family.filters(&prefix)))
            .collect();
        for (family, filters) in &all {
            assert!(!filters.is_empty());
            assert_eq!(Family::from_name(family.name()), Some(*family));
            for given in filters {
                assert_eq!(filter(given.as_str()), *given);
            }
        }
        check_disjoint(&all).unwrap();

        all[5].1.push(filter("vigilar/garden/#"));
        check_disjoint(&all).unwrap();
        all[5].1.push(filter("vigilar/+/+/status"));
        let error = check_disjoint(&all).unwrap_err();
        assert_eq!(
            error.to_string(),
            "filter vigilar/sensor/# of family sensor and filter vigilar/+/+/status of family \
             house overlap, so a message would be stored twice; narrow one of them"
        );
    }
}
