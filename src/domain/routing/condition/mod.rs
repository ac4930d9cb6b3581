//! Conditions of policies: a typed tree, what it reads, and its evaluation over a request in a world.
//!
//! How a text becomes a tree is the configuration's business (`adapters::config::conditions`): the text is CEL
//! and parsed there. A tree is plain data, so that rules travel and are tried out without their text being read
//! again.

mod eval;
mod names;
mod tree;
mod why;

pub use eval::{Fault, Ground};
pub use names::{FACTS, FUNCTIONS, Fact, FactType, Named, NumberFact, SwitchFact, TextFact};
pub use tree::{Arithmetic, Compare, Number, Pattern, Test, Text};

use serde::{Deserialize, Serialize};

/// A checked condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Condition {
    test: Test,
    /// Each fact once, in the order they are named.
    reads: Vec<Fact>,
    /// The one request type of which it can be true. Most rules name one, and most requests have another: asked first,
    /// it saves the look at everything else.
    #[serde(skip_serializing)]
    only_type: Option<Box<str>>,
}

/// A condition as it travels.
#[derive(Deserialize)]
struct Written {
    test: Test,
}

impl From<Written> for Condition {
    fn from(written: Written) -> Self {
        Self::new(written.test)
    }
}

impl Default for Condition {
    fn default() -> Self {
        Self::new(Test::Const(true))
    }
}

impl Condition {
    pub fn new(test: Test) -> Self {
        let mut reads = Vec::new();
        test.each_fact(&mut |fact| {
            if !reads.contains(&fact) {
                reads.push(fact);
            }
        });
        let only_type = test.only_type().map(Into::into);
        Self { test, reads, only_type }
    }

    /// Whether it is true here.
    ///
    /// # Errors
    /// Why it has no result: a provider that is gone, a division by zero.
    pub fn holds(&self, ground: &Ground<'_>) -> Result<bool, Fault> {
        if self.only_type.as_deref().is_some_and(|only| only != ground.text(TextFact::Type)) {
            return Ok(false);
        }
        self.test.holds(ground)
    }

    pub fn test(&self) -> &Test {
        &self.test
    }

    /// The facts it may look at.
    pub fn reads(&self) -> &[Fact] {
        &self.reads
    }

    pub fn always(&self) -> bool {
        self.test == Test::Const(true)
    }

    /// Its parts that must all hold; itself when it is one.
    pub fn parts(&self) -> &[Test] {
        match &self.test {
            Test::And(parts) => parts,
            Test::Const(true) => &[],
            one => std::slice::from_ref(one),
        }
    }
}
