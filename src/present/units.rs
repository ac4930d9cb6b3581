//! Figures with their units, as the style guide writes them. Missing is `-`, not known `unknown`, never 0.

use crate::domain::money::{Cost, Money, Provenance};
use crate::domain::time::UnixMs;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::time::Duration;

/// A cell without a value.
pub const MISSING: &str = "-";
/// Something that nobody told.
pub const UNKNOWN: &str = "unknown";

/// `<1 ms`, `12 ms`, `1.41 s`, `11.2 s`, `2 min 05 s`.
pub fn latency(ms: u64) -> String {
    match ms {
        0 => "<1 ms".into(),
        1..1000 => format!("{ms} ms"),
        _ => long(ms, true),
    }
}

/// [`latency`], or `-`.
pub fn latency_or_missing(ms: Option<u64>) -> String {
    ms.map_or_else(|| MISSING.into(), latency)
}

/// How long a whole thing took, with one decimal from a second on: `2 ms`, `9.8 s`, `2 min 05 s`.
pub fn duration(ms: u64) -> String {
    match ms {
        0 => "<1 ms".into(),
        1..1000 => format!("{ms} ms"),
        _ => long(ms, false),
    }
}

/// Time to a first token, always in seconds: `0.41 s`, `11.2 s`.
pub fn first_token(ms: u64) -> String {
    long(ms, true)
}

/// Two decimals under ten seconds when `fine`, else one; from a minute on minutes, from an hour on hours.
fn long(ms: u64, fine: bool) -> String {
    let hundredths = ms.saturating_add(5) / 10;
    if fine && hundredths < 1000 {
        return format!("{}.{:02} s", hundredths / 100, hundredths % 100);
    }
    let tenths = ms.saturating_add(50) / 100;
    if tenths < 600 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let seconds = ms.saturating_add(500) / 1000;
    if seconds < 3600 {
        return format!("{} min {:02} s", seconds / 60, seconds % 60);
    }
    format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60)
}

/// What a call's money is shown in: a hundredth of a cent.
const CALL_UNIT: i64 = 100_000_000;

/// Money of one call: `$0.0170`, `<$0.0001`, `free` when it is known to be nothing.
pub fn money(amount: Money) -> String {
    match amount.0 {
        ..=0 => "free".into(),
        1..CALL_UNIT => "<$0.0001".into(),
        pico => {
            let units = pico.saturating_add(CALL_UNIT / 2) / CALL_UNIT;
            format!("${}.{:04}", thousands(units.unsigned_abs() / 10_000), units % 10_000)
        }
    }
}

/// Money of many calls: `$0.42`, `<$0.01`, `$0.00`.
pub fn money_sum(amount: Money) -> String {
    const UNIT: i64 = 10_000_000_000;
    match amount.0 {
        ..=0 => "$0.00".into(),
        1..UNIT => "<$0.01".into(),
        pico => {
            let cents = pico.saturating_add(UNIT / 2) / UNIT;
            format!("${}.{:02}", thousands(cents.unsigned_abs() / 100), cents % 100)
        }
    }
}

/// A call's cost: an amount, `free`, or `unknown` when there is no price. Where only a part of it is known, `>$0.0010`:
/// what it is at least, so never rounded up.
pub fn cost(cost: Cost) -> String {
    match (cost.amount, cost.provenance) {
        (None, _) => UNKNOWN.into(),
        (Some(amount), Provenance::Unknown) if amount.0 < CALL_UNIT => UNKNOWN.into(),
        (Some(amount), Provenance::Unknown) => format!(">{}", money(Money(amount.0 - amount.0 % CALL_UNIT))),
        (Some(amount), _) => money(amount),
    }
}

/// Where a call's cost is from, beside [`cost`].
pub fn cost_from(cost: Cost) -> &'static str {
    match (cost.amount, cost.provenance) {
        (None, _) => "no price is known for this model",
        (Some(amount), Provenance::Unknown) if amount.0 < CALL_UNIT => "no price is known for one of its attempts",
        (Some(_), Provenance::Unknown) => "at least: no price is known for one of its attempts",
        (Some(_), provenance) => provenance.word(),
    }
}

/// A day's spending against its limit: `$0.42 of $10.00`, `$0.42, no limit`.
pub fn spend(today: Money, limit: Option<Money>) -> String {
    match limit {
        Some(limit) => format!("{} of {}", money_sum(today), money_sum(limit)),
        None => format!("{}, no limit", money_sum(today)),
    }
}

