//! What is asked and how: the fields of the prompt pane, checked in words, and the request they make.

use super::editor::Editor;
use crate::domain::call::{Body, CallRequest, Facts, own_client};
use crate::domain::preset::{Filled, Preset, TAG, Template, Unfilled, Values};
use crate::domain::time::UnixMs;
use crate::engine::protocol::SavedPrompt;
use crate::present::may_cost::tokens_of;
use crate::present::units;
use crate::tui::widgets::line::Line;

/// What stands in the field at first: an answer of a page or two, and a cost that can be told before.
const FIRST_MAX_TOKENS: u64 = 1024;
const MOST_MAX_TOKENS: u64 = 10_000_000;
const HOTTEST: f64 = 2.0;

/// In reading order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Field {
    Target,
    Type,
    System,
    Temperature,
    MaxTokens,
    #[default]
    Prompt,
}

impl Field {
    pub const ALL: [Self; 6] =
        [Self::Target, Self::Type, Self::System, Self::Temperature, Self::MaxTokens, Self::Prompt];

    pub fn label(self) -> &'static str {
        match self {
            Self::Target => "Target",
            Self::Type => "Type",
            Self::System => "System",
            Self::Temperature => "Temperature",
            Self::MaxTokens => "Max tokens",
            Self::Prompt => "Prompt",
        }
    }

    /// What an empty field means.
    pub fn when_empty(self) -> &'static str {
        match self {
            Self::Target => "auto",
            Self::Type => "(none)",
            Self::System => "(the model's own, if configured)",
            Self::Temperature | Self::MaxTokens => "(as configured)",
            Self::Prompt => "type a prompt here",
        }
    }

    /// The one `steps` places on, if there is one.
    pub fn beside(self, steps: isize) -> Option<Self> {
        let place = Self::ALL.iter().position(|field| *field == self)?;
        Self::ALL.get(place.checked_add_signed(steps)?).copied()
    }
}

/// Something wrong with a field, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub field: Field,
    pub text: String,
}

pub struct Fields {
    pub target: Line,
    pub request_type: Line,
    pub system: Editor,
    pub temperature: Line,
    pub max_tokens: Line,
    pub prompt: Editor,
    /// Where it is set, prompt and system prompt hold `{{variables}}`.
    pub preset: Option<Taken>,
}

/// A preset that the prompt was filled with.
pub struct Taken {
    pub preset: Preset,
    /// What its variables were last.
    pub values: Values,
    /// They are to be sent without asking again.
    pub ready: bool,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            target: Line::new("auto"),
            request_type: Line::default(),
            system: Editor::default(),
            temperature: Line::default(),
            max_tokens: Line::new(units::thousands(FIRST_MAX_TOKENS)),
            prompt: Editor::default(),
            preset: None,
        }
    }
}

impl Fields {
    /// A field of one line; `None` for those of several.
    pub fn line(&self, field: Field) -> Option<&Line> {
        match field {
            Field::Target => Some(&self.target),
            Field::Type => Some(&self.request_type),
            Field::Temperature => Some(&self.temperature),
            Field::MaxTokens => Some(&self.max_tokens),
            Field::System | Field::Prompt => None,
        }
    }

    pub fn line_mut(&mut self, field: Field) -> Option<&mut Line> {
        match field {
            Field::Target => Some(&mut self.target),
            Field::Type => Some(&mut self.request_type),
            Field::Temperature => Some(&mut self.temperature),
            Field::MaxTokens => Some(&mut self.max_tokens),
            Field::System | Field::Prompt => None,
        }
    }

    pub fn editor(&self, field: Field) -> &Editor {
        if field == Field::System { &self.system } else { &self.prompt }
    }

    pub fn editor_mut(&mut self, field: Field) -> &mut Editor {
        if field == Field::System { &mut self.system } else { &mut self.prompt }
    }

    fn temperature(&self) -> Result<Option<f64>, Complaint> {
        let text = self.temperature.value().trim();
        if text.is_empty() {
            return Ok(None);
        }
        let value = text.parse::<f64>().ok().filter(|value| (0.0..=HOTTEST).contains(value));
        value.map(Some).ok_or_else(|| Complaint {
            field: Field::Temperature,
            text: format!("temperature {text} is no number from 0 to 2: write it as in 0.7, or leave it empty"),
        })
    }

