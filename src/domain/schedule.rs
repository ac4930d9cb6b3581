//! Hours and moments of the week as people write them: `mon-fri 08:00-18:00`, `mon-fri 07:55`. On the civil clock,
//! so that a change of the clocks moves nothing; which civil time it is now is said by a clock that knows the zone.

use super::budget::CivilDate;
use super::time::UnixMs;
use std::fmt;
use std::time::Duration;

/// How late a moment is still kept: a machine that slept, or a clock that skipped it.
const LATE: u16 = 60;
const DAY_MINUTES: u16 = 24 * 60;

/// What the hands and the calendar on the wall show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    pub date: CivilDate,
    /// Since midnight as the hands show it, 0 to 1439.
    pub minute: u16,
}

impl Civil {
    /// In UTC, for a machine that does not tell its zone.
    pub fn utc(at: UnixMs) -> Self {
        let minute = at.0.div_euclid(60_000).rem_euclid(i64::from(DAY_MINUTES));
        Self { date: CivilDate::utc(at), minute: u16::try_from(minute).unwrap_or(0) }
    }
}

/// Days of the week, one bit each; Sunday is bit 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Days(u8);

const NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Days {
    const ALL: Self = Self(0b111_1111);

    fn hold(self, date: CivilDate) -> bool {
        self.0 & (1 << date.weekday()) != 0
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text == "daily" {
            return Ok(Self::ALL);
        }
        let mut days = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (weekday(first)?, weekday(last)?);
            let mut day = first;
            loop {
                days |= 1 << day;
                if day == last {
                    break;
                }
                day = (day + 1) % 7;
            }
        }
        Ok(Self(days))
    }
}

fn weekday(text: &str) -> Result<usize, String> {
    let name = text.trim().to_ascii_lowercase();
    NAMES
        .iter()
        .position(|known| *known == name)
        .ok_or_else(|| format!("{:?} is no day: mon tue wed thu fri sat sun, or daily", shown(text)))
}

/// Minutes since midnight; `24:00` only where a span may end with its day.
fn time_of_day(text: &str, end: bool) -> Result<u16, String> {
    let wrong = || format!("{:?} is no time of day: write it as in 08:30", shown(text));
    let (hours, minutes) = text.trim().split_once(':').ok_or_else(wrong)?;
    if !(1..=2).contains(&hours.len()) || minutes.len() != 2 {
        return Err(wrong());
    }
    let hours: u16 = hours.parse().map_err(|_| wrong())?;
    let minutes: u16 = minutes.parse().map_err(|_| wrong())?;
    let fits = (hours < 24 && minutes < 60) || (end && hours == 24 && minutes == 0);
    if fits { Ok(hours * 60 + minutes) } else { Err(wrong()) }
}

fn shown(text: &str) -> String {
    text.trim().chars().take(20).collect()
}

/// The parts of a text, each split into its days and the rest.
fn parts(text: &str) -> Result<Vec<(Days, &str)>, String> {
    let split = |part: &'_ str| -> Result<(Days, usize), String> {
        match part.split_once(char::is_whitespace) {
            Some((days, rest)) => Ok((Days::parse(&days.to_ascii_lowercase())?, part.len() - rest.len())),
            None => Ok((Days::ALL, 0)),
        }
    };
    let trimmed = text.split(';').map(str::trim);
    trimmed.map(|part| split(part).map(|(days, at)| (days, part.get(at..).unwrap_or_default().trim()))).collect()
}

/// One stretch of hours on some days; it may pass midnight and then belongs to the day it begins on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    days: Days,
    from: u16,
    to: u16,
}

/// Hours of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// None: all the time.
    spans: Vec<Span>,
    text: String,
}

/// One stretch of [`Hours`]: which day it began on, and which of the spans it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    pub begun: CivilDate,
    pub span: usize,
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.begun, self.span)
    }
}

impl Hours {
    /// All the time; each day is a stretch.
    pub fn always() -> Self {
        Self { spans: Vec::new(), text: "all the time".into() }
    }

