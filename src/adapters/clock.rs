//! The wall clock, and where a civil day begins. The only place that asks the machine for the time.

use crate::domain::budget::{CivilDate, Day};
use crate::domain::routing::LocalTime;
use crate::domain::schedule::Civil;
use crate::domain::time::UnixMs;
use crate::engine::ports::Clock;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's own clock and zone data.
#[derive(Debug, Default)]
pub struct SystemClock {
    /// Zones already warned about: once each is enough.
    unknown_zones: Mutex<HashSet<String>>,
}

impl SystemClock {
    pub fn new() -> Self {
        Self::default()
    }

    /// The zone of this name, else the machine's own.
    pub fn zone(&self, name: Option<&str>) -> TimeZone {
        let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else {
            return TimeZone::try_system().unwrap_or(TimeZone::UTC);
        };
        TimeZone::get(name).unwrap_or_else(|error| {
            let first = self.unknown_zones.lock().is_ok_and(|mut seen| seen.insert(name.to_owned()));
            if first {
                tracing::warn!(
                    zone = name,
                    %error,
                    "this time zone is not known here: days are counted in UTC; write an IANA name, as in Europe/Berlin, in budget.timezone"
                );
            }
            TimeZone::UTC
        })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        unix_now()
    }

    fn day_start(&self, at: UnixMs, zone: Option<&str>) -> UnixMs {
        civil_day_start(at, &self.zone(zone))
    }

    fn day(&self, at: UnixMs, zone: Option<&str>) -> Day {
        civil_day(at, &self.zone(zone))
    }

    fn local_time(&self, at: UnixMs) -> LocalTime {
        local_time(at, &self.zone(None))
    }

    fn civil(&self, at: UnixMs, zone: Option<&str>) -> Civil {
        civil(at, &self.zone(zone))
    }

    fn moment(&self, at: UnixMs, now: UnixMs) -> String {
        let zone = self.zone(None);
        let moment = Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(zone.clone());
        let same_day = civil(at, &zone).date == civil(now, &zone).date;
        moment.strftime(if same_day { "%H:%M" } else { "%-d %b %H:%M" }).to_string()
    }

    fn time_of_day(&self, at: UnixMs) -> String {
        let moment = Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(self.zone(None));
        moment.strftime("%H:%M:%S").to_string()
    }
}

/// Hour and weekday of a moment in a zone. A time outside the years -9999 to 9999 is told in UTC.
pub fn local_time(at: UnixMs, zone: &TimeZone) -> LocalTime {
    let Ok(moment) = Timestamp::from_millisecond(at.0) else { return LocalTime::utc(at) };
    let here = moment.to_zoned(zone.clone());
    let small = |value: i8| u8::try_from(value).unwrap_or(0);
    LocalTime { hour: small(here.hour()), weekday: small(here.weekday().to_sunday_zero_offset()) }
}

/// Date and time of day of a moment in a zone. A time outside the years -9999 to 9999 is told in UTC.
pub fn civil(at: UnixMs, zone: &TimeZone) -> Civil {
    let Ok(moment) = Timestamp::from_millisecond(at.0) else { return Civil::utc(at) };
    let here = moment.to_zoned(zone.clone());
    let small = |value: i8| u16::try_from(value).unwrap_or(0);
    Civil { date: civil_date(here.date()), minute: small(here.hour()) * 60 + small(here.minute()) }
}

fn civil_date(date: jiff::civil::Date) -> CivilDate {
    let small = |value: i8| u8::try_from(value).unwrap_or(1);
    CivilDate { year: date.year(), month: small(date.month()), day: small(date.day()) }
}

/// The time now. A machine whose clock stands before 1970 gets 1970.
pub fn unix_now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The first moment of the civil day that holds `at`. Where a change of the clocks skips midnight, that is
/// the first moment after the gap. A time outside the years -9999 to 9999 is its own day.
pub fn civil_day_start(at: UnixMs, zone: &TimeZone) -> UnixMs {
    Timestamp::from_millisecond(at.0)
        .and_then(|moment| moment.to_zoned(zone.clone()).start_of_day())
        .map_or(at, |start| UnixMs(start.timestamp().as_millisecond()))
}

