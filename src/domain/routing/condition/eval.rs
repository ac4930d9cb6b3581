//! Evaluates a condition over one request in one world. Pure; allocates nothing.
//!
//! As in CEL, `&&` and `||` do not depend on the order of their parts: a part that fails does not matter where
//! another one decides.

use super::names::{Fact, NumberFact, SwitchFact, TextFact};
use super::tree::{Arithmetic, Compare, Number, Test, Text};
use crate::domain::call::Facts;
use crate::domain::ids::ProviderId;
use crate::domain::routing::resolve::request_type;
use crate::domain::routing::{World, WorldProvider};
use std::cmp::Ordering;
use std::fmt;

/// Why a condition came to no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    NoProvider(ProviderId),
    DividedByZero,
    Overflow,
    /// Infinite less infinite, nothing by nothing.
    NoNumber,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProvider(id) => write!(f, "there is no provider {id}"),
            Self::DividedByZero => f.write_str("it divides by zero"),
            Self::Overflow => f.write_str("a number is too large"),
            Self::NoNumber => f.write_str("what it works out is no number"),
        }
    }
}

/// What a condition looks at.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub facts: &'a Facts,
    pub world: &'a World,
}

/// A number with its type.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain::routing) enum Value {
    Whole(i64),
    Decimal(f64),
}

impl Value {
    #[expect(clippy::cast_precision_loss, reason = "only where whole and decimal numbers meet")]
    fn decimal(self) -> f64 {
        match self {
            Self::Whole(value) => value as f64,
            Self::Decimal(value) => value,
        }
    }

    /// `None` where one of them is no number at all (infinite less infinite).
    fn against(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (a, b) => a.decimal().partial_cmp(&b.decimal()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => value.fmt(f),
            Self::Decimal(value) if value.is_infinite() => f.write_str("infinite"),
            // Money to a hundredth of a cent; nobody reads seventeen digits.
            Self::Decimal(value) => ((value * 1e4).round() / 1e4).fmt(f),
        }
    }
}

impl<'a> Ground<'a> {
    pub(in crate::domain) fn text(&self, fact: TextFact) -> &'a str {
        match fact {
            TextFact::Type => request_type(self.facts),
            TextFact::Complexity => &self.facts.complexity,
            TextFact::Audience => &self.facts.audience,
            TextFact::Priority => self.facts.priority.word(),
            TextFact::Model => &self.facts.requested_model,
            TextFact::Client => &self.facts.client,
            TextFact::Session => &self.facts.session,
        }
    }

    pub(in crate::domain::routing) fn tag(&self, name: &str) -> &'a str {
        self.facts.tags.get(name).map_or("", String::as_str)
    }

    fn provider(&self, id: &ProviderId) -> Result<(usize, &'a WorldProvider), Fault> {
        let mut all = self.world.providers.iter().enumerate();
        all.find(|(_, provider)| &provider.id == id).ok_or_else(|| Fault::NoProvider(id.clone()))
    }

    pub(in crate::domain::routing) fn switch(&self, fact: &SwitchFact) -> Result<bool, Fault> {
        Ok(match fact {
            SwitchFact::Stream => self.facts.stream,
            SwitchFact::HasTools => self.facts.has_tools,
            SwitchFact::HasImages => self.facts.has_images,
            SwitchFact::WantsJson => self.facts.wants_json,
            SwitchFact::Up(id) => {
                let (_, provider) = self.provider(id)?;
                let parked = provider.parked_until.is_some_and(|until| until > self.world.now);
                provider.enabled && provider.withheld.is_none() && provider.state.usable() && !parked
            }
            SwitchFact::Loaded(id) => {
                self.provider(id)?.1.models.iter().any(|model| model.loaded == Some(true) && model.remote != Some(true))
            }
        })
    }

    pub(in crate::domain::routing) fn number(&self, fact: &NumberFact) -> Result<Value, Fault> {
        let whole = |value: u64| Value::Whole(i64::try_from(value).unwrap_or(i64::MAX));
        Ok(match fact {
            NumberFact::PromptTokens => whole(self.facts.prompt_tokens),
            NumberFact::MaxTokens => whole(self.facts.max_tokens),
            NumberFact::P50Ms(id) => whole(self.provider(id)?.1.p50_ms.unwrap_or(0)),
            NumberFact::InFlight(id) => {
                let (place, _) = self.provider(id)?;
                whole(self.world.in_flight.get(place).copied().unwrap_or(0).into())
            }
            NumberFact::Used => Value::Decimal(self.world.budget.used.dollars()),
            NumberFact::Remaining => Value::Decimal(self.world.budget.remaining()),
            NumberFact::Fraction => Value::Decimal(self.world.budget.fraction()),
            NumberFact::Hour => Value::Whole(self.world.time.hour.into()),
            NumberFact::Weekday => Value::Whole(self.world.time.weekday.into()),
        })
    }

    /// Whether a fact says something.
    fn has(&self, fact: &Fact) -> Result<bool, Fault> {
        Ok(match fact {
            Fact::Text(fact) => !self.text(*fact).is_empty(),
            Fact::Switch(fact) => self.switch(fact)?,
            Fact::Number(fact) => self.number(fact)?.decimal() != 0.0,
            Fact::Tag(name) => self.facts.tags.contains_key(name),
            Fact::Tags => !self.facts.tags.is_empty(),
        })
    }
}

