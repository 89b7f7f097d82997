//! Topic names and filters of MQTT 3.1.1 (section 4.7), as a broker needs them.
//!
//! rumqttc's own `matches` is not used: it panics on a topic that begins with a character of more
//! than one byte (`mqttbytes/topic.rs` slices `topic[..1]`), and never matches a topic that begins
//! with `$`, not even for the filter `$SYS/#`.

/// Whether `text` may be published to: not empty, no wildcard, no NUL.
pub(super) fn is_topic_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['+', '#', '\0'])
}

/// A subscription's filter, cut into levels once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Name(String),
    /// `+`
    One,
    /// `#`
    Rest,
}

impl Filter {
    /// `None` when the text is not a filter: empty, a NUL, `#` before the end, or a wildcard that
    /// shares its level with other characters. Shared subscriptions (`$share/…`) belong to MQTT 5
    /// and are refused too, because taking them for plain filters would silently match nothing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.contains('\0') || text.starts_with("$share/") {
            return None;
        }
        let mut levels = Vec::new();
        for level in text.split('/') {
            if levels.last() == Some(&Level::Rest) {
                return None;
            }
            levels.push(match level {
                "+" => Level::One,
                "#" => Level::Rest,
                name if name.contains(['+', '#']) => return None,
                name => Level::Name(name.to_owned()),
            });
        }
        Some(Self { levels })
    }

    /// `#` also matches the level above it (`a/#` matches `a`); a leading wildcard does not match
    /// a topic that begins with `$`.
    pub(super) fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && !matches!(self.levels.first(), Some(Level::Name(_))) {
            return false;
        }
        let mut names = topic.split('/');
        for level in &self.levels {
            match (level, names.next()) {
                (Level::Rest, _) => return true,
                (Level::One, Some(_)) => {}
                (Level::Name(wanted), Some(name)) if wanted == name => {}
                (Level::One | Level::Name(_), _) => return false,
            }
        }
        names.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        // (filter, topics that match, topics that do not)
        let table: &[(&str, &[&str], &[&str])] = &[
            ("a/b", &["a/b"], &["a", "a/b/c", "a/B", "/a/b", "a/b/"]),
            ("a/+", &["a/b", "a/"], &["a", "a/b/c"]),
            ("+", &["a"], &["/a", "a/b", "$SYS"]),
            ("+/+", &["/a", "a/b"], &["a", "$SYS/uptime"]),
            ("/+", &["/a"], &["a"]),
            ("a/+/c", &["a/b/c", "a//c"], &["a/b/d", "a/c"]),
            ("#", &["a", "a/b/c", "/", "é/x"], &["$SYS", "$SYS/uptime"]),
            ("a/#", &["a", "a/b", "a/b/c", "a/"], &["ab", "b/a"]),
            ("a/+/#", &["a/b", "a/b/c/d"], &["a", "b/a"]),
            ("$SYS/#", &["$SYS", "$SYS/uptime"], &["SYS/uptime"]),
            ("+/uptime", &["a/uptime"], &["$SYS/uptime"]),
            ("é/+", &["é/x"], &["e/x"]),
        ];
        for (filter, hits, misses) in table {
            let parsed = Filter::parse(filter).unwrap();
            for topic in *hits {
                assert!(parsed.matches(topic), "{filter} must match {topic}");
            }
            for topic in *misses {
                assert!(!parsed.matches(topic), "{filter} must not match {topic}");
            }
        }
    }

    #[test]
    fn what_is_not_a_filter_or_a_topic_is_refused() {
        for text in [
            "",
            "a/#/b",
            "#/",
            "a#",
            "a/b+",
            "++",
            "a/+b/c",
            "a\0",
            "$share/g/a",
        ] {
            assert_eq!(Filter::parse(text), None, "{text:?}");
        }
        for text in ["", "a/+", "#", "a\0b"] {
            assert!(!is_topic_name(text), "{text:?}");
        }
        assert!(is_topic_name("vigilar/sensor/front door/contact_open"));
    }
}
