//! The day's money in words, for every front end.

use super::units;
use crate::domain::budget::WhenExhausted;
use crate::domain::money::Money;
use crate::engine::protocol::SpendView;

/// `$0.42 + $0.05 reserved`; the second part only while calls are under way.
pub fn spent(spend: &SpendView) -> String {
    let today = units::money_sum(spend.today);
    if spend.reserved > Money::ZERO {
        format!("{today} + {} reserved", units::money_sum(spend.reserved))
    } else {
        today
    }
}

/// What happens when the day's limit is used up.
pub fn when_exhausted(what: WhenExhausted) -> &'static str {
    match what {
        WhenExhausted::LocalOnly => "only local models take calls until midnight",
        WhenExhausted::Refuse => "calls that cost money fail until midnight",
        WhenExhausted::Warn => "calls go on and cost money",
    }
}

/// The announcement of an alert.
pub fn alert(used: Money, limit: Money, exhausted: bool, what: WhenExhausted) -> String {
    let (used_words, limit_words) = (units::money_sum(used), units::money_sum(limit));
    if exhausted {
        return format!(
            "The day's limit is used up, {used_words} of {limit_words}: {}. budget.daily_limit raises it; lmdeck budget shows where it went.",
            when_exhausted(what)
        );
    }
    let share = units::share(used.0.unsigned_abs(), limit.0.unsigned_abs());
    format!("{share} of the day's money is used, {used_words} of {limit_words}: lmdeck budget shows where it went.")
}
