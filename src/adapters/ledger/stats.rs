//! Sums over calls, group by group: one walk over the index that holds all that is summed, never over the wide
//! rows. Percentiles are values that were seen, not estimates.

use super::conditions::Conditions;
use super::search::SearchError;
use crate::domain::filter::parse;
use crate::domain::money::Money;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallStats, CallSums, GroupBy, Percentiles, StatsGroup, StatsQuery};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, Row, params_from_iter};
use std::collections::HashMap;

/// Things to group by in one question.
const MOST_KEYS: usize = 2;
/// Groups told: more is a list of calls, not a summary.
const MOST_GROUPS: usize = 1000;
const HOUR_MS: i64 = 3_600_000;

const COLUMNS: &str =
    "ts, label_id, status, duration_ms, ttft_ms, tokens_in, tokens_out, cost_pico, cost_provenance, cache";

/// Sums as asked. `today` is where the walk begins when neither the query nor its filter says.
///
/// # Errors
/// A wrong filter, SQLite's own.
pub fn stats(
    connection: &Connection,
    query: &StatsQuery,
    now: UnixMs,
    today: UnixMs,
    zone: &TimeZone,
) -> Result<CallStats, SearchError> {
    let filter = parse(&query.filter).map_err(SearchError::Filter)?;
    let mut conditions = Conditions::of(&filter, now);
    let since = query.since.or(conditions.reach_back).unwrap_or(today);
    conditions.from(since);
    let index = conditions.index(connection)?;
    let (sql, values) = conditions.sql(&format!("SELECT {COLUMNS} FROM calls INDEXED BY {index}"));

    let by = &query.by[..query.by.len().min(MOST_KEYS)];
    let mut keys = by.iter().map(|by| Key::new(*by, connection)).collect::<rusqlite::Result<Vec<_>>>()?;
    let mut places: HashMap<[u32; MOST_KEYS], usize> = HashMap::new();
    let mut groups: Vec<([u32; MOST_KEYS], Gathered)> = Vec::new();
    let mut all = Gathered::default();
    let mut last: Option<([u32; MOST_KEYS], usize)> = None;

    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let call = Call::read(row)?;
        all.add(&call);
        if keys.is_empty() {
            continue;
        }
        let mut key = [0; MOST_KEYS];
        for (place, dimension) in keys.iter_mut().enumerate() {
            key[place] = dimension.of(&call, zone);
        }
        let place = match last {
            Some((known, place)) if known == key => place,
            _ => *places.entry(key).or_insert_with(|| {
                groups.push((key, Gathered::default()));
                groups.len() - 1
            }),
        };
        last = Some((key, place));
        groups[place].1.add(&call);
    }

    let told: Vec<StatsGroup> = groups
        .into_iter()
        .map(|(key, gathered)| StatsGroup {
            key: keys.iter().zip(key).map(|(dimension, id)| dimension.name(id)).collect(),
            sums: gathered.finish(),
        })
        .collect();
    let (groups, left_out) = in_order(told, by);
    Ok(CallStats { since, groups, all: all.finish(), left_out, times: times(since, now, by, zone) })
}

/// The names of all days or hours of a time; none where they are too many, or not asked for.
fn times(since: UnixMs, now: UnixMs, by: &[GroupBy], zone: &TimeZone) -> Vec<String> {
    let Some(by) = by.iter().find(|by| matches!(by, GroupBy::Day | GroupBy::Hour)) else { return Vec::new() };
    let mut names: Vec<String> = Vec::new();
    let mut at = since.0;
    while at <= now.0 {
        let (_, end, name) = span(at, zone, *by == GroupBy::Hour);
        if name.is_empty() || names.len() == MOST_GROUPS {
            return Vec::new();
        }
        // The hour that the clocks go through twice has one name.
        if names.last() != Some(&name) {
            names.push(name);
        }
        at = end;
    }
    names
}

/// Time goes on; else the most calls first. The groups with the fewest calls are left out when there are too many.
fn in_order(mut groups: Vec<StatsGroup>, by: &[GroupBy]) -> (Vec<StatsGroup>, u64) {
    groups.sort_by(|a, b| b.sums.calls.cmp(&a.sums.calls).then_with(|| a.key.cmp(&b.key)));
    let left_out = groups.len().saturating_sub(MOST_GROUPS) as u64;
    groups.truncate(MOST_GROUPS);
    let timed = by.iter().position(|by| matches!(by, GroupBy::Day | GroupBy::Hour));
    if let Some(place) = timed {
        groups.sort_by(|a, b| a.key[place].cmp(&b.key[place]));
    }
    (groups, left_out)
}

