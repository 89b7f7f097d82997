//! A page of the one stream: each table is walked by the most selective condition that has an index,
//! the other conditions are looked at row by row, and both are merged.

use super::sql::{self, Walk};
use super::walk::{Course, Key, Walked, merge};
use super::{Cursor, EventQuery, LogStoreError, PAGE_MAX, Page, SEVERITY_MAX, Table, least_level};
use crate::base::clock::UnixNanos;
use crate::read_model::entities::links::{Link, Links, positions_of};
use crate::storage::{Session, StorageError, Value, all, first, search};
use crate::values;

/// How much a page looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Rows of a table, round by round.
    pub(super) rounds: &'static [i64],
    /// A phrase in at most so many rows is rare: they are all looked up and sorted.
    pub(super) rare: i64,
}

/// At first few rows, as most pages are soon full, then as many as take about a second; looking up
/// and sorting rare ones takes some 50 ms.
pub(super) const BOUNDS: Bounds = Bounds {
    rounds: &[2_000, 200_000],
    rare: 20_000,
};

/// Most links that are looked at by one statement.
const LINKS_AT_ONCE: usize = 4_096;
/// Where the entity stands among the values of a walk.
const ENTITY_AT: usize = 7;

/// The conditions, as the statements take them.
struct Conditions {
    since: UnixNanos,
    from: Key,
    severity: i64,
    /// `log/heron/sshd` as a number for lines.
    line_source: Option<i64>,
    source_id: Option<String>,
    source_type: Option<String>,
    template: Option<i64>,
    entity: Option<i64>,
    phrase: Option<String>,
}

/// Reads it.
pub(super) fn read(
    session: &mut dyn Session,
    query: &EventQuery,
    bounds: Bounds,
) -> Result<Page, LogStoreError> {
    validate(query)?;
    let phrase = query.text.as_deref().map(search::phrase);
    let entity = query.entity.map(|uuid| {
        let bytes = uuid.into_bytes();
        first(session, sql::ENTITY, values![&bytes[..]], |row| row.int(0))
    });
    let entity = entity.transpose()?;
    // Words that are none, and an entity that nobody knows, are in no row.
    if matches!(phrase, Some(None)) || matches!(entity, Some(None)) {
        return Ok(Page {
            events: Vec::new(),
            next: None,
            stopped: false,
        });
    }
    let all = (query.until, i64::MAX);
    let mut conditions = Conditions {
        since: query.since,
        from: query
            .cursor
            .map_or(all, |cursor| all.min((cursor.at, cursor.position))),
        severity: 0,
        line_source: None,
        source_id: query.source_id.clone(),
        source_type: query.source_type.clone(),
        template: query.template,
        entity: entity.flatten(),
        phrase: phrase.flatten(),
    };
    let limit = query.limit as usize;
    let lines = lines(session, query, &mut conditions, bounds)?;
    let moments = moments(session, query, &mut conditions, bounds)?;
    let (events, next, stopped) = merge(lines, moments, limit, |event| (event.at, event.position));
    Ok(Page {
        events,
        next: next.map(|key| Cursor::behind(query, key)),
        stopped,
    })
}

fn validate(query: &EventQuery) -> Result<(), LogStoreError> {
    if !(1..=PAGE_MAX).contains(&query.limit) {
        return Err(LogStoreError::PageSize(query.limit));
    }
    if query.since > query.until {
        return Err(LogStoreError::Range);
    }
    if query.min_severity > SEVERITY_MAX {
        return Err(LogStoreError::Severity(query.min_severity));
    }
    match query.cursor {
        Some(cursor) if !cursor.belongs_to(query) => Err(LogStoreError::OtherCursor),
        _ => Ok(()),
    }
}

fn lines(
    session: &mut dyn Session,
    query: &EventQuery,
    conditions: &mut Conditions,
    bounds: Bounds,
) -> Result<Walked, StorageError> {
    if conditions
        .source_type
        .as_deref()
        .is_some_and(|kind| kind != "log")
    {
        return Ok(Walked::default());
    }
    if let Some(source) = &conditions.source_id {
        let stream = format!("log/{source}");
        conditions.line_source = first(session, sql::SOURCE, values![&stream], |row| row.int(0))?;
        if conditions.line_source.is_none() {
            return Ok(Walked::default());
        }
    }
    conditions.severity = least_level(query.min_severity);
    let is_rare = is_rare(session, sql::COUNT_LINES, conditions, bounds.rare)?;
    if let Some(entity) = conditions.entity.filter(|_| !is_rare) {
        let table = (Table::Lines, sql::LINES_AT);
        return conditions.walk_links(session, entity, table, bounds, query.limit);
    }
    let (walk, whole) = match conditions {
        _ if is_rare => (&sql::LINES_WITH_WORDS, true),
        Conditions {
            template: Some(_), ..
        } => (&sql::LINES_OF_TEMPLATE, false),
        Conditions {
            line_source: Some(_),
            ..
        } => (&sql::LINES_OF_SOURCE, false),
        Conditions { severity: 2.., .. } => (&sql::LINES_BAD, false),
        Conditions {
            severity: 0,
            phrase: None,
            ..
        } => (&sql::LINES, true),
        _ => (&sql::LINES, false),
    };
    conditions.walk(
        session,
        Table::Lines,
        (walk, if whole { &[] } else { bounds.rounds }),
        query.limit,
    )
}

