//! Our own pass over the parsed expression: names, types and literals are checked, regular expressions compiled,
//! and the tree of the domain comes out. Facts and literals are here, operators and functions in `operators`.

use super::Slip;
use crate::adapters::config::suggest::closest;
use crate::domain::ids::ProviderId;
use crate::domain::routing::condition::{
    Condition, FACTS, FUNCTIONS, Fact, Number, NumberFact, SwitchFact, Test, Text, TextFact,
};
use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, SelectExpr, SourceInfo};

/// Nodes below nodes at most: a guard for the stack.
pub(super) const DEEPEST: usize = 128;

const ROOTS: [&str; 4] = ["request", "provider", "budget", "time"];

/// A part of the expression by its type.
pub(super) enum Part {
    Test(Test),
    Text(Text),
    Number(Number),
    Tags,
    Request,
    Providers,
    Provider(ProviderId),
    Budget,
    Time,
}

impl Part {
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Test(_) => "true or false",
            Self::Text(_) => "text",
            Self::Number(_) => "a number",
            Self::Tags => "labels",
            Self::Request => "the whole request",
            Self::Providers => "all providers",
            Self::Provider(_) => "a whole provider",
            Self::Budget => "the whole budget",
            Self::Time => "the whole time",
        }
    }
}

/// The condition that `expression` is.
///
/// # Errors
/// The first slip in it.
pub fn condition(text: &str, expression: &IdedExpr, source: &SourceInfo) -> Result<Condition, Slip> {
    Reader { text, source }.test(expression, 0).map(Condition::new)
}

pub(super) struct Reader<'a> {
    text: &'a str,
    source: &'a SourceInfo,
}

pub(super) type Read<T> = Result<T, Slip>;