/// The same for a narrow place: `$0.42/$10.00`, `$0.42/no limit`.
pub fn spend_short(today: Money, limit: Option<Money>) -> String {
    format!("{}/{}", money_sum(today), limit.map_or_else(|| "no limit".into(), money_sum))
}

/// `412`, `1.2k`, `26.1k`, `128k`, `1.3M`.
pub fn tokens(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..99_950 => {
            let tenths = (count + 50) / 100;
            format!("{}.{}k", tenths / 10, tenths % 10)
        }
        99_950..999_500 => format!("{}k", (count + 500) / 1000),
        _ => {
            let tenths = count.saturating_add(50_000) / 100_000;
            format!("{}.{}M", thousands(tenths / 10), tenths % 10)
        }
    }
}

/// [`tokens`], or `-`.
pub fn tokens_or_missing(count: Option<u64>) -> String {
    count.map_or_else(|| MISSING.into(), tokens)
}

/// A context length as people say it: `8k` for 8,192, `32k` for 32,768, `200k`, `1M`.
pub fn context(tokens: u64) -> String {
    match tokens {
        0..1000 => tokens.to_string(),
        _ if tokens.is_multiple_of(1 << 20) => format!("{}M", tokens >> 20),
        _ if tokens.is_multiple_of(1 << 10) => format!("{}k", tokens >> 10),
        1000..1_000_000 => format!("{}k", (tokens + 500) / 1000),
        _ => format!("{}M", tokens.saturating_add(500_000) / 1_000_000),
    }
}

/// Exact, with commas: `1,344`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Coarse, so that most seconds change nothing: `<1 min`, `14 min`, `2 h`, `1 day`, `3 days`.
pub fn age(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "<1 min".into(),
        1..60 => format!("{minutes} min"),
        60..1440 => format!("{} h", minutes / 60),
        1440..2880 => "1 day".into(),
        _ => format!("{} days", minutes / 1440),
    }
}

/// `the last 3 days`, `the last day`.
pub fn the_last(span: Duration) -> String {
    match age(span).as_str() {
        "<1 min" | "1 min" => "the last minute".into(),
        "1 h" => "the last hour".into(),
        "1 day" => "the last day".into(),
        several => format!("the last {several}"),
    }
}

/// `48 tok/s`; one decimal under ten.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second < 0.0 {
        MISSING.into()
    } else if per_second < 9.95 {
        format!("{per_second:.1} tok/s")
    } else {
        format!("{per_second:.0} tok/s")
    }
}

/// `4%`; `<1%` for a share that is not nothing.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return MISSING.into();
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    let percent = (part * 100 + whole / 2) / whole;
    if percent == 0 && part > 0 { "<1%".into() } else { format!("{percent}%") }
}

/// Thousandths as `99.8%`, `100%`, `0%`.
pub fn uptime(permille: u32) -> String {
    if permille.is_multiple_of(1000) {
        format!("{}%", permille / 10)
    } else {
        format!("{}.{}%", permille / 10, permille % 10)
    }
}

/// `19.8 GB`, `639 MB`, `12 kB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..999_500 => format!("{} kB", (bytes + 500) / 1000),
        999_500..999_500_000 => format!("{} MB", (bytes + 500_000) / 1_000_000),
        _ => {
            let tenths = bytes.saturating_add(50_000_000) / 100_000_000;
            format!("{}.{} GB", tenths / 10, tenths % 10)
        }
    }
}

/// `3 models`, `1 model`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// The clock in the machine's own zone: `22:14:31`.
pub fn clock(at: UnixMs) -> String {
    clock_in(at, &TimeZone::system())
}

/// [`clock`] for a moment written as in RFC 3339; `None` when it is not.
pub fn clock_of(written: &str) -> Option<String> {
    let at: Timestamp = written.parse().ok()?;
    Some(clock(UnixMs(at.as_millisecond())))
}