    fn max_tokens(&self) -> Result<Option<u64>, Complaint> {
        let text = self.max_tokens.value().trim();
        if text.is_empty() {
            return Ok(None);
        }
        let digits: String = text.chars().filter(|c| !matches!(c, ',' | '_' | ' ')).collect();
        let value = digits.parse::<u64>().ok().filter(|value| (1..=MOST_MAX_TOKENS).contains(value));
        value.map(Some).ok_or_else(|| Complaint {
            field: Field::MaxTokens,
            text: format!(
                "max tokens {text} is no whole number from 1 to {}: write it as in 1024, or leave it empty",
                units::thousands(MOST_MAX_TOKENS)
            ),
        })
    }

    /// What is wrong, the first field first; an empty prompt is not wrong before it is sent.
    pub fn complaint(&self) -> Option<Complaint> {
        self.temperature().err().or_else(|| self.max_tokens().err())
    }

    /// What routing may look at.
    ///
    /// # Errors
    /// A field does not hold what it should.
    pub fn facts(&self) -> Result<Facts, Complaint> {
        self.facts_of(self.prompt.bytes() + if self.system.is_blank() { 0 } else { self.system.bytes() })
    }

    fn facts_of(&self, bytes: usize) -> Result<Facts, Complaint> {
        self.temperature()?;
        let target = self.target.value().trim();
        let tag = self.preset.as_ref().map(|taken| (TAG.to_owned(), taken.preset.name.clone()));
        Ok(Facts {
            request_type: self.request_type.value().trim().to_owned(),
            requested_model: if target.is_empty() { "auto".into() } else { target.to_owned() },
            prompt_tokens: tokens_of(bytes),
            max_tokens: self.max_tokens()?.unwrap_or(0),
            stream: true,
            client: own_client::PLAYGROUND.into(),
            tags: tag.into_iter().collect(),
            ..Facts::default()
        })
    }

    /// The request as it is to be sent.
    ///
    /// # Errors
    /// There is no prompt, a field does not hold what it should, or a variable has no value.
    pub fn request(&self) -> Result<CallRequest, Complaint> {
        let filled = self.filled()?;
        if filled.prompt.trim().is_empty() {
            return Err(Complaint { field: Field::Prompt, text: "the prompt is empty: type one, then enter".into() });
        }
        let facts = self.facts_of(filled.bytes())?;
        let messages = filled.messages();
        let body =
            Body::Chat { messages, max_tokens: self.max_tokens()?, temperature: self.temperature()?, stream: true };
        Ok(CallRequest { facts, body, wants_usage: false })
    }

    /// The texts as they are sent.
    fn filled(&self) -> Result<Filled, Complaint> {
        let Some(taken) = &self.preset else {
            let system_prompt = (!self.system.is_blank()).then(|| self.system.text());
            return Ok(Filled { system_prompt, prompt: self.prompt.text() });
        };
        let preset = self.as_preset()?;
        match preset.fill(&taken.values) {
            Err(Unfilled::Missing(names)) => {
                Err(Complaint { field: Field::Prompt, text: format!("{} has no value yet", names.join(", ")) })
            }
            // What is empty is said of the text, and a value of a variable that was taken out is no fault.
            Ok(_) | Err(Unfilled::Empty | Unfilled::Unknown { .. }) => Ok(preset.preview(&taken.values)),
        }
    }

    /// The fields as a preset, with name and defaults of the one they come from.
    ///
    /// # Errors
    /// A text is no template, or a number none.
    pub fn as_preset(&self) -> Result<Preset, Complaint> {
        let template = |field: Field| {
            Template::parse(&self.editor(field).text()).map_err(|slip| {
                let place = slip.at + 1;
                let text = format!("{}: character {place}: {slip}", field.label());
                Complaint { field, text }
            })
        };
        let base = self.preset.as_ref().map(|taken| taken.preset.clone()).unwrap_or_default();
        let target = self.target.value().trim();
        Ok(Preset {
            request_type: self.request_type.value().trim().to_owned(),
            system_prompt: template(Field::System)?,
            prompt: template(Field::Prompt)?,
            model: if target == "auto" { String::new() } else { target.to_owned() },
            max_tokens: self.max_tokens()?,
            temperature: self.temperature()?,
            ..base
        })
    }

