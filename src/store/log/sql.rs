//! Every statement of the log store, by name, so that a test can ask the engine how it runs them.
//!
//! A walk is two statements over the same rows in the same order: the page, and the row that so many
//! are in front of, at which a walk that finds too little ends. Rows of a page: position, time, level
//! or severity, template, type, source, message.
//!
//! Of events, `?1 ?2` are time and position of the last row of the walk, `?3 ?4` those of the row
//! behind which it begins, `?5` the least level or severity, `?6` the source (`names.id` of a line,
//! its name of a moment), `?7` the template or the type of the source, `?8` the entity (`entities.id`),
//! `?9` the phrase, `?10` how many; NULL for all. The first table of a walk has its index.

/// Two statements of one walk.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// What it is over and by.
    pub name: &'static str,
    /// Rows of a page.
    pub page: &'static str,
    /// Time and position of the row that `?10` are in front of.
    pub end: &'static str,
}

/// A walk over lines: from, at, position, which.
macro_rules! lines {
    ($name:literal, $from:literal, $at:literal, $position:literal, $which:literal) => {
        lines!(
            $name,
            $from,
            $at,
            $position,
            $which,
            "AND (?9 IS NULL OR l.position IN (SELECT rowid FROM log_lines_fts \
             WHERE log_lines_fts MATCH ?9))"
        )
    };
    ($name:literal, $from:literal, $at:literal, $position:literal, $which:literal,
     $words:literal) => {
        Walk {
            name: $name,
            page: concat!(
                "SELECT l.position, l.at, l.level, l.template_id, NULL, n.name, e.text FROM ",
                $from,
                " CROSS JOIN names n ON n.id = l.source \
                 CROSS JOIN event_log e ON e.position = l.position \
                 WHERE ",
                $which,
                range!($at, $position),
                " AND l.level >= ?5 AND (?6 IS NULL OR l.source = ?6) \
                 AND (?7 IS NULL OR l.template_id = ?7) \
                 AND (?8 IS NULL OR EXISTS (SELECT 1 FROM entity_events o \
                      WHERE o.block = l.position / 1024 AND o.entity = ?8 \
                      AND instr(',' || o.positions || ',', \
                                ',' || (l.position % 1024) || ',') > 0)) \
                 ",
                $words,
                " ORDER BY ",
                $at,
                " DESC, ",
                $position,
                " DESC LIMIT ?10"
            ),
            end: end!($from, $at, $position, $which),
        }
    };
}

/// A walk over moments.
macro_rules! moments {
    ($name:literal, $from:literal, $at:literal, $position:literal, $which:literal) => {
        moments!(
            $name,
            $from,
            $at,
            $position,
            $which,
            "AND (?9 IS NULL OR m.position IN (SELECT rowid FROM events_fts \
             WHERE events_fts MATCH ?9))"
        )
    };
    ($name:literal, $from:literal, $at:literal, $position:literal, $which:literal,
     $words:literal) => {
        Walk {
            name: $name,
            page: concat!(
                "SELECT m.position, m.timestamp_ns, m.severity_id, m.template_id, m.type, \
                 m.source_type || '/' || m.source_id, m.message FROM ",
                $from,
                " WHERE ",
                $which,
                range!($at, $position),
                " AND m.severity_id >= ?5 AND (?6 IS NULL OR m.source_id = ?6) \
                 AND (?7 IS NULL OR m.source_type = ?7) \
                 AND (?8 IS NULL OR EXISTS (SELECT 1 FROM entity_events o \
                      WHERE o.block = m.position / 1024 AND o.entity = ?8 \
                      AND instr(',' || o.positions || ',', \
                                ',' || (m.position % 1024) || ',') > 0)) \
                 ",
                $words,
                " ORDER BY ",
                $at,
                " DESC, ",
                $position,
                " DESC LIMIT ?10"
            ),
            end: end!($from, $at, $position, $which),
        }
    };
}

macro_rules! range {
    ($at:literal, $position:literal) => {
        concat!(
            "(",
            $at,
            ", ",
            $position,
            ") >= (?1, ?2) AND (",
            $at,
            ", ",
            $position,
            ") < (?3, ?4)"
        )
    };
}