/// What is summed of one call.
struct Call<'a> {
    ts: i64,
    label: i64,
    status: &'a str,
    duration_ms: i64,
    ttft_ms: Option<i64>,
    tokens_in: Option<i64>,
    tokens_out: Option<i64>,
    cost: Option<i64>,
    provenance: &'a str,
    cache: &'a str,
}

impl<'a> Call<'a> {
    fn read(row: &'a Row<'_>) -> rusqlite::Result<Self> {
        let word = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str().unwrap_or(""));
        Ok(Self {
            ts: row.get(0)?,
            label: row.get(1)?,
            status: word(2)?,
            duration_ms: row.get(3)?,
            ttft_ms: row.get(4)?,
            tokens_in: row.get(5)?,
            tokens_out: row.get(6)?,
            cost: row.get(7)?,
            provenance: word(8)?,
            cache: word(9)?,
        })
    }
}

#[derive(Default)]
struct Gathered {
    sums: CallSums,
    durations: Vec<u32>,
    first_tokens: Vec<u32>,
}

impl Gathered {
    fn add(&mut self, call: &Call<'_>) {
        let sums = &mut self.sums;
        sums.calls += 1;
        match call.status {
            "ok" => sums.ok += 1,
            "denied" => sums.denied += 1,
            "cancelled" => sums.cancelled += 1,
            _ => sums.errors += 1,
        }
        sums.cached += u64::from(call.cache == "hit");
        let count = |number: Option<i64>| number.map_or(0, i64::unsigned_abs);
        sums.tokens_in = sums.tokens_in.saturating_add(count(call.tokens_in));
        sums.tokens_out = sums.tokens_out.saturating_add(count(call.tokens_out));
        match (call.cost, call.provenance) {
            (Some(pico), "billed") => sums.billed = sums.billed.saturating_add(Money(pico)),
            (Some(pico), "unknown") => {
                sums.estimated = sums.estimated.saturating_add(Money(pico));
                sums.unpriced += u64::from(call.status == "ok");
            }
            (Some(pico), "estimated") => sums.estimated = sums.estimated.saturating_add(Money(pico)),
            (Some(pico), _) => sums.computed = sums.computed.saturating_add(Money(pico)),
            (None, _) => sums.unpriced += u64::from(call.status == "ok"),
        }
        let short = |ms: i64| u32::try_from(ms).unwrap_or(if ms < 0 { 0 } else { u32::MAX });
        self.durations.push(short(call.duration_ms));
        self.first_tokens.extend(call.ttft_ms.map(short));
    }

    fn finish(mut self) -> CallSums {
        self.sums.duration_ms = percentiles(&mut self.durations);
        self.sums.ttft_ms = percentiles(&mut self.first_tokens);
        self.sums
    }
}

/// By nearest rank. Puts the values into another order.
fn percentiles(values: &mut [u32]) -> Percentiles {
    let of = values.len();
    let mut at = |share: usize| {
        let rank = (of * share).div_ceil(100).max(1) - 1;
        (rank < of).then(|| u64::from(*values.select_nth_unstable(rank).1))
    };
    Percentiles { of: of as u64, p50: at(50), p95: at(95), p99: at(99) }
}

/// One thing to group by: what each call has of it, as a small number.
struct Key {
    by: GroupBy,
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// What stands in a label, for the things that do.
    labels: HashMap<i64, u32>,
    /// The label met last, and the span of time met last: neighbours are mostly alike.
    last_label: Option<(i64, u32)>,
    last_span: Option<(i64, i64, u32)>,
}