    /// The preset whose variables are to be asked for before it is sent.
    ///
    /// # Errors
    /// As [`Self::as_preset`].
    pub fn to_be_asked(&self) -> Result<Option<Preset>, Complaint> {
        if self.preset.as_ref().is_none_or(|taken| taken.ready) {
            return Ok(None);
        }
        self.as_preset().map(|preset| Some(preset).filter(|preset| !preset.variables().is_empty()))
    }

    /// Everything as the preset says it.
    pub fn take(&mut self, preset: &Preset) {
        self.prompt.replace(preset.prompt.source());
        self.system.replace(preset.system_prompt.source());
        self.target.set(preset.wanted());
        self.request_type.set(preset.request_type.as_str());
        self.max_tokens.set(preset.max_tokens.map(units::thousands).unwrap_or_default());
        self.temperature.set(preset.temperature.map(|value| value.to_string()).unwrap_or_default());
        self.keep(preset);
    }

    /// The fields are this preset from now on; values given before stay.
    pub fn keep(&mut self, preset: &Preset) {
        let before = self.preset.take().filter(|taken| taken.preset.name == preset.name);
        let values = before.map(|taken| taken.values).unwrap_or_default();
        self.preset = Some(Taken { preset: preset.clone(), values, ready: false });
    }

    pub fn saved(&self, now: UnixMs) -> SavedPrompt {
        let (prompt, system) = match self.filled() {
            Ok(filled) => (filled.prompt, filled.system_prompt.unwrap_or_default()),
            Err(_) => (self.prompt.text(), self.system.text()),
        };
        SavedPrompt {
            ts: now,
            prompt,
            system,
            model: self.target.value().trim().to_owned(),
            request_type: self.request_type.value().trim().to_owned(),
            max_tokens: self.max_tokens().unwrap_or(None),
            temperature: self.temperature().unwrap_or(None),
        }
    }

    /// Everything as it was when `saved` was sent.
    pub fn load(&mut self, saved: &SavedPrompt) {
        self.preset = None;
        self.prompt.replace(&saved.prompt);
        self.system.replace(&saved.system);
        self.target.set(if saved.model.is_empty() { "auto" } else { &saved.model });
        self.request_type.set(saved.request_type.as_str());
        self.max_tokens.set(saved.max_tokens.map(units::thousands).unwrap_or_default());
        self.temperature.set(saved.temperature.map(|value| value.to_string()).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(temperature: &str, max_tokens: &str) -> Fields {
        let mut fields = Fields { prompt: Editor::new("hello"), ..Fields::default() };
        fields.temperature.set(temperature);
        fields.max_tokens.set(max_tokens);
        fields
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (temperature, max_tokens, read) in [
            ("0.7", "1,024", (Some(0.7), Some(1024))),
            (" 2 ", "4_096", (Some(2.0), Some(4096))),
            ("", "", (None, None)),
        ] {
            let fields = with(temperature, max_tokens);
            assert_eq!((fields.temperature().unwrap(), fields.max_tokens().unwrap()), read);
        }
    }

    #[test]
    fn what_is_no_number_is_said_with_its_field() {
        for (temperature, max_tokens, field) in [
            ("hot", "", Field::Temperature),
            ("0,7", "", Field::Temperature),
            ("2.1", "", Field::Temperature),
            ("NaN", "", Field::Temperature),
            ("-1", "", Field::Temperature),
            ("", "0", Field::MaxTokens),
            ("", "1.5", Field::MaxTokens),
            ("", "99999999999999999999", Field::MaxTokens),
        ] {
            let complaint = with(temperature, max_tokens).request().unwrap_err();
            assert_eq!(complaint.field, field, "{temperature} {max_tokens}");
            assert!(complaint.text.contains(": write it as in"), "{}", complaint.text);
        }
    }

    #[test]
    fn a_saved_prompt_comes_back_as_it_was_sent() {
        let mut fields = with("0.7", "1,024");
        fields.system.replace("Be brief.\nBe kind.");
        fields.request_type.set("quick_responses");
        fields.target.set("zai/glm-4.6");
        let saved = fields.saved(UnixMs(5));
        let mut again = Fields::default();
        again.load(&saved);
        assert_eq!(again.saved(UnixMs(5)), saved);
        assert_eq!(again.request().unwrap(), fields.request().unwrap());
    }
}