macro_rules! end {
    ($from:literal, $at:literal, $position:literal, $which:literal) => {
        concat!(
            "SELECT ",
            $at,
            ", ",
            $position,
            " FROM ",
            $from,
            " WHERE ",
            $which,
            range!($at, $position),
            " ORDER BY ",
            $at,
            " DESC, ",
            $position,
            " DESC LIMIT 1 OFFSET ?10"
        )
    };
}
/// Lines by time.
pub const LINES: Walk = lines!("lines", "log_lines l", "l.at", "l.position", "");
/// Lines of WARNING and above.
pub const LINES_BAD: Walk = lines!(
    "bad lines",
    "log_lines l",
    "l.at",
    "l.position",
    "l.level >= 2 AND "
);
/// Lines of a source.
pub const LINES_OF_SOURCE: Walk = lines!(
    "lines of a source",
    "log_lines l",
    "l.at",
    "l.position",
    "l.source = ?6 AND "
);
/// Lines of a template.
pub const LINES_OF_TEMPLATE: Walk = lines!(
    "lines of a template",
    "log_lines l",
    "l.at",
    "l.position",
    "l.template_id = ?7 AND "
);
/// Of the positions `?11`, a JSON array, those of lines.
pub const LINES_AT: &str = lines!(
    "lines at positions",
    "json_each(?11) v CROSS JOIN log_lines l ON l.position = CAST (v.value AS INTEGER)",
    "l.at",
    "l.position",
    ""
)
.page;
/// Lines with a phrase that is rare: they are sorted.
pub const LINES_WITH_WORDS: Walk = lines!(
    "lines with words",
    "log_lines_fts w CROSS JOIN log_lines l ON l.position = w.rowid",
    "l.at",
    "l.position",
    "w.log_lines_fts MATCH ?9 AND ",
    ""
);

/// Moments by time.
pub const MOMENTS: Walk = moments!("moments", "events m", "m.timestamp_ns", "m.position", "");
/// Moments of WARNING and above.
pub const MOMENTS_GRAVE: Walk = moments!(
    "grave moments",
    "events m",
    "m.timestamp_ns",
    "m.position",
    "m.severity_id >= 3 AND "
);
/// Moments of a source.
pub const MOMENTS_OF_SOURCE: Walk = moments!(
    "moments of a source",
    "events m",
    "m.timestamp_ns",
    "m.position",
    "m.source_id = ?6 AND "
);
/// Moments of sources of one type.
pub const MOMENTS_OF_TYPE: Walk = moments!(
    "moments of a type",
    "events m",
    "m.timestamp_ns",
    "m.position",
    "m.source_type = ?7 AND "
);
/// Of the positions `?11`, a JSON array, those of moments.
pub const MOMENTS_AT: &str = moments!(
    "moments at positions",
    "json_each(?11) v CROSS JOIN events m ON m.position = CAST (v.value AS INTEGER)",
    "m.timestamp_ns",
    "m.position",
    ""
)
.page;
/// Moments with a phrase that is rare: they are sorted.
pub const MOMENTS_WITH_WORDS: Walk = moments!(
    "moments with words",
    "events_fts w CROSS JOIN events m ON m.position = w.rowid",
    "m.timestamp_ns",
    "m.position",
    "w.events_fts MATCH ?9 AND ",
    ""
);

/// Every walk by time.
pub const WALKS: &[Walk] = &[
    LINES,
    LINES_BAD,
    LINES_OF_SOURCE,
    LINES_OF_TEMPLATE,
    LINES_WITH_WORDS,
    MOMENTS,
    MOMENTS_GRAVE,
    MOMENTS_OF_SOURCE,
    MOMENTS_OF_TYPE,
    MOMENTS_WITH_WORDS,
];

// ── By arrival ──────────────────────────────────────────────────────────────────────────────────
//
// `?1` the phrase or the text, `?2` the lowest position, `?3` the position before which it begins,
// `?4 ?5` the range of time (both inclusive), `?6` how many.

/// Two statements over the rows of one table that hold a text, the last arrived first.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// What it is over and by.
    pub name: &'static str,
    /// Rows of a page.
    pub page: &'static str,
    /// Position (and 0) of the row that `?6` are in front of.
    pub end: &'static str,
}

macro_rules! hunt {
    ($name:literal, $columns:literal, $from:literal, $joins:literal, $position:literal,
     $at:literal, $which:literal, $holds:literal) => {
        Hunt {
            name: $name,
            page: concat!(
                "SELECT ",
                $columns,
                " FROM ",
                $from,
                $joins,
                " WHERE ",
                $which,
                $position,
                " >= ?2 AND ",
                $position,
                " < ?3 AND ",
                $at,
                " BETWEEN ?4 AND ?5",
                $holds,
                " ORDER BY ",
                $position,
                " DESC LIMIT ?6"
            ),
            end: concat!(
                "SELECT ",
                $position,
                ", 0 FROM ",
                $from,
                " WHERE ",
                $which,
                $position,
                " >= ?2 AND ",
                $position,
                " < ?3 ORDER BY ",
                $position,
                " DESC LIMIT 1 OFFSET ?6"
            ),
        }
    };
}

