//! Values in nested TOML tables by their dotted path, such as `mqtt.filters.sensor`.

/// The value at `path`.
pub(super) fn get<'a>(table: &'a toml::Table, path: &str) -> Option<&'a toml::Value> {
    match path.split_once('.') {
        Some((section, rest)) => get(table.get(section)?.as_table()?, rest),
        None => table.get(path),
    }
}

/// Puts `value` at `path`; missing sections are made.
pub(super) fn put(table: &mut toml::Table, path: &str, value: toml::Value) {
    match path.split_once('.') {
        Some((section, rest)) => {
            let inner = table
                .entry(section)
                .or_insert_with(|| toml::Table::new().into());
            put(
                inner.as_table_mut().expect("sections are tables"),
                rest,
                value,
            );
        }
        None => {
            table.insert(path.to_owned(), value);
        }
    }
}
