//! How long a vendor asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date.

use crate::domain::time::UnixMs;
use http::HeaderMap;
use std::time::Duration;

/// Longer wishes are cut: a week is the longest window a plan has.
const LONGEST: Duration = Duration::from_hours(24 * 7);

/// The wait asked for, where it is readable. A date that has passed asks for none.
pub fn retry_after(headers: &HeaderMap, now: UnixMs) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(wait) = text("retry-after-ms").and_then(|ms| seconds(ms, 1e-3)) {
        return Some(wait);
    }
    let value = text("retry-after")?;
    seconds(value, 1.0).or_else(|| {
        let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_millisecond();
        Some(UnixMs(at).since(now).min(LONGEST))
    })
}

fn seconds(text: &str, unit: f64) -> Option<Duration> {
    let value = text.parse::<f64>().ok()? * unit;
    (value.is_finite() && value >= 0.0).then(|| Duration::from_secs_f64(value.min(LONGEST.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_wish_is_understood() {
        let now = UnixMs(1_445_412_400_000); // Wed, 21 Oct 2015 07:26:40 GMT
        for (name, value, wait) in [
            ("retry-after", "7", Some(7_000)),
            ("retry-after", "1.5", Some(1_500)),
            ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT", Some(80_000)),
            ("retry-after", "Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("retry-after-ms", "250", Some(250)),
            ("retry-after", "soon", None),
            ("retry-after", "-3", None),
            ("retry-after", "1e300", Some(604_800_000)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(retry_after(&headers, now).map(|wait| wait.as_millis()), wait, "{value}");
        }
    }
}
