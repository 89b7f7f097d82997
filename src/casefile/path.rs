//! Branch paths: the labels from the original down, joined by dots, in their natural order.
//!
//! Labels are of capital letters or of digits (`A`, `B`, `AA`, `1`). As text `A.10` sorts before `A.2`
//! and `AA` before `B`; here numbers go by value and letters as columns of a spreadsheet do.

use std::cmp::Ordering;
use std::fmt;

use super::CaseError;

/// Most labels in a path: one per branching step of a pipeline of 99 steps is far more than anyone draws.
const MAX_LABELS: usize = 16;
/// Longest label, characters.
const MAX_LABEL: usize = 8;

/// A path; the empty one is a scan that never branched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BranchPath(String);

impl BranchPath {
    /// The path of what never branched.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path in this text.
    pub fn parse(text: &str) -> Result<Self, CaseError> {
        let labels = || text.split('.');
        let right = text.is_empty() || (labels().all(is_label) && labels().count() <= MAX_LABELS);
        right
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| CaseError::BranchPath(text.to_owned()))
    }

    /// The path of the branch `label` of this one.
    pub fn child(&self, label: &str) -> Result<Self, CaseError> {
        match (is_label(label), self.0.is_empty()) {
            (false, _) => Err(CaseError::BranchPath(label.to_owned())),
            (true, true) => Self::parse(label),
            (true, false) => Self::parse(&format!("{}.{label}", self.0)),
        }
    }

    /// As it stands in the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    let digits = label.bytes().all(|byte| byte.is_ascii_digit()) && !label.starts_with('0');
    let letters = label.bytes().all(|byte| byte.is_ascii_uppercase());
    !label.is_empty() && label.len() <= MAX_LABEL && (digits || letters)
}

impl Ord for BranchPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // Without leading zeros the shorter number is the smaller one; so it is with columns.
        fn key(path: &BranchPath) -> impl Iterator<Item = (usize, &str)> {
            path.0.split('.').map(|label| (label.len(), label))
        }
        key(self).cmp(key(other))
    }
}

impl PartialOrd for BranchPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for BranchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.0.is_empty() {
            "(whole)"
        } else {
            &self.0
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn paths_sort_as_a_person_counts() {
        let sorted = ["", "A", "A.1", "A.2", "A.2.A", "A.10", "B", "Z", "AA", "AB"];
        let mut paths: Vec<_> = sorted.map(|text| BranchPath::parse(text).unwrap()).into();
        paths.reverse();
        paths.sort();
        assert_eq!(
            paths.iter().map(BranchPath::as_str).collect::<Vec<_>>(),
            sorted
        );
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            ".",
            "a",
            "A.",
            ".A",
            "A..B",
            "A1",
            "01",
            "A B",
            "0",
            "ÄA",
            "ABCDEFGHI",
        ] {
            let error = BranchPath::parse(text).unwrap_err().to_string();
            assert!(error.contains("is no branch path"), "{error}");
        }
        assert!(BranchPath::parse(&["A"; 17].join(".")).is_err());
        let nested = BranchPath::root().child("A").unwrap().child("1").unwrap();
        assert_eq!(nested.as_str(), "A.1");
        assert!(nested.child("1.2").is_err(), "a step gives one label");
        assert!(nested.child("").is_err());
    }
}
