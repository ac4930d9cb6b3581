//! The second half of our pass: operators and functions, each with the types it takes.

use super::Slip;
use super::convert::{DEEPEST, Part, Read, Reader};
use crate::adapters::config::suggest::closest;
use crate::domain::call::Priority;
use crate::domain::ids::ProviderId;
use crate::domain::routing::condition::{
    Arithmetic, Compare, FUNCTIONS, Number, NumberFact, Pattern, Test, Text, TextFact,
};
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, ListExpr, LiteralValue};

impl Reader<'_> {
    pub(super) fn call(&self, node: &IdedExpr, call: &CallExpr, depth: usize) -> Read<Part> {
        let next = depth + 1;
        let name = call.func_name.as_str();
        if let Some(target) = &call.target {
            return self.method(node, name, target, &call.args, next);
        }
        match (name, call.args.as_slice()) {
            ("_&&_" | "_||_", _) => {
                let mut parts = Vec::new();
                self.flatten(node, name, next, &mut parts)?;
                Ok(Part::Test(if name == "_&&_" { Test::And(parts) } else { Test::Or(parts) }))
            }
            ("!_", [inner]) => Ok(Part::Test(Test::Not(Box::new(self.test(inner, next)?)))),
            ("-_", [inner]) => Ok(Part::Number(Number::Minus(Box::new(self.number(inner, next)?)))),
            ("_?_:_", [test, yes, no]) => self.choice(node, [test, yes, no], next),
            ("_[_]", [of, key]) => self.index(node, of, key, next),
            ("@in", [one, list]) => self.member(node, one, list, next),
            ("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => self.compare(node, name, a, b, next),
            ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [a, b]) => self.arithmetic(node, name, a, b, next),
            ("size", [one]) => self.size(one, next),
            ("has", _) => Err(Slip::new(
                self.function_at(node, name),
                "has() asks for one fact",
                "as in has(request.tags.privacy)",
            )),
            _ => Err(self.unknown_function(node, name)),
        }
    }

    fn unknown_function(&self, node: &IdedExpr, name: &str) -> Slip {
        let at = self.function_at(node, name);
        if matches!(name, "startsWith" | "endsWith" | "contains" | "matches") {
            return Slip::new(
                at,
                format!("{name} stands behind a text"),
                format!("as in request.type.{name}(\"...\")"),
            );
        }
        let remedy = match closest(name, &FUNCTIONS) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known: {}", FUNCTIONS.join(", ")),
        };
        Slip::new(at, format!("there is no function {name}"), remedy)
    }

    /// The parser balances long chains; here they are one list again.
    fn flatten(&self, node: &IdedExpr, name: &str, depth: usize, parts: &mut Vec<Test>) -> Read<()> {
        match &node.expr {
            Expr::Call(call) if call.func_name == name && call.target.is_none() && depth <= DEEPEST => {
                call.args.iter().try_for_each(|arg| self.flatten(arg, name, depth + 1, parts))
            }
            _ => {
                parts.push(self.test(node, depth)?);
                Ok(())
            }
        }
    }

    fn choice(&self, node: &IdedExpr, [test, yes, no]: [&IdedExpr; 3], depth: usize) -> Read<Part> {
        let test = self.test(test, depth)?;
        match (self.part(yes, depth)?, self.part(no, depth)?) {
            (Part::Test(yes), Part::Test(no)) => Ok(Part::Test(Test::If(Box::new((test, yes, no))))),
            (Part::Text(yes), Part::Text(no)) => Ok(Part::Text(Text::If(Box::new((test, yes, no))))),
            (Part::Number(yes), Part::Number(no)) => Ok(Part::Number(Number::If(Box::new((test, yes, no))))),
            (yes, no) => Err(Slip::new(
                self.at(node),
                format!("the two ways of ? : differ: {} and {}", yes.what(), no.what()),
                "both have to be of one kind",
            )),
        }
    }

    fn index(&self, node: &IdedExpr, of: &IdedExpr, key: &IdedExpr, depth: usize) -> Read<Part> {
        match self.part(of, depth)? {
            Part::Tags => Ok(Part::Text(Text::Tag(Box::new(self.text(key, depth)?)))),
            Part::Providers => match &key.expr {
                Expr::Literal(LiteralValue::String(id)) => Ok(Part::Provider(ProviderId::from(id.inner()))),
                _ => Err(Slip::new(
                    self.at(key),
                    "a provider is named by its id in quotes",
                    "as in provider[\"lm_studio\"].up",
                )),
            },
            Part::Request => match &key.expr {
                Expr::Literal(LiteralValue::String(field)) => self.request_fact(node, field.inner()),
                _ => Err(Slip::new(self.at(key), "a fact is named by its own name", "as in request.type")),
            },
            other => Err(Slip::new(
                self.at(node),
                format!("{} cannot be asked with [...]", other.what()),
                "only request.tags[\"NAME\"] and provider[\"ID\"] can",
            )),
        }
    }

    fn member(&self, node: &IdedExpr, one: &IdedExpr, list: &IdedExpr, depth: usize) -> Read<Part> {
        let items = match &list.expr {
            Expr::List(ListExpr { elements, .. }) => elements,
            _ => {
                return match self.part(list, depth)? {
                    Part::Tags => Ok(Part::Test(Test::HasTag(Box::new(self.text(one, depth)?)))),
                    Part::Text(_) => Err(Slip::new(
                        self.at(node),
                        "in looks into a list, not into a text",
                        "use contains, as in request.client.contains(\"batch\")",
                    )),
                    _ => Err(Slip::new(self.at(list), "in needs a list", "as in request.type in [\"a\", \"b\"]")),
                };
            }
        };
        Ok(Part::Test(match self.part(one, depth)? {
            Part::Text(text) => {
                let all: Read<Vec<Text>> = items
                    .iter()
                    .map(|item| {
                        let value = self.text(item, depth)?;
                        self.check_text(item, &text, &value)?;
                        Ok(value)
                    })
                    .collect();
                Test::TextIn(Box::new(text), all?)
            }
            Part::Number(number) => {
                let all: Read<Vec<Number>> = items
                    .iter()
                    .map(|item| {
                        let value = self.number(item, depth)?;
                        self.check_number(item, &number, &value)?;
                        Ok(value)
                    })
                    .collect();
                Test::NumberIn(Box::new(number), all?)
            }
            other => {
                return Err(Slip::new(
                    self.at(one),
                    format!("{} cannot be looked up in a list", other.what()),
                    "only texts and numbers can",
                ));
            }
        }))
    }

    fn compare(&self, node: &IdedExpr, name: &str, a: &IdedExpr, b: &IdedExpr, depth: usize) -> Read<Part> {
        let sign = match name {
            "_==_" => Compare::Equal,
            "_!=_" => Compare::NotEqual,
            "_<_" => Compare::Less,
            "_<=_" => Compare::AtMost,
            "_>_" => Compare::Greater,
            _ => Compare::AtLeast,
        };
        let equality = matches!(sign, Compare::Equal | Compare::NotEqual);
        Ok(Part::Test(match (self.part(a, depth)?, self.part(b, depth)?) {
            (Part::Text(left), Part::Text(right)) => {
                let priority = |text: &Text| *text == Text::Fact(TextFact::Priority);
                if !equality && (priority(&left) || priority(&right)) {
                    return Err(Slip::new(
                        self.at(node),
                        format!("request.priority is a word, and {} would compare letters", sign.sign()),
                        "write request.priority == \"high\", or request.priority in [\"normal\", \"high\"]",
                    ));
                }
                self.check_text(b, &left, &right)?;
                self.check_text(a, &right, &left)?;
                Test::Texts(sign, Box::new((left, right)))
            }
            (Part::Number(left), Part::Number(right)) => {
                self.check_number(b, &left, &right)?;
                self.check_number(a, &right, &left)?;
                Test::Numbers(sign, Box::new((left, right)))
            }
            (Part::Test(left), Part::Test(right)) if equality => {
                Test::Tests(sign == Compare::Equal, Box::new((left, right)))
            }
            (Part::Test(_), Part::Test(_)) => {
                return Err(Slip::new(
                    self.at(node),
                    format!("true and false have no order for {}", sign.sign()),
                    "use == or !=",
                ));
            }
            (left, right) => {
                let remedy = match (&left, &right) {
                    (Part::Text(_), Part::Number(number)) | (Part::Number(number), Part::Text(_)) => {
                        format!("if the text is meant, write \"{number}\"; numbers stand without quotes")
                    }
                    (Part::Test(_), Part::Text(_)) | (Part::Text(_), Part::Test(_)) => {
                        "true and false stand without quotes".to_owned()
                    }
                    _ => "compare things of one kind".to_owned(),
                };
                return Err(Slip::new(
                    self.at(node),
                    format!("{} cannot be compared with {}", left.what(), right.what()),
                    remedy,
                ));
            }
        }))
    }

    /// A literal that a fact can never be.
    fn check_text(&self, node: &IdedExpr, fact: &Text, value: &Text) -> Read<()> {
        let (Text::Fact(TextFact::Priority), Text::Const(word)) = (fact, value) else { return Ok(()) };
        if Priority::from_word(word).is_some() {
            return Ok(());
        }
        Err(Slip::new(
            self.at(node),
            format!("request.priority is never {word:?}"),
            "it is \"high\", \"normal\" or \"low\"",
        ))
    }

    fn check_number(&self, node: &IdedExpr, fact: &Number, value: &Number) -> Read<()> {
        let (Number::Fact(fact), Number::Whole(value)) = (fact, value) else { return Ok(()) };
        let (low, high, words) = match fact {
            NumberFact::Hour => (0, 24, "from 0 to 23"),
            NumberFact::Weekday => (0, 7, "from 0 (Sunday) to 6"),
            NumberFact::PromptTokens | NumberFact::MaxTokens | NumberFact::P50Ms(_) | NumberFact::InFlight(_) => {
                (0, i64::MAX, "0 or more")
            }
            NumberFact::Used | NumberFact::Remaining | NumberFact::Fraction => return Ok(()),
        };
        // One beyond the last is a fair bound: time.hour < 24.
        if (low..=high).contains(value) {
            return Ok(());
        }
        Err(Slip::new(self.at(node), format!("{fact} is never {value}"), format!("it is {words}")))
    }

    fn arithmetic(&self, node: &IdedExpr, name: &str, a: &IdedExpr, b: &IdedExpr, depth: usize) -> Read<Part> {
        let sign = match name {
            "_+_" => Arithmetic::Plus,
            "_-_" => Arithmetic::Minus,
            "_*_" => Arithmetic::Times,
            "_/_" => Arithmetic::Divide,
            _ => Arithmetic::Rest,
        };
        match (self.part(a, depth)?, self.part(b, depth)?) {
            (Part::Number(_), Part::Number(Number::Whole(0)))
                if matches!(sign, Arithmetic::Divide | Arithmetic::Rest) =>
            {
                Err(Slip::new(self.at(node), "this divides by zero", "use another number"))
            }
            (Part::Number(left), Part::Number(right)) => Ok(Part::Number(Number::Of(sign, Box::new((left, right))))),
            (left, right) => Err(Slip::new(
                self.at(node),
                format!("{} does not go between {} and {}", sign.sign(), left.what(), right.what()),
                "numbers only",
            )),
        }
    }

    fn size(&self, one: &IdedExpr, depth: usize) -> Read<Part> {
        match self.part(one, depth)? {
            Part::Text(text) => Ok(Part::Number(Number::SizeOf(Box::new(text)))),
            Part::Tags => Ok(Part::Number(Number::TagCount)),
            other => Err(Slip::new(
                self.at(one),
                format!("{} has no size", other.what()),
                "size() counts the characters of a text, or the tags",
            )),
        }
    }

    fn method(&self, node: &IdedExpr, name: &str, target: &IdedExpr, args: &[IdedExpr], depth: usize) -> Read<Part> {
        if !matches!(name, "startsWith" | "endsWith" | "contains" | "matches" | "size") {
            return Err(self.unknown_function(node, name));
        }
        match (name, args) {
            ("size", []) => return self.size(target, depth),
            ("size", _) | (_, [] | [_, _, ..]) => {
                let (message, remedy) = if name == "size" {
                    ("size() takes nothing behind a text".to_owned(), "as in request.client.size()".to_owned())
                } else {
                    (format!("{name} takes one text"), format!("as in request.type.{name}(\"...\")"))
                };
                return Err(Slip::new(self.function_at(node, name), message, remedy));
            }
            _ => {}
        }
        let text = self.text(target, depth)?;
        let Some(arg) = args.first() else { return Err(self.unknown_function(node, name)) };
        let value = self.text(arg, depth)?;
        Ok(Part::Test(match (name, value) {
            ("startsWith", value) => Test::StartsWith(Box::new((text, value))),
            ("endsWith", value) => Test::EndsWith(Box::new((text, value))),
            ("contains", value) => Test::Contains(Box::new((text, value))),
            (_, Text::Const(pattern)) => {
                let pattern = Pattern::new(&pattern).map_err(|error| {
                    Slip::new(
                        self.at(arg),
                        format!("the regular expression cannot be read: {error}"),
                        "a plain text is looked for with contains",
                    )
                })?;
                Test::Matches(Box::new(text), pattern)
            }
            _ => {
                return Err(Slip::new(
                    self.at(arg),
                    "a regular expression has to stand in quotes",
                    "as in request.model.matches(\"^glm-\")",
                ));
            }
        }))
    }
}
