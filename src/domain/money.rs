//! Money as integers and prices per token.

use super::call::Usage;
use serde::{Deserialize, Serialize};
use std::iter::Sum;

/// US dollars in units of 10⁻¹² (pico-dollars): a token at $0.01 per million costs 10,000 of them, and
/// an `i64` holds up to nine million dollars. Never a float, so sums are exact in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub i64);

impl Money {
    pub const ZERO: Self = Self(0);
    const PICO: f64 = 1e12;

    /// From a figure a person wrote, in dollars; `None` when negative, not finite or too large.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let pico = dollars * Self::PICO;
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked in the same expression")]
        (pico.is_finite() && (0.0..9e18).contains(&pico)).then(|| Self(pico.round() as i64))
    }

    /// For display and JSON only; never for sums.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people: 15 digits are enough")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / Self::PICO
    }

    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)))
    }
}

/// Dollars for a sentence: `$0.35`; rounded up, below a cent with more places.
impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let step = if self.0.unsigned_abs() >= 10_000_000_000 || self.0 == 0 { 2 } else { 6 };
        let unit = if step == 2 { 10_000_000_000 } else { 1_000_000 };
        let rounded =
            Self(self.0.div_euclid(unit).saturating_add(i64::from(self.0.rem_euclid(unit) > 0)).saturating_mul(unit));
        write!(f, "${:.step$}", rounded.dollars())
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::saturating_add)
    }
}

/// How sure a cost is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// The vendor stated the amount.
    Billed,
    /// Computed from the vendor's token counts and a known price.
    Computed,
    /// Computed from a bound or an estimate because the vendor's counts never came.
    Estimated,
    /// No price is known; never shown as $0.
    Unknown,
}

impl Provenance {
    pub fn word(self) -> &'static str {
        match self {
            Self::Billed => "billed",
            Self::Computed => "computed",
            Self::Estimated => "estimated",
            Self::Unknown => "unknown",
        }
    }
}

/// A cost with its provenance. Beside `Unknown` an amount is the least it came to: the part whose price is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub amount: Option<Money>,
    pub provenance: Provenance,
}

impl Cost {
    pub const UNKNOWN: Self = Self { amount: None, provenance: Provenance::Unknown };
    pub const FREE: Self = Self { amount: Some(Money::ZERO), provenance: Provenance::Computed };

    /// All of it; `None` where that is not known, or in part only.
    pub fn whole(self) -> Option<Money> {
        self.amount.filter(|_| self.provenance != Provenance::Unknown)
    }
}

/// The price of one model, each figure per single token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub input: Money,
    pub output: Money,
    /// For prompt tokens the vendor served from its cache; the input price when `None`.
    pub cached_input: Option<Money>,
    /// For prompt tokens that the vendor wrote into its cache; the input price when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Money>,
    /// For those it keeps for an hour; the price of any other write when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_hour: Option<Money>,
}

impl Price {
    pub const FREE: Self = Self::flat(Money::ZERO);

    /// One figure per token, in and out alike.
    pub const fn flat(per_token: Money) -> Self {
        Self { input: per_token, output: per_token, cached_input: None, cache_write: None, cache_write_hour: None }
    }

    /// From US dollars per million tokens, as vendors publish them.
    pub fn per_million(input: f64, output: f64, cached_input: Option<f64>) -> Option<Self> {
        let token = |dollars: f64| Money::from_dollars(dollars / 1e6);
        let cached_input = match cached_input {
            Some(dollars) => Some(token(dollars)?),
            None => None,
        };
        Some(Self { output: token(output)?, cached_input, ..Self::flat(token(input)?) })
    }

    /// With what writing into the vendor's cache costs, in US dollars per million tokens; `None` leaves it open.
    pub fn with_cache_writes(self, write: Option<f64>, hour: Option<f64>) -> Self {
        let token = |dollars: Option<f64>| dollars.and_then(|dollars| Money::from_dollars(dollars / 1e6));
        Self {
            cache_write: token(write).or(self.cache_write),
            cache_write_hour: token(hour).or(self.cache_write_hour),
            ..self
        }
    }

    pub fn is_free(&self) -> bool {
        self.input == Money::ZERO && self.output == Money::ZERO
    }

    /// The cost of a call whose tokens are known. `cached` is part of `input`, as OpenAI counts.
    pub fn of(&self, input: u64, cached: u64, output: u64) -> Money {
        self.of_usage(&Usage { input, output, cached, ..Usage::default() })
    }

    /// The same with what was written into the vendor's cache.
    pub fn of_usage(&self, usage: &Usage) -> Money {
        let cached = usage.cached.min(usage.input);
        let written = usage.cache_written.min(usage.input - cached);
        let hour = usage.cache_written_hour.min(written);
        let write = self.cache_write.unwrap_or(self.input);
        self.input
            .times(usage.input - cached - written)
            .saturating_add(self.cached_input.unwrap_or(self.input).times(cached))
            .saturating_add(write.times(written - hour))
            .saturating_add(self.cache_write_hour.unwrap_or(write).times(hour))
            .saturating_add(self.output.times(usage.output))
    }

    /// Whether every count of a usage has a figure of its own. A price of one figure is meant for all of them.
    pub fn covers(&self, usage: &Usage) -> bool {
        usage.cache_written == 0
            || self.cache_write.is_some()
            || (self.cached_input.is_none() && self.input == self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_what_the_vendors_page_says() {
        let glm = Price::per_million(0.60, 2.20, Some(0.11)).unwrap();
        assert_eq!(glm.of(1_000_000, 0, 0), Money::from_dollars(0.60).unwrap());
        assert_eq!(glm.of(0, 0, 1_000_000), Money::from_dollars(2.20).unwrap());
        assert_eq!(glm.of(26_112, 0, 612), Money(17_013_600_000));
        assert_eq!(glm.of(1000, 1000, 0), Money::from_dollars(0.00011).unwrap());
    }

    #[test]
    fn what_is_written_into_a_cache_has_its_own_price() {
        let sonnet = Price::per_million(2.0, 10.0, Some(0.1)).unwrap();
        let usage = Usage {
            input: 1000,
            output: 0,
            cached: 100,
            cache_written: 500,
            cache_written_hour: 200,
            ..Usage::default()
        };
        assert!(!sonnet.covers(&usage), "no figure for writes");
        assert_eq!(sonnet.of_usage(&usage), Money(900 * 2_000_000 + 100 * 100_000));
        let sonnet = sonnet.with_cache_writes(Some(2.5), Some(4.0));
        assert!(sonnet.covers(&usage));
        assert_eq!(sonnet.of_usage(&usage), Money(400 * 2_000_000 + 100 * 100_000 + 300 * 2_500_000 + 200 * 4_000_000));
        assert!(Price::flat(Money(1)).covers(&usage), "one figure is meant for everything");
    }

    #[test]
    fn nonsense_is_not_money() {
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(Money::from_dollars(bad), None, "{bad}");
        }
    }
}
