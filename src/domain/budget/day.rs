//! Civil days: what a day's money belongs to. Which day it is now is said by a clock that knows the zone.

use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const MS_PER_DAY: i64 = 86_400_000;

/// A date of the civil calendar. Ordered as time goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CivilDate {
    pub year: i16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl CivilDate {
    /// 0 to 6; Sunday is 0.
    pub fn weekday(self) -> u8 {
        // Sakamoto's: what each month adds to the days of the year before it.
        const ADDS: [i32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let year = i32::from(self.year) - i32::from(self.month < 3);
        let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let adds = ADDS.get(usize::from(self.month.saturating_sub(1))).copied().unwrap_or(0);
        u8::try_from((year + leaps + adds + i32::from(self.day)).rem_euclid(7)).unwrap_or(0)
    }

    /// The day before.
    pub fn before(self) -> Self {
        if self.day > 1 {
            return Self { day: self.day - 1, ..self };
        }
        let (year, month) =
            if self.month > 1 { (self.year, self.month - 1) } else { (self.year.saturating_sub(1), 12) };
        let day = days_of(year, month);
        Self { year, month, day }
    }

    /// The day after.
    pub fn after(self) -> Self {
        if self.day < days_of(self.year, self.month) {
            return Self { day: self.day + 1, ..self };
        }
        if self.month < 12 {
            Self { month: self.month + 1, day: 1, ..self }
        } else {
            Self { year: self.year.saturating_add(1), month: 1, day: 1 }
        }
    }

    /// Whether this may be the day that counts although a clock says `today`: one that was set back over midnight, or
    /// stands in another zone. A day further ahead comes from a clock that ran wild.
    pub fn is_believed(self, today: Self) -> bool {
        self <= today.after().after()
    }

    /// The date in UTC; years beyond 9999 either way are held there.
    pub fn utc(at: UnixMs) -> Self {
        // Howard Hinnant's days-to-civil, with eras of 400 years that begin in March.
        let days = at.0.div_euclid(MS_PER_DAY) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = (year_of_era + era * 400 + i64::from(month <= 2)).clamp(-9999, 9999);
        Self {
            year: i16::try_from(year).unwrap_or(9999),
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day).unwrap_or(1),
        }
    }
}

/// How long a month is.
fn days_of(year: i16, month: u8) -> u8 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `2026-11-22`.
impl fmt::Display for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for CivilDate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no date: write it as in 2026-11-22");
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().ok_or_else(wrong);
        let date = Self {
            year: next()?.parse().map_err(|_| wrong())?,
            month: next()?.parse().map_err(|_| wrong())?,
            day: next()?.parse().map_err(|_| wrong())?,
        };
        if (1..=12).contains(&date.month) && (1..=31).contains(&date.day) { Ok(date) } else { Err(wrong()) }
    }
}

impl From<CivilDate> for String {
    fn from(date: CivilDate) -> Self {
        date.to_string()
    }
}

impl TryFrom<String> for CivilDate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// One civil day and the moments it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub date: CivilDate,
    pub start: UnixMs,
    /// The first moment of the next day.
    pub end: UnixMs,
}

impl Day {
    pub fn holds(&self, at: UnixMs) -> bool {
        self.start <= at && at < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (ms, date) in [
            (0, "1970-01-01"),
            (951_782_400_000, "2000-02-29"),
            (1_798_761_599_999, "2026-12-31"),
            (1_798_761_600_000, "2027-01-01"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(CivilDate::utc(UnixMs(ms)).to_string(), date);
            assert_eq!(date.parse::<CivilDate>(), Ok(CivilDate::utc(UnixMs(ms))));
        }
        for wrong in ["", "2026", "2026-13-01", "2026-00-10", "2026-01-32", "x-1-1"] {
            assert!(wrong.parse::<CivilDate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn weekdays_are_those_of_the_calendar() {
        let weekday = |text: &str| text.parse::<CivilDate>().unwrap().weekday();
        assert_eq!((weekday("1970-01-01"), weekday("2026-11-22"), weekday("2024-02-29")), (4, 0, 4));
        for day in 0..20_000i64 {
            let days_since_a_thursday = u8::try_from((day + 4) % 7).unwrap();
            let date = CivilDate::utc(UnixMs(day * MS_PER_DAY));
            assert_eq!(date.weekday(), days_since_a_thursday);
            let next = CivilDate::utc(UnixMs((day + 1) * MS_PER_DAY));
            assert_eq!((next.before(), date.after()), (date, next));
            assert!(next.after().is_believed(date) && !next.after().after().is_believed(date));
        }
    }

    #[test]
    fn dates_are_ordered_as_time_goes() {
        let date = |text: &str| text.parse::<CivilDate>().unwrap();
        assert!(date("2026-02-28") < date("2026-03-01") && date("2026-12-31") < date("2027-01-01"));
    }
}
