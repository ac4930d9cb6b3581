//! The sample request that is explained: its fields, and the facts they make.

use crate::domain::call::{Facts, Priority};
use crate::domain::ids::CallId;
use crate::engine::protocol::Snapshot;
use crate::tui::widgets::line::Line;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Type,
    Model,
    Prompt,
    Most,
    Priority,
    Prefer,
    Tools,
    Images,
    Json,
}

impl Field {
    /// In reading order.
    pub const ALL: [Self; 9] = [
        Self::Type,
        Self::Model,
        Self::Prompt,
        Self::Most,
        Self::Priority,
        Self::Prefer,
        Self::Tools,
        Self::Images,
        Self::Json,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Type => "Type",
            Self::Model => "Model",
            Self::Prompt => "Tokens",
            Self::Most => "Most out",
            Self::Priority => "Priority",
            Self::Prefer => "Prefer",
            Self::Tools => "Tools",
            Self::Images => "Images",
            Self::Json => "JSON",
        }
    }

    /// What stands there while nothing is typed.
    pub fn empty(self) -> &'static str {
        match self {
            Self::Type => "none",
            Self::Model => "auto",
            _ => "0",
        }
    }

    pub fn is_text(self) -> bool {
        matches!(self, Self::Type | Self::Model | Self::Prompt | Self::Most)
    }
}

#[derive(Debug, Clone)]
pub struct Sample {
    pub focus: Field,
    pub request_type: Line,
    pub model: Line,
    pub prompt: Line,
    pub most: Line,
    priority: Priority,
    /// A provider; empty for any.
    pub prefer: String,
    tools: bool,
    images: bool,
    json: bool,
    /// What no field shows: of a recorded call.
    base: Facts,
    /// The call it was taken from.
    pub call: Option<CallId>,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            focus: Field::Type,
            request_type: Line::default(),
            model: Line::default(),
            prompt: Line::default(),
            most: Line::default(),
            priority: Priority::default(),
            prefer: String::new(),
            tools: false,
            images: false,
            json: false,
            base: Facts::default(),
            call: None,
        }
    }
}

impl Sample {
    /// The request of a recorded call.
    pub fn of_call(call: CallId, facts: &Facts) -> Self {
        let number = |count: u64| Line::new(if count == 0 { String::new() } else { count.to_string() });
        Self {
            focus: Field::Type,
            request_type: Line::new(facts.request_type.as_str()),
            model: Line::new(facts.requested_model.as_str()),
            prompt: number(facts.prompt_tokens),
            most: number(facts.max_tokens),
            priority: facts.priority,
            prefer: facts.preferred_provider.clone(),
            tools: facts.has_tools,
            images: facts.has_images,
            json: facts.wants_json,
            base: facts.clone(),
            call: Some(call),
        }
    }

    pub fn line(&self, field: Field) -> Option<&Line> {
        match field {
            Field::Type => Some(&self.request_type),
            Field::Model => Some(&self.model),
            Field::Prompt => Some(&self.prompt),
            Field::Most => Some(&self.most),
            _ => None,
        }
    }

    pub fn line_mut(&mut self, field: Field) -> Option<&mut Line> {
        match field {
            Field::Type => Some(&mut self.request_type),
            Field::Model => Some(&mut self.model),
            Field::Prompt => Some(&mut self.prompt),
            Field::Most => Some(&mut self.most),
            _ => None,
        }
    }

    /// The word of a field of choices.
    pub fn word(&self, field: Field) -> &str {
        let yes_no = |value| if value { "yes" } else { "no" };
        match field {
            Field::Priority => self.priority.word(),
            Field::Prefer if self.prefer.is_empty() => "any",
            Field::Prefer => &self.prefer,
            Field::Tools => yes_no(self.tools),
            Field::Images => yes_no(self.images),
            Field::Json => yes_no(self.json),
            _ => self.line(field).map_or("", Line::value),
        }
    }

    pub fn move_on(&mut self, forward: bool) {
        let place = Field::ALL.iter().position(|field| *field == self.focus).unwrap_or(0);
        let step = if forward { 1 } else { Field::ALL.len() - 1 };
        self.focus = Field::ALL[(place + step) % Field::ALL.len()];
    }

    pub fn choose(&mut self, forward: bool, snapshot: &Snapshot) {
        match self.focus {
            Field::Priority => {
                let all = [Priority::Low, Priority::Normal, Priority::High];
                self.priority = *neighbour(&all, &self.priority, forward);
            }
            Field::Prefer => {
                let known = snapshot.providers.iter().map(|provider| provider.id.to_string());
                let all: Vec<String> = std::iter::once(String::new()).chain(known).collect();
                self.prefer = neighbour(&all, &self.prefer, forward).clone();
            }
            Field::Tools => self.tools = !self.tools,
            Field::Images => self.images = !self.images,
            Field::Json => self.json = !self.json,
            _ => {}
        }
    }

    /// # Errors
    /// The field that is wrong, with a sentence.
    pub fn facts(&self) -> Result<Facts, (Field, String)> {
        let number = |field: Field| {
            let text: String =
                self.word(field).chars().filter(|c| !matches!(c, ',' | '_') && !c.is_whitespace()).collect();
            if text.is_empty() {
                return Ok(0);
            }
            text.parse().map_err(|_| (field, format!("{} is a whole number, as in 25800", field.label())))
        };
        let model = self.model.value().trim();
        Ok(Facts {
            request_type: self.request_type.value().trim().to_owned(),
            requested_model: if model.is_empty() { "auto" } else { model }.to_owned(),
            prompt_tokens: number(Field::Prompt)?,
            max_tokens: number(Field::Most)?,
            priority: self.priority,
            preferred_provider: self.prefer.clone(),
            has_tools: self.tools,
            has_images: self.images,
            wants_json: self.json,
            ..self.base.clone()
        })
    }

    /// `a request of type teaching_generation, 25800 tokens, with tools`.
    pub fn summary(&self) -> String {
        let mut parts = vec![match self.request_type.value().trim() {
            "" => "a request without a type".to_owned(),
            name => format!("a request of type {name}"),
        }];
        if let Some(call) = &self.call {
            parts.insert(0, format!("call {call}"));
        }
        let model = self.model.value().trim();
        if !model.is_empty() {
            parts.push(format!("model {model}"));
        }
        for (field, unit) in [(Field::Prompt, "tokens"), (Field::Most, "out at most")] {
            if !self.word(field).is_empty() {
                parts.push(format!("{} {unit}", self.word(field)));
            }
        }
        if self.priority != Priority::default() {
            parts.push(format!("priority {}", self.priority.word()));
        }
        if !self.prefer.is_empty() {
            parts.push(format!("rather {}", self.prefer));
        }
        for (word, carried) in [("tools", self.tools), ("images", self.images), ("JSON", self.json)] {
            if carried {
                parts.push(format!("with {word}"));
            }
        }
        parts.join(", ")
    }
}

/// The next or previous of `all` after `one`, around the ends. `all` is never empty.
fn neighbour<'a, T: PartialEq>(all: &'a [T], one: &T, forward: bool) -> &'a T {
    let place = all.iter().position(|other| other == one).unwrap_or(0);
    let step = if forward { 1 } else { all.len() - 1 };
    &all[(place + step) % all.len()]
}
