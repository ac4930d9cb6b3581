//! Presets: named prompts with variables and defaults, and the request that one becomes once its variables have
//! values. Where a preset is written and who asks for it is not known here.

mod template;

pub use template::{Slip, Template};

use super::call::{Body, CallRequest, Facts, Message, Role};
use super::routing::{Named, closest, request_type, stands_for_something};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The tag that calls of a preset carry, so that rules and records know them by it.
pub const TAG: &str = "preset";
/// The member of an HTTP answer that holds the text where a preset names none.
pub const ANSWER_FIELD: &str = "content";

/// Values by the names of variables.
pub type Values = BTreeMap<String, String>;

/// A named prompt template.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Preset {
    pub name: String,
    /// The label its calls carry, unless the caller gives one; empty for none.
    pub request_type: String,
    /// Blank: the model's own of the configuration, where it has one.
    pub system_prompt: Template,
    pub prompt: Template,
    /// Values of variables that a caller leaves out.
    pub defaults: Values,
    /// What it asks for, as in a request's `model`; empty for `auto`.
    pub model: String,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    /// The name of the text in the HTTP answer.
    pub answer_field: String,
}

/// A preset's texts with every variable in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    pub system_prompt: Option<String>,
    pub prompt: String,
}

/// What a caller asks for himself, before the preset.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Asked {
    pub model: Option<String>,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
}

/// Why a preset's texts cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfilled {
    /// These variables have neither a value nor a default.
    Missing(Vec<String>),
    /// A value for a variable that there is not, and the one that may be meant.
    Unknown { name: String, near: Option<String> },
    /// The prompt is empty once everything is in place.
    Empty,
}

impl Preset {
    /// Whether `text` may be a preset's name: a part of an address, and the name of a model for clients.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn check_name(text: &str) -> Result<(), &'static str> {
        if text.is_empty() {
            return Err("a name is needed");
        }
        if text.len() > 64 {
            return Err("it is longer than 64 bytes");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !text.chars().all(fits) || text.chars().all(|c| c == '.') {
            return Err("letters, digits, - _ . only: it is part of an address");
        }
        Ok(())
    }

    /// Each variable once: those of the prompt in its order, then those that the system prompt adds.
    pub fn variables(&self) -> Vec<&str> {
        let mut names = self.prompt.variables();
        for name in self.system_prompt.variables() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// What it asks for, as a request's `model` says it.
    pub fn wanted(&self) -> &str {
        match self.model.trim() {
            "" => "auto",
            model => model,
        }
    }

    /// The texts as they stand with these values; a variable without one stays as `{{name}}`.
    pub fn preview(&self, given: &Values) -> Filled {
        let value_of = |name: &str| given.get(name).or_else(|| self.defaults.get(name)).map(String::as_str);
        let system = (!self.system_prompt.is_blank()).then(|| self.system_prompt.fill(value_of));
        Filled { system_prompt: system, prompt: self.prompt.fill(value_of) }
    }

    /// # Errors
    /// A value is missing, one is given that nothing takes, or nothing is left to ask.
    pub fn fill(&self, given: &Values) -> Result<Filled, Unfilled> {
        let variables = self.variables();
        if let Some(name) = given.keys().find(|name| !variables.contains(&name.as_str())) {
            let near = closest(name, &variables).map(str::to_owned);
            return Err(Unfilled::Unknown { name: name.clone(), near });
        }
        let has_none = |name: &&str| !given.contains_key(*name) && !self.defaults.contains_key(*name);
        let missing: Vec<String> = variables.into_iter().filter(has_none).map(str::to_owned).collect();
        if !missing.is_empty() {
            return Err(Unfilled::Missing(missing));
        }
        let filled = self.preview(given);
        if filled.prompt.trim().is_empty() { Err(Unfilled::Empty) } else { Ok(filled) }
    }

    /// The request it becomes: what the caller asks for stands before what the preset says. `facts` are the
    /// caller's own, his labels among them.
    ///
    /// # Errors
    /// As [`Self::fill`].
    pub fn request(
        &self,
        given: &Values,
        asked: Asked,
        mut facts: Facts,
        stream: bool,
    ) -> Result<CallRequest, Unfilled> {
        let filled = self.fill(given)?;
        let max_tokens = asked.max_tokens.or(self.max_tokens);
        facts.max_tokens = max_tokens.unwrap_or(0);
        facts.requested_model = asked.model.unwrap_or_else(|| self.wanted().to_owned());
        facts.stream = stream;
        self.label(&mut facts);
        let temperature = asked.temperature.or(self.temperature);
        let body = Body::Chat { messages: filled.messages(), max_tokens, temperature, stream };
        Ok(CallRequest { facts, body, wants_usage: false })
    }

    /// Puts what rules and limits look at, where the caller says nothing himself.
    pub fn label(&self, facts: &mut Facts) {
        if request_type(facts).is_empty() {
            let from_model = self.wanted().strip_prefix("auto:").filter(|_| self.request_type.is_empty());
            from_model.unwrap_or(&self.request_type).trim().clone_into(&mut facts.request_type);
        }
        if facts.max_tokens == 0 {
            facts.max_tokens = self.max_tokens.unwrap_or(0);
        }
        facts.tags.entry(TAG.to_owned()).or_insert_with(|| self.name.clone());
    }
}

impl Filled {
    /// As they are sent.
    pub fn messages(self) -> Vec<Message> {
        let system = self.system_prompt.map(|content| Message { role: Role::System, content });
        system.into_iter().chain([Message { role: Role::User, content: self.prompt }]).collect()
    }

