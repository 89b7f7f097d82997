//! "Did you mean …?"

/// Likeness (Jaro–Winkler, 0..=1) from which on a name is worth suggesting.
const LIKENESS: f64 = 0.75;

/// The candidate most like `typed`, if one is like it at all.
pub fn closest<'c>(typed: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// The question to end a message with, or nothing.
pub fn hint<'c>(typed: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    closest(typed, candidates).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_nonsense_finds_none() {
        let names = ["events", "sensors", "recordings"];
        assert_eq!(closest("evnts", names), Some("events"));
        assert_eq!(closest("recording", names), Some("recordings"));
        assert_eq!(closest("zzz", names), None);
        assert_eq!(hint("sensor", names), "; did you mean `sensors`?");
    }
}