/// `1st`, `2nd`, `11th`.
pub fn ordinal(number: usize) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// As in `2025-11-21 22:14:31 +01:00`, in the machine's own zone.
pub fn date_time(at: UnixMs) -> String {
    zoned(at, &TimeZone::system()).map_or_else(|| MISSING.into(), |at| at.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
}

/// `22:14` of the same day, else with it: `20 Nov 22:14`.
pub fn moment(at: UnixMs, now: UnixMs) -> String {
    moment_in(at, now, &TimeZone::system())
}

fn clock_in(at: UnixMs, zone: &TimeZone) -> String {
    zoned(at, zone).map_or_else(|| MISSING.into(), |at| at.strftime("%H:%M:%S").to_string())
}

fn moment_in(at: UnixMs, now: UnixMs, zone: &TimeZone) -> String {
    match (zoned(at, zone), zoned(now, zone)) {
        (Some(at), Some(now)) if at.date() == now.date() => at.strftime("%H:%M").to_string(),
        (Some(at), _) => at.strftime("%-d %b %H:%M").to_string(),
        (None, _) => MISSING.into(),
    }
}

/// `None` for a moment no calendar has (a number from a damaged file).
fn zoned(at: UnixMs, zone: &TimeZone) -> Option<Zoned> {
    Timestamp::from_millisecond(at.0).ok().map(|at| at.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dollars(dollars: f64) -> Money {
        Money::from_dollars(dollars).unwrap()
    }

    #[test]
    fn latencies_as_the_style_guide_writes_them() {
        for (ms, text) in [
            (0, "<1 ms"),
            (1, "1 ms"),
            (12, "12 ms"),
            (999, "999 ms"),
            (1000, "1.00 s"),
            (1410, "1.41 s"),
            (9994, "9.99 s"),
            (9995, "10.0 s"),
            (11_200, "11.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 00 s"),
            (125_000, "2 min 05 s"),
            (3_600_000, "1 h 00 min"),
        ] {
            assert_eq!(latency(ms), text);
        }
        assert_eq!(latency_or_missing(None), "-");
        assert_eq!((duration(9800), duration(2), duration(30_500)), ("9.8 s".into(), "2 ms".into(), "30.5 s".into()));
        assert_eq!((first_token(410), first_token(2900)), ("0.41 s".into(), "2.90 s".into()));
        assert!(latency(u64::MAX).ends_with(" min"));
    }

    #[test]
    fn money_of_a_call_of_a_sum_free_and_unknown_never_look_alike() {
        assert_eq!(money(dollars(0.017)), "$0.0170");
        assert_eq!(money(dollars(1234.5)), "$1,234.5000");
        assert_eq!(money(dollars(0.0001)), "$0.0001");
        assert_eq!(money(Money(1)), "<$0.0001");
        assert_eq!(money(dollars(0.000_099)), "<$0.0001");
        assert_eq!(money(Money::ZERO), "free");
        assert_eq!(money_sum(dollars(0.42)), "$0.42");
        assert_eq!(money_sum(dollars(0.0099)), "<$0.01");
        assert_eq!(money_sum(Money::ZERO), "$0.00");
        assert_eq!(money_sum(dollars(0.999)), "$1.00");
        assert_eq!(cost(Cost::UNKNOWN), "unknown");
        assert_eq!(cost(Cost::FREE), "free");
        assert_eq!(cost(Cost { amount: Some(dollars(0.001)), provenance: Provenance::Estimated }), "$0.0010");
        let part = Cost { amount: Some(dollars(0.1)), provenance: Provenance::Unknown };
        assert_eq!(cost(part), ">$0.1000");
        assert!(cost_from(part).starts_with("at least"));
        let part = |dollars: Money| cost(Cost { amount: Some(dollars), provenance: Provenance::Unknown });
        assert_eq!(part(dollars(0.000_16)), ">$0.0001", "the least is not rounded up");
        assert_eq!((part(Money(1)), part(dollars(0.0001))), ("unknown".into(), ">$0.0001".into()));
        assert_eq!(spend(dollars(0.42), Some(dollars(10.0))), "$0.42 of $10.00");
        assert_eq!(spend_short(Money::ZERO, None), "$0.00/no limit");
    }

    #[test]
    fn tokens_and_contexts() {
        for (count, text) in [
            (0, "0"),
            (412, "412"),
            (999, "999"),
            (1000, "1.0k"),
            (1211, "1.2k"),
            (26_112, "26.1k"),
            (99_949, "99.9k"),
            (99_950, "100k"),
            (128_000, "128k"),
            (999_499, "999k"),
            (999_500, "1.0M"),
            (1_300_000, "1.3M"),
        ] {
            assert_eq!(tokens(count), text);
        }
        for (tokens, text) in
            [(8192, "8k"), (32_768, "32k"), (40_960, "40k"), (131_072, "128k"), (200_000, "200k"), (1 << 20, "1M")]
        {
            assert_eq!(context(tokens), text);
        }
        assert_eq!(context(1_000_000), "1M");
        assert_eq!(
            (thousands(999), thousands(1344), thousands(1_000_000)),
            ("999".into(), "1,344".into(), "1,000,000".into())
        );
    }

    #[test]
    fn ages_are_coarse() {
        for (seconds, text) in [
            (0, "<1 min"),
            (59, "<1 min"),
            (60, "1 min"),
            (14 * 60 + 59, "14 min"),
            (3599, "59 min"),
            (7200, "2 h"),
            (86_399, "23 h"),
            (86_400, "1 day"),
            (2 * 86_400, "2 days"),
            (3 * 86_400 + 5, "3 days"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn shares_rates_uptimes_sizes() {
        assert_eq!(
            (share(42, 1000), share(1, 1000), share(0, 5), share(1, 0)),
            ("4%".into(), "<1%".into(), "0%".into(), "-".into())
        );
        assert_eq!((rate(48.3), rate(7.25), rate(f64::NAN)), ("48 tok/s".into(), "7.2 tok/s".into(), "-".into()));
        assert_eq!(
            (uptime(998), uptime(1000), uptime(0), uptime(989)),
            ("99.8%".into(), "100%".into(), "0%".into(), "98.9%".into())
        );
        assert_eq!(
            (size(19_800_000_000), size(639_000_000), size(12_000), size(999)),
            ("19.8 GB".into(), "639 MB".into(), "12 kB".into(), "999 B".into())
        );
        assert_eq!(size(999_500_000), "1.0 GB");
        assert_eq!((count(1, "model", "models"), count(3, "model", "models")), ("1 model".into(), "3 models".into()));
    }

    #[test]
    fn ordinals_read_as_spoken() {
        for (number, word) in
            [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (113, "113th")]
        {
            assert_eq!(ordinal(number), word);
        }
    }

    #[test]
    fn the_clock_is_the_zones_own_and_names_another_day() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let at = UnixMs(1_795_292_071_000);
        assert_eq!(clock_in(at, &zone), "22:14:31");
        assert_eq!(moment_in(at, UnixMs(at.0 + 60_000), &zone), "22:14");
        assert_eq!(moment_in(at, UnixMs(at.0 + 86_400_000), &zone), "21 Nov 22:14");
        assert_eq!(clock_in(UnixMs(i64::MAX), &zone), "-");
        assert_eq!(clock_of("2025-11-21T22:14:45.5Z"), Some(clock(UnixMs(1_763_763_285_500))));
        assert_eq!(clock_of("yesterday"), None);
    }

    proptest! {
        /// Columns are fixed: no figure of a working day may burst its cell, and none is empty.
        #[test]
        fn figures_fit_their_columns(ms in 0u64..86_400_000, count in 0u64..100_000_000, pico in 0i64..1_000_000_000_000_000) {
            prop_assert!((1..=11).contains(&latency(ms).len()), "{}", latency(ms));
            prop_assert!((1..=11).contains(&duration(ms).len()));
            prop_assert!((1..=6).contains(&tokens(count).len()), "{}", tokens(count));
            prop_assert!((1..=10).contains(&money(Money(pico)).len()), "{}", money(Money(pico)));
            prop_assert!((1..=9).contains(&money_sum(Money(pico)).len()), "{}", money_sum(Money(pico)));
            prop_assert!((1..=7).contains(&age(Duration::from_millis(ms)).len()));
        }

        /// Whatever the number, words come out and nothing breaks.
        #[test]
        fn no_number_is_too_large(n in any::<u64>(), m in any::<i64>(), p in any::<u32>()) {
            let shown = [
                latency(n), duration(n), first_token(n), tokens(n), context(n), thousands(n), size(n), share(n, u64::MAX),
                age(Duration::from_millis(n)), money(Money(m)), money_sum(Money(m)),
                uptime(p), clock(UnixMs(m)), moment(UnixMs(m), UnixMs(m)), count(n, "call", "calls"),
            ];
            prop_assert!(shown.iter().all(|text| !text.is_empty() && !text.contains('-') || text == MISSING));
        }
    }
}