impl Test {
    /// # Errors
    /// Why there is no result.
    pub(super) fn holds(&self, ground: &Ground<'_>) -> Result<bool, Fault> {
        Ok(match self {
            Self::Const(value) => *value,
            Self::Fact(fact) => ground.switch(fact)?,
            Self::Not(inner) => !inner.holds(ground)?,
            Self::And(parts) => return all(parts, ground, true),
            Self::Or(parts) => return all(parts, ground, false),
            Self::If(parts) => {
                return if parts.0.holds(ground)? { parts.1.holds(ground) } else { parts.2.holds(ground) };
            }
            Self::Texts(sign, sides) => sign.holds(sides.0.value(ground)?.cmp(sides.1.value(ground)?)),
            Self::Numbers(sign, sides) => match sides.0.value(ground)?.against(sides.1.value(ground)?) {
                Some(order) => sign.holds(order),
                None => *sign == super::tree::Compare::NotEqual,
            },
            Self::Tests(same, sides) => (sides.0.holds(ground)? == sides.1.holds(ground)?) == *same,
            Self::TextIn(text, list) => {
                let text = text.value(ground)?;
                for item in list {
                    if item.value(ground)? == text {
                        return Ok(true);
                    }
                }
                false
            }
            Self::NumberIn(number, list) => {
                let number = number.value(ground)?;
                for item in list {
                    if number.against(item.value(ground)?) == Some(Ordering::Equal) {
                        return Ok(true);
                    }
                }
                false
            }
            Self::StartsWith(sides) => sides.0.value(ground)?.starts_with(sides.1.value(ground)?),
            Self::EndsWith(sides) => sides.0.value(ground)?.ends_with(sides.1.value(ground)?),
            Self::Contains(sides) => sides.0.value(ground)?.contains(sides.1.value(ground)?),
            Self::Matches(text, pattern) => pattern.fits(text.value(ground)?),
            Self::HasTag(name) => ground.facts.tags.contains_key(name.value(ground)?),
            Self::Has(fact) => ground.has(fact)?,
        })
    }
}

impl Test {
    /// The request type without which it is false, whatever else it holds: a part that is false outweighs every fault.
    pub(super) fn only_type(&self) -> Option<&str> {
        match self {
            Self::And(parts) => parts.iter().find_map(Self::only_type),
            Self::Texts(Compare::Equal, sides) => match &**sides {
                (Text::Fact(TextFact::Type), Text::Const(only)) | (Text::Const(only), Text::Fact(TextFact::Type)) => {
                    Some(only)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// `&&` with `wanted` true, `||` with false: the part that is not as wanted decides, else a fault, else none.
fn all(parts: &[Test], ground: &Ground<'_>, wanted: bool) -> Result<bool, Fault> {
    let mut fault = None;
    for part in parts {
        match part.holds(ground) {
            Ok(value) if value != wanted => return Ok(value),
            Ok(_) => {}
            Err(found) => fault = fault.or(Some(found)),
        }
    }
    fault.map_or(Ok(wanted), Err)
}

impl Text {
    fn value<'a>(&'a self, ground: &Ground<'a>) -> Result<&'a str, Fault> {
        Ok(match self {
            Self::Const(text) => text,
            Self::Fact(fact) => ground.text(*fact),
            Self::Tag(name) => ground.tag(name.value(ground)?),
            Self::If(parts) => {
                return if parts.0.holds(ground)? { parts.1.value(ground) } else { parts.2.value(ground) };
            }
        })
    }
}

impl Number {
    fn value(&self, ground: &Ground<'_>) -> Result<Value, Fault> {
        Ok(match self {
            Self::Whole(value) => Value::Whole(*value),
            Self::Decimal(value) => Value::Decimal(*value),
            Self::Fact(fact) => ground.number(fact)?,
            Self::Minus(inner) => match inner.value(ground)? {
                Value::Whole(value) => Value::Whole(value.checked_neg().ok_or(Fault::Overflow)?),
                Value::Decimal(value) => Value::Decimal(-value),
            },
            Self::Of(sign, sides) => return calculate(*sign, sides.0.value(ground)?, sides.1.value(ground)?),
            Self::SizeOf(text) => Value::Whole(i64::try_from(text.value(ground)?.chars().count()).unwrap_or(i64::MAX)),
            Self::TagCount => Value::Whole(i64::try_from(ground.facts.tags.len()).unwrap_or(i64::MAX)),
            Self::If(parts) => {
                return if parts.0.holds(ground)? { parts.1.value(ground) } else { parts.2.value(ground) };
            }
        })
    }
}

fn calculate(sign: Arithmetic, a: Value, b: Value) -> Result<Value, Fault> {
    if let (Value::Whole(a), Value::Whole(b)) = (a, b) {
        let result = match sign {
            Arithmetic::Plus => a.checked_add(b),
            Arithmetic::Minus => a.checked_sub(b),
            Arithmetic::Times => a.checked_mul(b),
            Arithmetic::Divide | Arithmetic::Rest if b == 0 => return Err(Fault::DividedByZero),
            Arithmetic::Divide => a.checked_div(b),
            Arithmetic::Rest => a.checked_rem(b),
        };
        return result.map(Value::Whole).ok_or(Fault::Overflow);
    }
    let (a, b) = (a.decimal(), b.decimal());
    let result = match sign {
        Arithmetic::Plus => a + b,
        Arithmetic::Minus => a - b,
        Arithmetic::Times => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Rest => a % b,
    };
    // Compared with anything it would be false: a rule that protects would not.
    if result.is_nan() { Err(Fault::NoNumber) } else { Ok(Value::Decimal(result)) }
}
