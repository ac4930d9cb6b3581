//! Words for sums over calls.

use super::{escape, units};
use crate::domain::money::Money;
use crate::engine::protocol::{CallSums, GroupBy};

/// `$0.42`, `free`, `unknown` where calls have no price and nothing else was bought; `-` where none was answered.
pub fn spent(sums: &CallSums) -> String {
    match (sums.spent(), sums.unpriced) {
        (Money::ZERO, 1..) => units::UNKNOWN.to_owned(),
        (Money::ZERO, 0) if sums.ok == 0 => units::MISSING.to_owned(),
        (Money::ZERO, 0) => "free".to_owned(),
        (spent, _) => units::money_sum(spent),
    }
}

/// The calls that make a sum of money the least it came to.
pub fn unpriced(calls: u64) -> String {
    format!("{} whose price is not, or only in part, known", units::count(calls, "call", "calls"))
}

/// A group's name in one line, made harmless; what a call lacks is said.
pub fn key(key: &[String], by: &[GroupBy]) -> String {
    let names: Vec<String> = key
        .iter()
        .zip(by)
        .map(|(name, by)| match (name.as_str(), by) {
            ("", GroupBy::Provider | GroupBy::Model) => "not sent anywhere".to_owned(),
            ("", GroupBy::Error) => "no error".to_owned(),
            ("", GroupBy::Type) => "no type".to_owned(),
            ("", GroupBy::Client) => "unnamed client".to_owned(),
            ("", _) => "none".to_owned(),
            (name, _) => escape::line(name).into_owned(),
        })
        .collect();
    names.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_unknown_and_nothing_never_look_alike() {
        let sums = CallSums { calls: 2, ok: 2, ..CallSums::default() };
        assert_eq!(spent(&sums), "free");
        assert_eq!(spent(&CallSums { unpriced: 1, ..sums }), "unknown");
        assert_eq!(spent(&CallSums { ok: 0, ..sums }), "-");
        assert_eq!(spent(&CallSums { computed: Money(420_000_000_000), ..sums }), "$0.42");
        assert_eq!(
            key(&["2026-11-22".into(), String::new()], &[GroupBy::Day, GroupBy::Provider]),
            "2026-11-22  not sent anywhere"
        );
    }
}
