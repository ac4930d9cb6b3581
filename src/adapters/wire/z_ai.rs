//! Z.AI's own numbers for what went wrong; they say more than its HTTP statuses do.

use crate::domain::failure::{Cause, ErrorCode};
use crate::domain::time::UnixMs;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use std::time::Duration;

/// Characters of a message in which a time is looked for: the vendor's own are a sentence, and a hostile one may
/// have megabytes.
const MESSAGE_LIMIT: usize = 1000;
/// A date, a time with fractions and a zone are shorter.
const STAMP_LIMIT: usize = 40;

/// Times without a zone in the vendor's messages are Beijing's.
const BEIJING: Offset = jiff::tz::offset(8);

/// No window of a plan is longer than a month: a time beyond it was misread.
const LONGEST_WINDOW: Duration = Duration::from_hours(24 * 32);

/// Class and summary of a business code; `None` when the code is not Z.AI's.
pub fn business_code(code: u32) -> Option<(ErrorCode, &'static str)> {
    Some(match code {
        500 | 1200 | 1230 | 1234 => (ErrorCode::Upstream, "the vendor had a fault of its own"),
        1000..=1005 => (ErrorCode::Auth, "the key was refused"),
        1110..=1112 | 1120 | 1121 => (ErrorCode::Auth, "the account is locked or not active"),
        1113 => (ErrorCode::Quota, "no credit left, or the plan does not cover this address"),
        1210 | 1212..=1215 | 1231 => (ErrorCode::InvalidRequest, "the request was refused"),
        1211 => (ErrorCode::NotFound, "the model is not known there"),
        1220 => (ErrorCode::Auth, "the key has no permission for this"),
        1221 | 1222 => (ErrorCode::NotFound, "this interface is not offered"),
        1261 => (ErrorCode::ContextLength, "the prompt is longer than the model's context"),
        1300 | 1301 => (ErrorCode::ContentFilter, "the content was refused"),
        1302 | 1303 => (ErrorCode::RateLimit, "too many requests at once"),
        1304 => (ErrorCode::RateLimit, "the day's number of requests is used up"),
        1305 => (ErrorCode::Overloaded, "the vendor is overloaded"),
        1308 | 1310 | 1316 => (ErrorCode::RateLimit, "the plan's window is used up"),
        1309 => (ErrorCode::Quota, "the coding plan has expired"),
        1311 => (ErrorCode::NotFound, "the plan does not include this model"),
        1312 => (ErrorCode::Overloaded, "the model is congested"),
        1313 => (ErrorCode::Quota, "the plan's fair-use rule stopped this key"),
        _ => return None,
    })
}

/// Finish reasons that say the answer failed. Z.AI has no error frames in a stream; OpenRouter has `error`.
pub fn failed_finish(reason: &str) -> Option<(ErrorCode, &'static str)> {
    Some(match reason {
        "sensitive" => (ErrorCode::ContentFilter, "the vendor stopped the answer: its content was refused"),
        "model_context_window_exceeded" => {
            (ErrorCode::ContextLength, "the answer stopped: the model's context is full")
        }
        "network_error" | "error" => (ErrorCode::Upstream, "the vendor failed while it answered"),
        _ => return None,
    })
}

/// The cause that belongs to a business code and its class.
pub fn cause(number: u32, code: ErrorCode, status: u16) -> Cause {
    match code {
        _ if matches!(number, 1304 | 1308 | 1310 | 1316) => Cause::PlanUsedUp,
        ErrorCode::Auth => Cause::KeyRefused { status: if status == 403 { 403 } else { 401 } },
        ErrorCode::Upstream | ErrorCode::Overloaded => Cause::ServerError { status },
        _ => Cause::Other,
    }
}

/// How long a limit lasts: to the time in its message where the plan's window is used up, to Beijing's midnight
/// where the day's requests are.
pub fn wait(code: Option<u32>, message: &str, now: UnixMs) -> Option<Duration> {
    let until = reset_time(message).or_else(|| (code == Some(1304)).then(|| midnight(now)).flatten())?;
    let wait = until.since(now);
    (wait > Duration::ZERO && wait <= LONGEST_WINDOW).then_some(wait)
}

/// The first date with a time in a text: `2026-08-14T00:00:00Z`, or `2026-09-12 00:35:41` as Beijing's clock
/// shows it.
fn reset_time(text: &str) -> Option<UnixMs> {
    let text = text.char_indices().nth(MESSAGE_LIMIT).and_then(|(end, _)| text.get(..end)).unwrap_or(text);
    text.match_indices("20").find_map(|(at, _)| {
        let stamp = text.get(at..)?;
        let own_zone = stamp.get(10..11) == Some("T");
        let of_a_time = |byte: &u8| byte.is_ascii_digit() || b"-:.TZ+ ".contains(byte);
        let end = stamp.bytes().take(STAMP_LIMIT).take_while(of_a_time).count();
        let stamp = stamp.get(..end)?.trim_end_matches(['.', ' ', '-', '+', ':']);
        if own_zone && let Ok(time) = stamp.parse::<jiff::Timestamp>() {
            return Some(UnixMs(time.as_millisecond()));
        }
        let civil: DateTime = stamp.get(..19)?.replacen(' ', "T", 1).parse().ok()?;
        Some(UnixMs(BEIJING.to_timestamp(civil).ok()?.as_millisecond()))
    })
}

fn midnight(now: UnixMs) -> Option<UnixMs> {
    let here = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(TimeZone::fixed(BEIJING));
    Some(UnixMs(here.tomorrow().ok()?.start_of_day().ok()?.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_a_message_is_read_as_beijing_s_unless_it_says_more() {
        // 2026-09-11 14:45:20 UTC
        let now = UnixMs(1_789_137_920_000);
        let wait = |code: u32, message: &str| wait(Some(code), message, now).map(|wait| wait.as_secs());
        let to_reset = Some(6621); // 16:35:41 UTC
        assert_eq!(
            wait(
                1308,
                "[1308][Usage limit reached for 5 hour. Your limit will reset at 2026-09-12 00:35:41][2026091200]"
            ),
            to_reset
        );
        assert_eq!(wait(1308, "已达到 5 小时的使用上限。您的限额将在 2026-09-12 00:35:41 重置。"), to_reset);
        assert_eq!(wait(1316, "Resets at 2026-09-11T16:35:41Z"), to_reset);
        assert_eq!(wait(1316, "Resets at 2026-09-12T00:35:41+08:00."), to_reset);
        assert_eq!(wait(1310, "reset at 2026-09-01 00:00:00"), None, "it has passed");
        assert_eq!(wait(1310, "reset at 2046-09-01 00:00:00"), None, "no window is that long");
        assert_eq!(wait(1308, "limit reached 2026, 20-20"), None);
        assert_eq!(wait(1304, "daily limit"), Some(4480), "Beijing's midnight is 16:00 UTC");
    }

    #[test]
    fn a_message_of_megabytes_is_judged_at_once() {
        for piece in ["20", "2026-09-12 00:35:4", "使用20"] {
            let message = piece.repeat(8 * 1024 * 1024 / piece.len());
            let began = std::time::Instant::now();
            assert_eq!(wait(Some(1308), &message, UnixMs(0)), None);
            assert!(began.elapsed() < Duration::from_secs(1), "{piece}: {:?}", began.elapsed());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_message_is_read_or_left(message in ".{0,60}20[0-9T: +-]{0,30}.{0,10}") {
            let _ = wait(Some(1308), &message, UnixMs(0));
        }
    }
}
