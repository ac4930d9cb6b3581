//! Names to choose from, with what each means. The chosen one is handed to the part below.

use super::{Row, Source};
use crate::engine::protocol::Snapshot;
use crate::present::labels::Label;
use crate::tui::part::{Cx, Effect};

/// One thing that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub value: String,
    /// The state of what it names.
    pub mark: Option<Label>,
    /// What it means, in a few words.
    pub about: String,
}

impl Choice {
    pub fn new(value: impl Into<String>, about: impl Into<String>) -> Self {
        Self { value: value.into(), mark: None, about: about.into() }
    }

    pub fn marked(self, mark: Label) -> Self {
        Self { mark: Some(mark), ..self }
    }
}

type List = Box<dyn Fn(&Snapshot) -> Vec<Choice>>;

pub struct Choices {
    title: &'static str,
    /// What there is to choose in a picture, so that a newer one is followed.
    list: List,
    /// Makes a choice of a text that none of the rows has.
    typed: Option<fn(&str, &Snapshot) -> Option<Choice>>,
}

impl Choices {
    pub fn new(title: &'static str, list: impl Fn(&Snapshot) -> Vec<Choice> + 'static) -> Self {
        Self { title, list: Box::new(list), typed: None }
    }

    pub fn or_typed(self, make: fn(&str, &Snapshot) -> Option<Choice>) -> Self {
        Self { typed: Some(make), ..self }
    }
}

impl Source for Choices {
    type Key = String;
    const PAGE: bool = false;

    fn title(&self) -> &'static str {
        self.title
    }

    fn about(&self) -> &'static str {
        "Typing narrows the rows, the arrows move, enter takes the one with the mark."
    }

    fn rows(&self, cx: &Cx<'_>) -> Vec<Row<String>> {
        (self.list)(cx.snapshot).into_iter().map(row).collect()
    }

    fn typed(&self, filter: &str, cx: &Cx<'_>) -> Option<Row<String>> {
        self.typed.and_then(|make| make(filter, cx.snapshot)).map(row)
    }

    fn chosen(&self, key: &String) -> Option<Effect> {
        Some(Effect::Hand(key.clone()))
    }

    fn nothing(&self) -> &'static str {
        "There is nothing to choose from yet."
    }
}

fn row(choice: Choice) -> Row<String> {
    Row { key: choice.value.clone(), mark: choice.mark, left: choice.value, right: choice.about, more: String::new() }
}