    /// `mon-fri 08:00-18:00`, `22:00-06:00`, several with `;` between them.
    ///
    /// # Errors
    /// A sentence: what cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut spans = Vec::new();
        for (days, hours) in parts(text)? {
            let (from, to) = hours
                .split_once('-')
                .ok_or_else(|| format!("{:?} has no end: write hours as in 08:00-18:00", shown(hours)))?;
            let (from, to) = (time_of_day(from, false)?, time_of_day(to, true)?);
            if from == to {
                return Err(format!("{:?} ends where it begins", shown(hours)));
            }
            spans.push(Span { days, from, to });
        }
        Ok(Self { spans, text: text.trim().to_owned() })
    }

    /// The stretch that holds this moment.
    pub fn at(&self, at: Civil) -> Option<Stretch> {
        if self.spans.is_empty() {
            return Some(Stretch { begun: at.date, span: 0 });
        }
        let yesterday = at.date.before();
        self.spans.iter().enumerate().find_map(|(span, hours)| {
            let over_midnight = hours.to < hours.from;
            let (today, before) = (hours.days.hold(at.date), hours.days.hold(yesterday));
            if today && at.minute >= hours.from && (over_midnight || at.minute < hours.to) {
                Some(Stretch { begun: at.date, span })
            } else if before && over_midnight && at.minute < hours.to {
                Some(Stretch { begun: yesterday, span })
            } else {
                None
            }
        })
    }
}

/// As it was written.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Moments of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moments {
    moments: Vec<(Days, u16)>,
    text: String,
}

impl Moments {
    /// `mon-fri 07:55`, several with `;` between them.
    ///
    /// # Errors
    /// A sentence: what cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let moment = |(days, time): (Days, &str)| Ok((days, time_of_day(time, false)?));
        let moments = parts(text)?.into_iter().map(moment).collect::<Result<Vec<_>, String>>()?;
        Ok(Self { moments, text: text.trim().to_owned() })
    }

    /// The moment that came last, where that is not longer ago than an hour: each comes once a day, however the
    /// clocks change.
    pub fn due(&self, at: Civil) -> Option<Stretch> {
        let yesterday = at.date.before();
        let late = |(span, (days, minute)): (usize, &(Days, u16))| {
            let (late, begun) = match at.minute.checked_sub(*minute) {
                Some(late) => (late, at.date),
                None => (at.minute + DAY_MINUTES - minute, yesterday),
            };
            (late <= LATE && days.hold(begun)).then_some((late, Stretch { begun, span }))
        };
        self.moments.iter().enumerate().filter_map(late).min_by_key(|(late, _)| *late).map(|(_, moment)| moment)
    }
}

/// As it was written.
impl fmt::Display for Moments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// When a model is to be in its server's memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Warmth {
    /// It is loaded again whenever it is not there.
    pub keep: Option<Hours>,
    /// It is loaded once.
    pub preload: Option<Moments>,
}

impl Warmth {
    pub fn is_none(&self) -> bool {
        self.keep.is_none() && self.preload.is_none()
    }