/// Lines with a phrase.
pub const LINES_BY_WORDS: Hunt = hunt!(
    "lines by words",
    "l.position, l.at, l.level, l.template_id, NULL, n.name, e.text",
    "log_lines_fts w",
    " CROSS JOIN log_lines l ON l.position = w.rowid CROSS JOIN names n ON n.id = l.source \
     CROSS JOIN event_log e ON e.position = w.rowid",
    "w.rowid",
    "l.at",
    "w.log_lines_fts MATCH ?1 AND ",
    ""
);
/// Moments with a phrase.
pub const MOMENTS_BY_WORDS: Hunt = hunt!(
    "moments by words",
    "m.position, m.timestamp_ns, m.severity_id, m.template_id, m.type, \
     m.source_type || '/' || m.source_id, m.message",
    "events_fts w",
    " CROSS JOIN events m ON m.position = w.rowid",
    "w.rowid",
    "m.timestamp_ns",
    "w.events_fts MATCH ?1 AND ",
    ""
);
/// Lines with a text.
pub const LINES_BY_TEXT: Hunt = hunt!(
    "lines by text",
    "l.position, l.at, l.level, l.template_id, NULL, n.name, e.text",
    "log_lines l",
    " CROSS JOIN names n ON n.id = l.source CROSS JOIN event_log e ON e.position = l.position",
    "l.position",
    "l.at",
    "",
    " AND instr(e.text, ?1) > 0"
);
/// Moments with a text.
pub const MOMENTS_BY_TEXT: Hunt = hunt!(
    "moments by text",
    "m.position, m.timestamp_ns, m.severity_id, m.template_id, m.type, \
     m.source_type || '/' || m.source_id, m.message",
    "events m",
    "",
    "m.position",
    "m.timestamp_ns",
    "",
    " AND instr(m.message, ?1) > 0"
);

/// Every hunt by arrival.
pub const HUNTS: &[Hunt] = &[
    LINES_BY_WORDS,
    MOMENTS_BY_WORDS,
    LINES_BY_TEXT,
    MOMENTS_BY_TEXT,
];

/// How many lines lie in a range of time (both inclusive) up to `?3`, and between which positions.
pub const LINES_BETWEEN: &str = "SELECT count(*), min(position), max(position) FROM \
     (SELECT position FROM log_lines WHERE at BETWEEN ?1 AND ?2 LIMIT ?3)";
/// The same of moments.
pub const MOMENTS_BETWEEN: &str = "SELECT count(*), min(position), max(position) FROM \
     (SELECT position FROM events WHERE timestamp_ns BETWEEN ?1 AND ?2 LIMIT ?3)";

/// Lines with the phrase `?1`, counted up to `?2`.
pub const COUNT_LINES: &str = "SELECT count(*) FROM (SELECT rowid FROM log_lines_fts \
     WHERE log_lines_fts MATCH ?1 LIMIT ?2)";
/// The same of moments.
pub const COUNT_MOMENTS: &str = "SELECT count(*) FROM (SELECT rowid FROM events_fts \
     WHERE events_fts MATCH ?1 LIMIT ?2)";

/// The line at position `?2` with what the phrase `?1` found in it between `?3` and `?4`.
pub const MARKED_LINE: &str = "SELECT highlight(log_lines_fts, 0, ?3, ?4) FROM log_lines_fts \
     WHERE log_lines_fts MATCH ?1 AND rowid = ?2";
/// The same of a moment.
pub const MARKED_MOMENT: &str = "SELECT highlight(events_fts, 0, ?3, ?4) FROM events_fts \
     WHERE events_fts MATCH ?1 AND rowid = ?2";

/// The number of a source by the name of its stream.
pub const SOURCE: &str = "SELECT id FROM names WHERE name = ?1";
/// The number of an entity.
pub const ENTITY: &str = "SELECT id FROM entities WHERE uuid = ?1";

/// Every statement that is no walk and no hunt.
pub const OTHERS: &[&str] = &[
    LINES_AT,
    MOMENTS_AT,
    LINES_BETWEEN,
    MOMENTS_BETWEEN,
    COUNT_LINES,
    COUNT_MOMENTS,
    MARKED_LINE,
    MARKED_MOMENT,
    SOURCE,
    ENTITY,
];
