//! THE table of types of errors. To add one, add a row, before those that are less specific.

mod machine;
mod programs;

/// A type of error: data, not an object.
pub(super) struct Type {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) category: &'static str,
    /// It is this type if a line holds all words of one of these, in lower case.
    pub(super) words: &'static [&'static [&'static str]],
    /// Or if it names one of these codes.
    pub(super) codes: &'static [&'static str],
    /// What may be behind it.
    pub(super) hints: &'static [&'static str],
    /// What may help.
    pub(super) suggestions: &'static [&'static str],
}

/// What none of the types fits.
pub(super) const UNKNOWN: Type = Type {
    name: "unknown",
    category: "unknown",
    words: &[],
    codes: &[],
    hints: &[],
    suggestions: &["Read the lines before this one in the same log"],
};

/// The most specific first.
pub(super) fn types() -> impl Iterator<Item = &'static Type> {
    machine::TYPES.iter().chain(programs::TYPES)
}
