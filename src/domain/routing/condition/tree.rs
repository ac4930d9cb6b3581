//! A checked condition as a tree: every node has one type, so that evaluating it can only fail for the few
//! reasons of [`super::Fault`]. Written back, it is a condition again.

use super::names::{Fact, NumberFact, SwitchFact, TextFact, is_word};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// True or false.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    Const(bool),
    Fact(SwitchFact),
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
    If(Box<(Test, Test, Test)>),
    Texts(Compare, Box<(Text, Text)>),
    Numbers(Compare, Box<(Number, Number)>),
    /// Equal, or with `false` not equal.
    Tests(bool, Box<(Test, Test)>),
    TextIn(Box<Text>, Vec<Text>),
    NumberIn(Box<Number>, Vec<Number>),
    StartsWith(Box<(Text, Text)>),
    EndsWith(Box<(Text, Text)>),
    Contains(Box<(Text, Text)>),
    Matches(Box<Text>, Pattern),
    /// The request carries a tag of this name.
    HasTag(Box<Text>),
    /// The fact is not absent.
    Has(Fact),
}

/// A text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    Const(String),
    Fact(TextFact),
    /// A tag by its name; "" when the request lacks it.
    Tag(Box<Text>),
    If(Box<(Test, Text, Text)>),
}

/// A number, whole or decimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    Whole(i64),
    Decimal(f64),
    Fact(NumberFact),
    Minus(Box<Number>),
    Of(Arithmetic, Box<(Number, Number)>),
    /// Characters of a text.
    SizeOf(Box<Text>),
    /// Tags that the request carries.
    TagCount,
    If(Box<(Test, Number, Number)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Compare {
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    pub(super) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    Plus,
    Minus,
    Times,
    Divide,
    Rest,
}

impl Arithmetic {
    pub fn sign(self) -> char {
        match self {
            Self::Plus => '+',
            Self::Minus => '-',
            Self::Times => '*',
            Self::Divide => '/',
            Self::Rest => '%',
        }
    }
}

/// A regular expression, compiled once; it travels as its text.
#[derive(Debug, Clone)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// # Errors
    /// What is wrong with the expression, in the words of its parser.
    pub fn new(text: &str) -> Result<Self, String> {
        const LARGEST: usize = 1 << 20;
        regex::RegexBuilder::new(text)
            .size_limit(LARGEST)
            .build()
            .map(Self)
            .map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())
    }

    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

// ---- what a tree reads

impl Test {
    /// Calls `note` for every fact in it, some more than once.
    pub(super) fn each_fact(&self, note: &mut impl FnMut(Fact)) {
        match self {
            Self::Const(_) => {}
            Self::Fact(fact) => note(Fact::Switch(fact.clone())),
            Self::Not(inner) => inner.each_fact(note),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each_fact(note)),
            Self::If(parts) => {
                parts.0.each_fact(note);
                parts.1.each_fact(note);
                parts.2.each_fact(note);
            }
            Self::Texts(_, sides) | Self::StartsWith(sides) | Self::EndsWith(sides) | Self::Contains(sides) => {
                sides.0.each_fact(note);
                sides.1.each_fact(note);
            }
            Self::Numbers(_, sides) => {
                sides.0.each_fact(note);
                sides.1.each_fact(note);
            }
            Self::Tests(_, sides) => {
                sides.0.each_fact(note);
                sides.1.each_fact(note);
            }
            Self::TextIn(text, list) => {
                text.each_fact(note);
                list.iter().for_each(|item| item.each_fact(note));
            }
            Self::NumberIn(number, list) => {
                number.each_fact(note);
                list.iter().for_each(|item| item.each_fact(note));
            }
            Self::Matches(text, _) => text.each_fact(note),
            Self::HasTag(name) => name.as_tag(note),
            Self::Has(fact) => note(fact.clone()),
        }
    }
}

impl Text {
    fn each_fact(&self, note: &mut impl FnMut(Fact)) {
        match self {
            Self::Const(_) => {}
            Self::Fact(fact) => note(Fact::Text(*fact)),
            Self::Tag(name) => name.as_tag(note),
            Self::If(parts) => {
                parts.0.each_fact(note);
                parts.1.each_fact(note);
                parts.2.each_fact(note);
            }
        }
    }