/// The civil day that holds `at`: 23 hours long or 25 where the clocks change. Times outside the years -9999 to
/// 9999 are days of UTC.
pub fn civil_day(at: UnixMs, zone: &TimeZone) -> Day {
    let known = || {
        let here = Timestamp::from_millisecond(at.0)?.to_zoned(zone.clone());
        let start = here.start_of_day()?.timestamp().as_millisecond();
        let end = here.tomorrow()?.start_of_day()?.timestamp().as_millisecond();
        Ok::<_, jiff::Error>(Day { date: civil_date(here.date()), start: UnixMs(start), end: UnixMs(end) })
    };
    known().unwrap_or_else(|_| Day { date: CivilDate::utc(at), start: at, end: UnixMs(at.0.saturating_add(1)) })
}

/// RFC 3339 in UTC with milliseconds, as in `2026-11-03T22:14:31.250Z`.
pub fn rfc3339(at: UnixMs) -> String {
    Timestamp::from_millisecond(at.0)
        .map_or_else(|_| format!("{} ms since 1970", at.0), |moment| format!("{moment:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> UnixMs {
        UnixMs(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    /// Central Europe and Chile by their rules, so that the tests need no zone data on the machine.
    fn central_europe() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn chile() -> TimeZone {
        TimeZone::posix("<-04>4<-03>,M9.1.6/24,M4.1.6/24").unwrap()
    }

    #[test]
    fn a_day_begins_at_local_midnight_in_winter_and_in_summer() {
        assert_eq!(civil_day_start(ms("2026-01-15T12:00:00Z"), &central_europe()), ms("2026-01-14T23:00:00Z"));
        assert_eq!(civil_day_start(ms("2026-07-15T12:00:00Z"), &central_europe()), ms("2026-07-14T22:00:00Z"));
        assert_eq!(civil_day_start(ms("2026-07-15T12:00:00Z"), &TimeZone::UTC), ms("2026-07-15T00:00:00Z"));
    }

    #[test]
    fn the_days_on_which_the_clocks_change_have_23_and_25_hours() {
        let spring = civil_day_start(ms("2026-03-29T12:00:00Z"), &central_europe());
        let after_spring = civil_day_start(ms("2026-03-30T12:00:00Z"), &central_europe());
        assert_eq!(after_spring.since(spring).as_secs(), 23 * 3600);
        let autumn = civil_day_start(ms("2026-10-25T00:30:00Z"), &central_europe());
        assert_eq!(autumn, civil_day_start(ms("2026-10-25T22:59:59Z"), &central_europe()));
        let after_autumn = civil_day_start(ms("2026-10-25T23:00:00Z"), &central_europe());
        assert_eq!(after_autumn.since(autumn).as_secs(), 25 * 3600);
    }

    #[test]
    fn a_midnight_that_does_not_exist_is_the_first_moment_after_it() {
        // Chile turns its clocks from 24:00 to 01:00.
        assert_eq!(civil_day_start(ms("2026-09-06T12:00:00Z"), &chile()), ms("2026-09-06T04:00:00Z"));
    }

    #[test]
    fn the_first_millisecond_belongs_to_the_day_and_the_one_before_does_not() {
        let start = ms("2026-01-14T23:00:00Z");
        assert_eq!(civil_day_start(start, &central_europe()), start);
        assert_eq!(civil_day_start(UnixMs(start.0 - 1), &central_europe()), ms("2026-01-13T23:00:00Z"));
    }

    #[test]
    fn an_unknown_zone_counts_days_in_utc() {
        let clock = SystemClock::new();
        let noon = ms("2026-07-15T12:00:00Z");
        assert_eq!(clock.day_start(noon, Some("Middle/Earth")), ms("2026-07-15T00:00:00Z"));
        assert_eq!(clock.day_start(noon, Some("UTC")), ms("2026-07-15T00:00:00Z"));
    }

    #[test]
    fn times_beyond_the_calendar_do_no_harm() {
        assert_eq!(civil_day_start(UnixMs(i64::MAX), &central_europe()), UnixMs(i64::MAX));
        assert_eq!(rfc3339(UnixMs(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(UnixMs(i64::MIN)), format!("{} ms since 1970", i64::MIN));
    }
}
