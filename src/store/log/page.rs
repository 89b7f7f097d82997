//! A page of the one stream: each table is walked by the most selective condition that has an index,
//! the other conditions are looked at row by row, and both are merged.

use std::cmp::Reverse;

use super::sql::{self, Walk};
use super::walk::{Course, Key, Walked, merge};
use super::{
    Cursor, EventQuery, LogStoreError, PAGE_MAX, Page, SEVERITY_MAX, StoredEvent, Table,
    least_level,
};
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
    if let Some(entity) = conditions.entity
        && conditions.phrase.is_none()
    {
        return of_entity(session, query, &mut conditions, entity, bounds);
    }
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

/// A page of what names an entity. Lines and moments are looked for together, so that neither is
/// looked for farther back than the page reaches.
fn of_entity(
    session: &mut dyn Session,
    query: &EventQuery,
    conditions: &mut Conditions,
    entity: i64,
    bounds: Bounds,
) -> Result<Page, LogStoreError> {
    let (at, position) = conditions.from;
    let mut links = Links::of(entity, conditions.since, Link { at, position });
    let limit = query.limit as usize;
    let most = bounds.rounds.last().copied().unwrap_or(i64::MAX);
    let mut events = Vec::new();
    let mut stopped_at = None;
    let (mut step, mut looked_at) = (limit + 1, 0);
    while events.len() <= limit && stopped_at.is_none() {
        let found = links.next(session, step)?;
        let positions = positions_of(&found);
        let from = events.len();
        if conditions.fit_lines(session, query)? {
            events.extend(conditions.at(session, Table::Lines, &positions)?);
        }
        if conditions.fit_moments(query) {
            events.extend(conditions.at(session, Table::Moments, &positions)?);
        }
        events[from..].sort_by_key(|event: &StoredEvent| Reverse((event.at, event.position)));
        let Some(last) = found.last().filter(|_| found.len() == step) else {
            break;
        };
        looked_at += found.len() as i64;
        stopped_at = (looked_at >= most).then_some((last.at, last.position));
        step = (step * 2).min(LINKS_AT_ONCE);
    }
    let next = if events.len() > limit {
        events.truncate(limit);
        stopped_at = None;
        events.last().map(|last| (last.at, last.position))
    } else {
        stopped_at
    };
    Ok(Page {
        events,
        next: next.map(|key| Cursor::behind(query, key)),
        stopped: stopped_at.is_some(),
    })
}

fn lines(
    session: &mut dyn Session,
    query: &EventQuery,
    conditions: &mut Conditions,
    bounds: Bounds,
) -> Result<Walked, StorageError> {
    if !conditions.fit_lines(session, query)? {
        return Ok(Walked::default());
    }
    let is_rare = is_rare(session, sql::COUNT_LINES, conditions, bounds.rare)?;
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
    if !conditions.fit_moments(query) {
        return Ok(Walked::default());
    }
    let is_rare = is_rare(session, sql::COUNT_MOMENTS, conditions, bounds.rare)?;
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
    /// Makes them those of lines; whether there can be any.
    fn fit_lines(
        &mut self,
        session: &mut dyn Session,
        query: &EventQuery,
    ) -> Result<bool, StorageError> {
        if self
            .source_type
            .as_deref()
            .is_some_and(|kind| kind != "log")
        {
            return Ok(false);
        }
        self.severity = least_level(query.min_severity);
        let Some(source) = &self.source_id else {
            return Ok(true);
        };
        let stream = format!("log/{source}");
        self.line_source = first(session, sql::SOURCE, values![&stream], |row| row.int(0))?;
        Ok(self.line_source.is_some())
    }

    /// Makes them those of moments; whether there can be any. Moments have no template.
    fn fit_moments(&mut self, query: &EventQuery) -> bool {
        self.severity = i64::from(query.min_severity);
        self.template.is_none()
    }

    /// The rows of a table at positions that are known to name the entity.
    fn at(
        &self,
        session: &mut dyn Session,
        table: Table,
        positions: &str,
    ) -> Result<Vec<StoredEvent>, StorageError> {
        let mut values = self.values((self.since, i64::MIN), i64::MAX, table);
        values[ENTITY_AT] = Value::Null;
        values.push(positions.into());
        let statement = match table {
            Table::Lines => sql::LINES_AT,
            Table::Moments => sql::MOMENTS_AT,
        };
        all(session, statement, &values, |row| table.event(row))
    }

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