    /// This text as the name of a tag.
    fn as_tag(&self, note: &mut impl FnMut(Fact)) {
        if let Self::Const(name) = self {
            note(Fact::Tag(name.clone()));
        } else {
            note(Fact::Tags);
            self.each_fact(note);
        }
    }
}

impl Number {
    fn each_fact(&self, note: &mut impl FnMut(Fact)) {
        match self {
            Self::Whole(_) | Self::Decimal(_) => {}
            Self::Fact(fact) => note(Fact::Number(fact.clone())),
            Self::Minus(inner) => inner.each_fact(note),
            Self::Of(_, sides) => {
                sides.0.each_fact(note);
                sides.1.each_fact(note);
            }
            Self::SizeOf(text) => text.each_fact(note),
            Self::TagCount => note(Fact::Tags),
            Self::If(parts) => {
                parts.0.each_fact(note);
                parts.1.each_fact(note);
                parts.2.each_fact(note);
            }
        }
    }
}

// ---- written back

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(value) => value.fmt(f),
            Self::Fact(fact) => fact.fmt(f),
            Self::Not(inner) => match **inner {
                Self::Fact(_) | Self::Has(_) | Self::StartsWith(_) | Self::EndsWith(_) | Self::Contains(_) => {
                    write!(f, "!{inner}")
                }
                _ => write!(f, "!({inner})"),
            },
            Self::And(parts) => joined(f, parts, " && "),
            Self::Or(parts) => joined(f, parts, " || "),
            Self::If(parts) => write!(f, "({} ? {} : {})", parts.0, parts.1, parts.2),
            Self::Texts(sign, sides) => write!(f, "{} {} {}", sides.0, sign.sign(), sides.1),
            Self::Numbers(sign, sides) => write!(f, "{} {} {}", sides.0, sign.sign(), sides.1),
            Self::Tests(same, sides) => {
                let sign = if *same { "==" } else { "!=" };
                write!(f, "({}) {sign} ({})", sides.0, sides.1)
            }
            Self::TextIn(text, list) => {
                write!(f, "{text} in ")?;
                listed(f, list)
            }
            Self::NumberIn(number, list) => {
                write!(f, "{number} in ")?;
                listed(f, list)
            }
            Self::StartsWith(sides) => write!(f, "{}.startsWith({})", sides.0, sides.1),
            Self::EndsWith(sides) => write!(f, "{}.endsWith({})", sides.0, sides.1),
            Self::Contains(sides) => write!(f, "{}.contains({})", sides.0, sides.1),
            Self::Matches(text, pattern) => write!(f, "{text}.matches({})", Quoted(pattern.0.as_str())),
            Self::HasTag(name) => write!(f, "{name} in request.tags"),
            Self::Has(fact) => write!(f, "has({fact})"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Test], between: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        match part {
            Test::And(_) | Test::Or(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

fn listed(f: &mut fmt::Formatter<'_>, list: &[impl fmt::Display]) -> fmt::Result {
    f.write_str("[")?;
    for (at, item) in list.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    f.write_str("]")
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(text) => Quoted(text).fmt(f),
            Self::Fact(fact) => f.write_str(fact.name()),
            Self::Tag(name) => match &**name {
                Self::Const(name) if is_word(name) => write!(f, "request.tags.{name}"),
                name => write!(f, "request.tags[{name}]"),
            },
            Self::If(parts) => write!(f, "({} ? {} : {})", parts.0, parts.1, parts.2),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => value.fmt(f),
            Self::Decimal(value) => write!(f, "{value:?}"),
            Self::Fact(fact) => fact.fmt(f),
            Self::Minus(inner) => write!(f, "-({inner})"),
            Self::Of(sign, sides) => write!(f, "({} {} {})", sides.0, sign.sign(), sides.1),
            Self::SizeOf(text) => write!(f, "size({text})"),
            Self::TagCount => f.write_str("size(request.tags)"),
            Self::If(parts) => write!(f, "({} ? {} : {})", parts.0, parts.1, parts.2),
        }
    }
}

/// A text in quotes, as CEL reads it.
pub(super) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}
