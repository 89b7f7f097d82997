//! "did you mean …?": the known word that a mistyped one is nearest to.

/// `; did you mean `…`?` with the nearest of `known`, or nothing when none is near.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}

/// The nearest of `known`: at most one slip per three letters, a swap of neighbours being one, upper
/// and lower case being the same; of equally near ones the first.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let slips_max = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::osa_distance(&lower, &known.to_lowercase()), known))
        .filter(|(slips, known)| *slips <= slips_max && *slips < known.chars().count())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["host", "port", "username", "keep_alive"];
        assert_eq!(nearest("hots", known), Some("host"));
        assert_eq!(nearest("PORT", known), Some("port"));
        assert_eq!(nearest("user_name", known), Some("username"));
        assert_eq!(nearest("keepalive", known), Some("keep_alive"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(did_you_mean("hots", known), "; did you mean `host`?");
        assert_eq!(did_you_mean("colour", known), "");
    }
}