impl Reader<'_> {
    pub(super) fn at(&self, node: &IdedExpr) -> usize {
        self.source.offset_for(node.id).map_or(0, |(start, _)| start as usize)
    }

    /// Where a name stands that begins at or behind `from`.
    fn name_at(&self, from: usize, name: &str) -> usize {
        let rest: String = self.text.chars().skip(from).collect();
        rest.find(name).map_or(from, |bytes| from + rest[..bytes].chars().count())
    }

    /// Where a called function's name stands: its node is its opening bracket.
    pub(super) fn function_at(&self, node: &IdedExpr, name: &str) -> usize {
        self.at(node).saturating_sub(name.chars().count())
    }

    // ---- by type

    pub(super) fn test(&self, node: &IdedExpr, depth: usize) -> Read<Test> {
        match self.part(node, depth)? {
            Part::Test(test) => Ok(test),
            Part::Text(text) => Err(Slip::new(
                self.at(node),
                format!("{text} is text, and true or false is needed here"),
                format!("compare it, as in {text} == \"...\""),
            )),
            Part::Number(number) => Err(Slip::new(
                self.at(node),
                format!("{number} is a number, and true or false is needed here"),
                format!("compare it, as in {number} > 100"),
            )),
            other => Err(Slip::new(
                self.at(node),
                format!("this is {}, and true or false is needed here", other.what()),
                "name one of its facts, as in request.stream",
            )),
        }
    }

    pub(super) fn text(&self, node: &IdedExpr, depth: usize) -> Read<Text> {
        match self.part(node, depth)? {
            Part::Text(text) => Ok(text),
            other => Err(Slip::new(
                self.at(node),
                format!("this is {}, and text is needed here", other.what()),
                "put texts in quotes",
            )),
        }
    }

    pub(super) fn number(&self, node: &IdedExpr, depth: usize) -> Read<Number> {
        match self.part(node, depth)? {
            Part::Number(number) => Ok(number),
            other => Err(Slip::new(
                self.at(node),
                format!("this is {}, and a number is needed here", other.what()),
                "write numbers without quotes",
            )),
        }
    }

    pub(super) fn part(&self, node: &IdedExpr, depth: usize) -> Read<Part> {
        if depth > DEEPEST {
            return Err(Slip::new(
                self.at(node),
                "the condition is nested too deeply",
                "make it flatter, or split it into rules",
            ));
        }
        match &node.expr {
            Expr::Literal(literal) => self.literal(node, literal),
            Expr::Ident(name) => self.ident(node, name),
            Expr::Select(select) => self.select(node, select, depth),
            Expr::Call(call) => self.call(node, call, depth),
            Expr::List(_) => {
                Err(Slip::new(self.at(node), "a list stands only behind in", "as in request.type in [\"a\", \"b\"]"))
            }
            Expr::Comprehension(_) => Err(Slip::new(
                self.at(node),
                "all, exists, map and filter are not known here",
                "name the facts one by one, or use in [...]",
            )),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => Err(Slip::new(
                self.at(node),
                "sections in braces are not known here",
                "name a fact, a text or a number",
            )),
        }
    }

    fn literal(&self, node: &IdedExpr, literal: &LiteralValue) -> Read<Part> {
        Ok(match literal {
            LiteralValue::Boolean(value) => Part::Test(Test::Const(*value.inner())),
            LiteralValue::Int(value) => Part::Number(Number::Whole(*value.inner())),
            LiteralValue::UInt(value) => Part::Number(Number::Whole(
                i64::try_from(*value.inner())
                    .map_err(|_| Slip::new(self.at(node), "this number is too large", "use a smaller one"))?,
            )),
            LiteralValue::Double(value) => {
                let value = *value.inner();
                if !value.is_finite() {
                    return Err(Slip::new(self.at(node), "this number is too large", "use a smaller one"));
                }
                Part::Number(Number::Decimal(value))
            }
            LiteralValue::String(value) => Part::Text(Text::Const(value.inner().to_owned())),
            LiteralValue::Bytes(_) => {
                return Err(Slip::new(
                    self.at(node),
                    "bytes are not known here",
                    "write the text without the b before its quotes",
                ));
            }
            LiteralValue::Null => {
                return Err(Slip::new(
                    self.at(node),
                    "nothing is null here",
                    "an absent text is \"\", an absent number 0",
                ));
            }
        })
    }

    fn ident(&self, node: &IdedExpr, name: &str) -> Read<Part> {
        match name {
            "request" => Ok(Part::Request),
            "provider" => Ok(Part::Providers),
            "budget" => Ok(Part::Budget),
            "time" => Ok(Part::Time),
            _ => Err(self.unknown_name(node, name)),
        }
    }

    fn unknown_name(&self, node: &IdedExpr, name: &str) -> Slip {
        let at = self.at(node);
        let before: String = self.text.chars().take(at).collect();
        // request.tags.user-id is read as a difference.
        if let Some((front, tag)) = before.strip_suffix('-').and_then(|front| front.rsplit_once("request.tags."))
            && tag.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        {
            return Slip::new(
                front.chars().count() + "request.tags.".len(),
                format!("a tag with - in its name cannot stand behind a dot: request.tags.{tag}-{name}"),
                format!("write request.tags[\"{tag}-{name}\"]"),
            );
        }
        let whole = FACTS.iter().find(|fact| fact.name.rsplit('.').next() == Some(name)).map(|fact| fact.name);
        let remedy = match (whole, closest(name, &ROOTS)) {
            (Some(fact), _) => format!("did you mean {fact}?"),
            (None, Some(root)) => format!("did you mean {root}?"),
            (None, None) => {
                format!("put it in quotes if it is a text: \"{name}\"; facts begin with {}", ROOTS.join(", "))
            }
        };
        Slip::new(at, format!("{name} is no fact"), remedy)
    }

    // ---- facts

    fn select(&self, node: &IdedExpr, select: &SelectExpr, depth: usize) -> Read<Part> {
        let field = select.field.as_str();
        let part = match self.part(&select.operand, depth + 1)? {
            Part::Request => self.request_fact(node, field)?,
            Part::Tags => Part::Text(Text::Tag(Box::new(Text::Const(field.to_owned())))),
            Part::Providers => Part::Provider(ProviderId::from(field)),
            Part::Provider(id) => self.provider_fact(node, id, field)?,
            Part::Budget => Part::Number(Number::Fact(match field {
                "used" => NumberFact::Used,
                "remaining" => NumberFact::Remaining,
                "fraction" => NumberFact::Fraction,
                _ => return Err(self.unknown_field(node, "budget.", field)),
            })),
            Part::Time => Part::Number(Number::Fact(match field {
                "hour" => NumberFact::Hour,
                "weekday" => NumberFact::Weekday,
                _ => return Err(self.unknown_field(node, "time.", field)),
            })),
            other => {
                return Err(Slip::new(
                    self.name_at(self.at(node), field),
                    format!("{} has no {field}", other.what()),
                    format!("functions are {}", FUNCTIONS.join(", ")),
                ));
            }
        };
        if !select.test {
            return Ok(part);
        }
        // has(...)
        let fact = match part {
            Part::Text(Text::Fact(fact)) => Fact::Text(fact),
            Part::Text(Text::Tag(name)) => match *name {
                Text::Const(name) => Fact::Tag(name),
                _ => Fact::Tags,
            },
            Part::Test(Test::Fact(fact)) => Fact::Switch(fact),
            Part::Number(Number::Fact(fact)) => Fact::Number(fact),
            Part::Tags => Fact::Tags,
            _ => return Err(Slip::new(self.at(node), "has() asks for one fact", "as in has(request.tags.privacy)")),
        };
        Ok(Part::Test(Test::Has(fact)))
    }

    pub(super) fn request_fact(&self, node: &IdedExpr, field: &str) -> Read<Part> {
        let text = |fact| Ok(Part::Text(Text::Fact(fact)));
        let switch = |fact| Ok(Part::Test(Test::Fact(fact)));
        let number = |fact| Ok(Part::Number(Number::Fact(fact)));
        match field {
            "type" => text(TextFact::Type),
            "complexity" => text(TextFact::Complexity),
            "audience" => text(TextFact::Audience),
            "priority" => text(TextFact::Priority),
            "model" => text(TextFact::Model),
            "client" => text(TextFact::Client),
            "session" => text(TextFact::Session),
            "prompt_tokens" => number(NumberFact::PromptTokens),
            "max_tokens" => number(NumberFact::MaxTokens),
            "stream" => switch(SwitchFact::Stream),
            "has_tools" => switch(SwitchFact::HasTools),
            "has_images" => switch(SwitchFact::HasImages),
            "wants_json" => switch(SwitchFact::WantsJson),
            "tags" => Ok(Part::Tags),
            "prompt" | "messages" | "content" | "text" => Err(Slip::new(
                self.name_at(self.at(node), field),
                "routing never looks at the prompt's text",
                "use request.prompt_tokens, request.type or a tag",
            )),
            _ => Err(self.unknown_field(node, "request.", field)),
        }
    }

    fn provider_fact(&self, node: &IdedExpr, id: ProviderId, field: &str) -> Read<Part> {
        Ok(match field {
            "up" => Part::Test(Test::Fact(SwitchFact::Up(id))),
            "loaded" => Part::Test(Test::Fact(SwitchFact::Loaded(id))),
            "p50_ms" => Part::Number(Number::Fact(NumberFact::P50Ms(id))),
            "in_flight" => Part::Number(Number::Fact(NumberFact::InFlight(id))),
            _ => return Err(self.unknown_field(node, "provider[\"ID\"].", field)),
        })
    }

    fn unknown_field(&self, node: &IdedExpr, root: &str, field: &str) -> Slip {
        let known: Vec<&str> = FACTS.iter().filter_map(|fact| fact.name.strip_prefix(root)).collect();
        let remedy = match closest(field, &known) {
            Some(near) => format!("did you mean {root}{near}?"),
            None if root == "request." => {
                format!("a label of your own is request.tags.{field}; known: {}", known.join(", "))
            }
            None => format!("known: {}", known.join(", ")),
        };
        Slip::new(self.name_at(self.at(node), field), format!("{root}{field} is no fact"), remedy)
    }
}