impl Key {
    fn new(by: GroupBy, connection: &Connection) -> rusqlite::Result<Self> {
        let mut key = Self {
            by,
            names: Vec::new(),
            numbers: HashMap::new(),
            labels: HashMap::new(),
            last_label: None,
            last_span: None,
        };
        let column = match by {
            GroupBy::Provider => "provider",
            GroupBy::Model => "CASE WHEN provider = '' THEN '' ELSE provider || '/' || model END",
            GroupBy::Policy => "policy",
            GroupBy::Type => "request_type",
            GroupBy::Client => "client",
            GroupBy::Error => "error_code",
            GroupBy::Status | GroupBy::Day | GroupBy::Hour => return Ok(key),
        };
        let mut statement = connection.prepare_cached(&format!("SELECT id, {column} FROM labels"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number = key.number(row.get_ref(1)?.as_str().unwrap_or(""));
            key.labels.insert(row.get(0)?, number);
        }
        Ok(key)
    }

    fn name(&self, number: u32) -> String {
        usize::try_from(number).ok().and_then(|number| self.names.get(number)).cloned().unwrap_or_default()
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    fn of(&mut self, call: &Call<'_>, zone: &TimeZone) -> u32 {
        match self.by {
            GroupBy::Status => self.number(call.status),
            GroupBy::Day | GroupBy::Hour => {
                if let Some((start, end, number)) = self.last_span
                    && (start..end).contains(&call.ts)
                {
                    return number;
                }
                let (start, end, name) = span(call.ts, zone, self.by == GroupBy::Hour);
                let number = self.number(&name);
                self.last_span = Some((start, end, number));
                number
            }
            _ => {
                if let Some((label, number)) = self.last_label
                    && label == call.label
                {
                    return number;
                }
                let number = match self.labels.get(&call.label) {
                    Some(number) => *number,
                    // Written after the labels were read.
                    None => self.number(""),
                };
                self.last_label = Some((call.label, number));
                number
            }
        }
    }
}

/// The civil day or hour that holds a moment, and its name. A time that has no date is a span of its own.
fn span(ts: i64, zone: &TimeZone, hour: bool) -> (i64, i64, String) {
    let Ok(moment) = Timestamp::from_millisecond(ts).map(|moment| moment.to_zoned(zone.clone())) else {
        return (ts, ts.saturating_add(1), String::new());
    };
    if hour {
        let local = ts.saturating_add(i64::from(moment.offset().seconds()) * 1000);
        let start = ts - local.rem_euclid(HOUR_MS);
        return (start, start.saturating_add(HOUR_MS), moment.strftime("%Y-%m-%d %H:00").to_string());
    }
    let name = moment.strftime("%Y-%m-%d").to_string();
    let ends = moment.start_of_day().and_then(|start| Ok((start, moment.tomorrow()?.start_of_day()?)));
    match ends {
        Ok((start, end)) => (start.timestamp().as_millisecond(), end.timestamp().as_millisecond(), name),
        Err(_) => (ts, ts.saturating_add(1), name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut seen: Vec<u32> = (1..=200).rev().collect();
        let found = percentiles(&mut seen);
        assert_eq!((found.p50, found.p95, found.p99, found.of), (Some(100), Some(190), Some(198), 200));
        assert_eq!(percentiles(&mut [7]), Percentiles { of: 1, p50: Some(7), p95: Some(7), p99: Some(7) });
        assert_eq!(percentiles(&mut []), Percentiles::default());
    }

    #[test]
    fn days_are_those_of_the_zone_and_as_long_as_its_clocks_make_them() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at: Timestamp = "2026-10-25T10:30:00Z".parse().unwrap();
        let (start, end, name) = span(at.as_millisecond(), &zone, false);
        assert_eq!((name.as_str(), end - start), ("2026-10-25", 25 * HOUR_MS));
        let (start, end, name) = span(at.as_millisecond(), &zone, true);
        assert_eq!((name.as_str(), end - start), ("2026-10-25 11:00", HOUR_MS));
        let at = UnixMs(at.as_millisecond());
        let names = |hours: i64, by| times(UnixMs(at.0 - hours * HOUR_MS), at, &[by], &zone);
        assert_eq!(names(24, GroupBy::Day), ["2026-10-24", "2026-10-25"]);
        let hours = names(12, GroupBy::Hour);
        assert_eq!((hours.len(), hours[0].as_str(), hours[11].as_str()), (12, "2026-10-25 00:00", "2026-10-25 11:00"));
        assert!(names(24 * 365, GroupBy::Hour).is_empty(), "too many");
        assert!(names(12, GroupBy::Model).is_empty());
        assert_eq!(start % HOUR_MS, 0);
    }
}