    pub fn bytes(&self) -> usize {
        self.prompt.len() + self.system_prompt.as_ref().map_or(0, String::len)
    }
}

/// The preset that a request's model name means. A name that stands for a target has that meaning before any
/// preset's.
pub fn meant<'a, P: Named>(name: &str, presets: &'a [Preset], providers: &[P]) -> Option<&'a Preset> {
    let found = presets.iter().find(|preset| preset.name == name.trim())?;
    (!stands_for_something(&found.name, providers)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prayer() -> Preset {
        Preset {
            name: "generate-prayer".into(),
            request_type: "prayer_generation".into(),
            system_prompt: Template::parse("Create {{tradition}} style prayers.").unwrap(),
            prompt: Template::parse("Generate a prayer for {{intention}}.").unwrap(),
            defaults: [("tradition".to_owned(), "universal".to_owned())].into(),
            max_tokens: Some(300),
            temperature: Some(0.8),
            answer_field: "prayer".into(),
            ..Preset::default()
        }
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn defaults_stand_in_for_what_is_left_out() {
        let filled = prayer().fill(&values(&[("intention", "peace")])).unwrap();
        assert_eq!(filled.prompt, "Generate a prayer for peace.");
        assert_eq!(filled.system_prompt.as_deref(), Some("Create universal style prayers."));
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        assert_eq!(prayer().fill(&Values::new()), Err(Unfilled::Missing(vec!["intention".into()])));
        let unknown = prayer().fill(&values(&[("intention", "x"), ("traditon", "zen")])).unwrap_err();
        assert_eq!(unknown, Unfilled::Unknown { name: "traditon".into(), near: Some("tradition".into()) });
        let bare = Preset { prompt: Template::parse("{{text}}").unwrap(), ..Preset::default() };
        assert_eq!(bare.fill(&values(&[("text", " \n")])), Err(Unfilled::Empty));
    }

    #[test]
    fn the_callers_own_words_stand_before_the_presets() {
        let facts = Facts { request_type: "mine".into(), ..Facts::default() };
        let asked = Asked { model: Some("local".into()), max_tokens: Some(5), temperature: None };
        let request = prayer().request(&values(&[("intention", "x")]), asked, facts, false).unwrap();
        assert_eq!((request.facts.request_type.as_str(), request.facts.requested_model.as_str()), ("mine", "local"));
        assert_eq!(request.facts.tags["preset"], "generate-prayer");
        assert_eq!(request.facts.max_tokens, 5);
        assert!(matches!(request.body, Body::Chat { max_tokens: Some(5), temperature: Some(0.8), .. }));
        let request = prayer().request(&values(&[("intention", "x")]), Asked::default(), Facts::default(), true);
        let facts = request.unwrap().facts;
        assert_eq!((facts.request_type.as_str(), facts.requested_model.as_str()), ("prayer_generation", "auto"));
        assert!(facts.stream);
    }

    #[test]
    fn a_name_is_part_of_an_address() {
        for name in ["generate-prayer", "a", "v1.2_x"] {
            assert_eq!(Preset::check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a/b", "..", "é", "a?b"] {
            assert!(Preset::check_name(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_filled_prompt_holds_each_value_as_it_was_given(intention in ".{1,30}", tradition in ".{0,30}") {
            let filled = prayer().fill(&values(&[("intention", &intention), ("tradition", &tradition)])).unwrap();
            prop_assert_eq!(filled.prompt, format!("Generate a prayer for {intention}."));
            prop_assert_eq!(filled.system_prompt, Some(format!("Create {tradition} style prayers.")));
        }
    }
}
