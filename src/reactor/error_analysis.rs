//! What an error is, by what its line says: type, category, where, and what may help.
//!
//! [`table`] lists the types, the most specific first: what a database refuses is the database's,
//! though it is a Python exception as well. [`details`] picks out what a line names.

mod details;
mod table;

use crate::event::trace::ErrorFound;
use table::{Type, UNKNOWN};

/// Longest part of a line that is looked at, bytes; what follows are the frames of a stack.
const LOOKED_AT_BYTES: usize = 8_192;

/// The name of the type of an error.
pub fn error_type(text: &str) -> &'static str {
    let text = beginning(text);
    found(&text.to_ascii_lowercase(), details::code(text).as_deref()).name
}

/// All that an error's line says of it.
pub fn analyse(text: &str) -> ErrorFound {
    let text = beginning(text);
    let code = details::code(text);
    let kind = found(&text.to_ascii_lowercase(), code.as_deref());
    let place = details::place(text);
    let own = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect();
    ErrorFound {
        error_type: kind.name.to_owned(),
        category: kind.category.to_owned(),
        exception: details::exception(text).map(ToOwned::to_owned),
        line: place.as_ref().map(|(_, line)| *line),
        file: place.map(|(file, _)| file.to_owned()),
        code,
        has_stacktrace: details::has_stacktrace(text),
        hints: own(kind.hints),
        suggestions: own(kind.suggestions),
    }
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(LOOKED_AT_BYTES)]
}

fn found(lower: &str, code: Option<&str>) -> &'static Type {
    let fits = |kind: &&Type| {
        code.is_some_and(|code| kind.codes.contains(&code))
            || kind
                .words
                .iter()
                .any(|words| words.iter().all(|word| lower.contains(word)))
    };
    table::types().find(fits).unwrap_or(&UNKNOWN)
}

#[cfg(test)]
mod tests;