    /// `kept warm mon-fri 08:00-18:00, preloaded mon-fri 07:55`.
    pub fn words(&self) -> String {
        let keep = self.keep.as_ref().map(|hours| format!("kept warm {hours}"));
        let preload = self.preload.as_ref().map(|moments| format!("preloaded {moments}"));
        [keep, preload].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// After how many failures in one stretch nobody tries again.
pub const TRIES: u32 = 4;

/// How long to wait after so many failures: half a minute, then four times as long each; `None` gives up.
pub fn back_off(failures: u32) -> Option<Duration> {
    (failures < TRIES).then(|| Duration::from_secs(30 * 4u64.pow(failures.saturating_sub(1).min(8))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A moment of the week of Sunday, 22 November 2026.
    fn at(day: u8, hour: u16, minute: u16) -> Civil {
        Civil { date: CivilDate { year: 2026, month: 11, day: 22 + day }, minute: hour * 60 + minute }
    }

    #[test]
    fn office_hours_hold_on_their_days_and_end_before_their_end() {
        let hours = Hours::parse("mon-fri 08:00-18:00; Sat 09:00-12:00").unwrap();
        assert!(hours.at(at(1, 8, 0)).is_some() && hours.at(at(5, 17, 59)).is_some());
        assert!(hours.at(at(1, 7, 59)).is_none() && hours.at(at(5, 18, 0)).is_none());
        assert!(hours.at(at(0, 10, 0)).is_none(), "a Sunday");
        assert_eq!(hours.at(at(6, 11, 59)).map(|stretch| stretch.span), Some(1));
        assert_ne!(hours.at(at(1, 9, 0)), hours.at(at(2, 9, 0)), "each day is a stretch of its own");
        assert_eq!(hours.to_string(), "mon-fri 08:00-18:00; Sat 09:00-12:00");
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        let nights = Hours::parse("fri,sat 22:00-06:00").unwrap();
        let begun = nights.at(at(5, 23, 0));
        assert!(begun.is_some());
        assert_eq!(nights.at(at(6, 5, 59)), begun, "Saturday morning is Friday's night");
        assert!(nights.at(at(6, 6, 0)).is_none() && nights.at(at(5, 5, 0)).is_none());
        assert!(Hours::parse("00:00-24:00").unwrap().at(at(3, 23, 59)).is_some());
        assert!(Hours::parse("sat-mon 1:00-2:00").unwrap().at(at(0, 1, 30)).is_some(), "over the week's end");
    }

    #[test]
    fn a_moment_that_was_slept_through_or_skipped_is_made_up_within_the_hour() {
        let moments = Moments::parse("mon-fri 07:55; 02:30").unwrap();
        assert!(moments.due(at(1, 7, 54)).is_none());
        let due = moments.due(at(1, 7, 55));
        assert!(due.is_some());
        assert_eq!(moments.due(at(1, 8, 55)), due, "the same one");
        assert!(moments.due(at(1, 8, 56)).is_none() && moments.due(at(0, 8, 0)).is_none());
        assert!(moments.due(at(0, 3, 0)).is_some(), "clocks that skip from 02:00 to 03:00");
        let again = moments.due(at(0, 2, 40));
        assert_eq!(moments.due(at(0, 2, 30)), again, "an hour that comes twice brings it once");
    }

    #[test]
    fn a_moment_shortly_before_midnight_is_made_up_after_it() {
        let moments = Moments::parse("tue 23:50").unwrap();
        let due = moments.due(at(3, 0, 5));
        assert_eq!(due.map(|stretch| stretch.begun), Some(at(2, 0, 0).date), "Tuesday's, on Wednesday morning");
        assert_eq!(moments.due(at(2, 23, 55)), due, "the same one");
        assert!(moments.due(at(3, 0, 51)).is_none() && moments.due(at(2, 0, 5)).is_none());
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        for (text, part) in [
            ("", "has no end"),
            ("08:00", "has no end"),
            ("mon 8-18", "no time of day"),
            ("mon-fri 08:00-25:00", "\"25:00\" is no time of day"),
            ("24:00-08:00", "no time of day"),
            ("mon-fry 08:00-18:00", "\"fry\" is no day"),
            ("weekdays 08:00-18:00", "is no day"),
            ("08:00-08:00", "ends where it begins"),
            ("mon 08:00-18:00;", "has no end"),
        ] {
            let error = Hours::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Moments::parse("mon 24:00").unwrap_err().contains("no time of day"));
    }

    #[test]
    fn waits_grow_until_nobody_tries_again() {
        let waits: Vec<_> = (1..=TRIES).map(|failures| back_off(failures).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(30), Some(120), Some(480), None]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z0-9:;, -]{0,40}") {
            let _ = Hours::parse(&text).map(|hours| hours.at(at(3, 12, 0)));
            let _ = Moments::parse(&text).map(|moments| moments.due(at(3, 12, 0)));
        }

        /// A span holds as many minutes of its week as it says, wherever it stands.
        #[test]
        fn a_daily_span_holds_its_length_in_minutes(from in 0..1440u16, length in 1..1440u16) {
            let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            let hours = Hours::parse(&format!("{}-{}", clock(from), clock((from + length) % 1440))).unwrap();
            let held = (0..1440u16).filter(|minute| hours.at(at(3, minute / 60, minute % 60)).is_some()).count();
            prop_assert_eq!(held, usize::from(length));
        }
    }
}