fn moments(
    session: &mut dyn Session,
    query: &EventQuery,
    conditions: &mut Conditions,
    bounds: Bounds,
) -> Result<Walked, StorageError> {
    // Moments have no template.
    if conditions.template.is_some() {
        return Ok(Walked::default());
    }
    conditions.severity = i64::from(query.min_severity);
    let is_rare = is_rare(session, sql::COUNT_MOMENTS, conditions, bounds.rare)?;
    if let Some(entity) = conditions.entity.filter(|_| !is_rare) {
        let table = (Table::Moments, sql::MOMENTS_AT);
        return conditions.walk_links(session, entity, table, bounds, query.limit);
    }
    let (walk, whole) = match conditions {
        _ if is_rare => (&sql::MOMENTS_WITH_WORDS, true),
        Conditions {
            source_id: Some(_), ..
        } => (&sql::MOMENTS_OF_SOURCE, false),
        Conditions {
            source_type: Some(_),
            ..
        } => (&sql::MOMENTS_OF_TYPE, false),
        Conditions { severity: 3.., .. } => (&sql::MOMENTS_GRAVE, false),
        Conditions {
            severity: 0,
            phrase: None,
            ..
        } => (&sql::MOMENTS, true),
        _ => (&sql::MOMENTS, false),
    };
    conditions.walk(
        session,
        Table::Moments,
        (walk, if whole { &[] } else { bounds.rounds }),
        query.limit,
    )
}

fn is_rare(
    session: &mut dyn Session,
    count: &'static str,
    conditions: &Conditions,
    most: i64,
) -> Result<bool, StorageError> {
    let Some(phrase) = &conditions.phrase else {
        return Ok(false);
    };
    let found = first(session, count, values![phrase, most + 1], |row| row.int(0))?;
    Ok(found.is_some_and(|found| found <= most))
}

impl Conditions {
    /// Walks; one without rounds looks at no row that is not wanted, but for those that it sorts.
    fn walk(
        &self,
        session: &mut dyn Session,
        table: Table,
        (walk, rounds): (&Walk, &[i64]),
        limit: u32,
    ) -> Result<Walked, StorageError> {
        let course = Course {
            table,
            page: walk.page,
            end: walk.end,
            lowest: (self.since, i64::MIN),
            // One more, to know whether there are more.
            wanted: i64::from(limit) + 1,
            bind: &|low, many| self.values(low, many, table),
        };
        course.walk(session, rounds)
    }

    /// Walks over what names an entity: first as much as a page may need, then twice as much, until
    /// as many links were looked at as a walk looks at rows.
    fn walk_links(
        &self,
        session: &mut dyn Session,
        entity: i64,
        (table, statement): (Table, &'static str),
        bounds: Bounds,
        limit: u32,
    ) -> Result<Walked, StorageError> {
        let (at, position) = self.from;
        let mut links = Links::of(entity, self.since, Link { at, position });
        // One more, to know whether there are more.
        let wanted = limit as usize + 1;
        let most = bounds.rounds.last().copied().unwrap_or(i64::MAX);
        let mut walked = Walked::default();
        let (mut step, mut looked_at) = (wanted, 0);
        loop {
            let found = links.next(session, step)?;
            let positions = positions_of(&found);
            let missing = (wanted - walked.rows.len()) as i64;
            let mut values = self.values((self.since, i64::MIN), missing, table);
            // That they name it is known.
            values[ENTITY_AT] = Value::Null;
            values.push((&positions).into());
            walked
                .rows
                .extend(all(session, statement, &values, |row| table.event(row))?);
            looked_at += found.len() as i64;
            let Some(last) = found.last().filter(|_| found.len() == step) else {
                return Ok(walked);
            };
            if walked.rows.len() == wanted {
                return Ok(walked);
            }
            if looked_at >= most {
                walked.stopped_at = Some((last.at, last.position));
                return Ok(walked);
            }
            step = (step * 2).clamp(1, LINKS_AT_ONCE);
        }
    }

    /// The values of a walk, in the order of [`sql`].
    fn values(&self, low: Key, many: i64, table: Table) -> Vec<Value<'_>> {
        let (source, which): (Value<'_>, Value<'_>) = match table {
            Table::Lines => (self.line_source.into(), self.template.into()),
            Table::Moments => (
                self.source_id.as_deref().into(),
                self.source_type.as_deref().into(),
            ),
        };
        let phrase = self.phrase.as_deref().into();
        vec![
            low.0.into(),
            low.1.into(),
            self.from.0.into(),
            self.from.1.into(),
            self.severity.into(),
            source,
            which,
            self.entity.into(),
            phrase,
            many.into(),
        ]
    }
}
