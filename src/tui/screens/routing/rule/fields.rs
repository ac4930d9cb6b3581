//! The fields of a rule being edited: their texts, what is wrong with them, and the edit they make.

use crate::domain::routing::{Fallback, Policy};
use crate::engine::protocol::{PolicyDraft, PolicyEdit, Snapshot};
use crate::tui::widgets::line::{LONGEST, Line};

/// Characters of a rule's name.
const LONGEST_NAME: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Name,
    Priority,
    Mode,
    Enabled,
    When,
    Use,
    Fallback,
    LocalOnly,
    Deny,
    Most,
    Temperature,
    Timeout,
    System,
}

impl Field {
    /// In reading order.
    pub const ALL: [Self; 13] = [
        Self::Name,
        Self::Priority,
        Self::Mode,
        Self::Enabled,
        Self::When,
        Self::Use,
        Self::Fallback,
        Self::LocalOnly,
        Self::Deny,
        Self::Most,
        Self::Temperature,
        Self::Timeout,
        Self::System,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Name => "Name *",
            Self::Priority => "Priority",
            Self::Mode => "Mode",
            Self::Enabled => "Enabled",
            Self::When => "When",
            Self::Use => "Use",
            Self::Fallback => "Fallback",
            Self::LocalOnly => "Local only",
            Self::Deny => "Deny",
            Self::Most => "Most out",
            Self::Temperature => "Temper.",
            Self::Timeout => "Timeout",
            Self::System => "System",
        }
    }

    /// What stands there while nothing is typed.
    pub fn empty(self) -> &'static str {
        match self {
            Self::Priority => "0",
            Self::When => "always",
            Self::Use => "any target",
            Self::Deny => "no",
            Self::Name | Self::Mode | Self::Enabled | Self::Fallback | Self::LocalOnly => "",
            Self::Most | Self::Temperature | Self::Timeout => "-",
            Self::System => "the caller's own",
        }
    }

    pub fn is_text(self) -> bool {
        !matches!(self, Self::Mode | Self::Enabled | Self::Fallback | Self::LocalOnly)
    }

    /// Free text, which may have several lines.
    pub fn is_prose(self) -> bool {
        matches!(self, Self::When | Self::Deny | Self::System)
    }

    pub fn help(self) -> &'static str {
        match self {
            Self::Name => "as records, headers and commands name it: private-stays-here",
            Self::Priority => "the higher decides first; among equals the file's order",
            Self::Mode => "observe: traced on live traffic, never applied",
            Self::Enabled => "no: kept in the file, not used",
            Self::When => "true for which requests; ctrl-space names what can be asked",
            Self::Use => "targets in order, with commas; enter picks one",
            Self::Fallback => "when no target can take it: the end, or the strategy's order",
            Self::LocalOnly => "yes: reaches no cloud provider, whatever fails",
            Self::Deny => "a message refuses the request with it",
            Self::Most => "tokens: the answer is cut there, whatever the caller asks",
            Self::Temperature => "0 is sober, 2 is wild; in place of the caller's",
            Self::Timeout => "seconds for the whole call",
            Self::System => "a system prompt in place of the caller's",
        }
    }

    /// Its key in the file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Priority => "priority",
            Self::Mode => "mode",
            Self::Enabled => "enabled",
            Self::When => "when",
            Self::Use => "use",
            Self::Fallback => "fallback",
            Self::LocalOnly => "local_only",
            Self::Deny => "deny",
            Self::Most => "max_tokens",
            Self::Temperature => "temperature",
            Self::Timeout => "timeout",
            Self::System => "system_prompt",
        }
    }
}

/// What is typed and chosen.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is the choice of a field of its own")]
pub struct Fields {
    name: Line,
    priority: Line,
    pub when: Line,
    targets: Line,
    deny: Line,
    most: Line,
    temperature: Line,
    timeout: Line,
    system: Line,
    observe: bool,
    enabled: bool,
    strategy: bool,
    local_only: bool,
}

impl Default for Fields {
    fn default() -> Self {
        Self::of(&Policy::default())
    }
}

impl Fields {
    /// As a rule stands. Texts of several lines are kept as they are, though one line shows them: a comment ends
    /// where its line does.
    pub fn of(policy: &Policy) -> Self {
        let whole = |text: &str| Line::new(text.trim());
        let number = |value: Option<String>| Line::new(value.unwrap_or_default());
        let effects = &policy.effects;
        Self {
            name: Line::new(policy.name.as_str()),
            priority: number((policy.priority != 0).then(|| policy.priority.to_string())),
            when: whole(&policy.when),
            targets: Line::new(policy.targets.join(", ")),
            deny: whole(policy.deny.as_deref().unwrap_or_default()),
            most: number(effects.max_tokens.map(|most| most.to_string())),
            temperature: number(effects.temperature.map(|temperature| temperature.to_string())),
            timeout: number(effects.timeout_ms.map(seconds)),
            system: whole(effects.system_prompt.as_deref().unwrap_or_default()),
            observe: policy.observe,
            enabled: policy.enabled,
            strategy: policy.fallback == Fallback::Strategy,
            local_only: policy.local_only,
        }
    }

    /// Whether a field holds more than can be typed in one line.
    pub fn is_whole_text(&self, field: Field) -> bool {
        self.line(field).is_some_and(|line| line.value().contains(['\n', '\r']) || line.value().len() >= LONGEST)
    }

    pub fn line(&self, field: Field) -> Option<&Line> {
        Some(match field {
            Field::Name => &self.name,
            Field::Priority => &self.priority,
            Field::When => &self.when,
            Field::Use => &self.targets,
            Field::Deny => &self.deny,
            Field::Most => &self.most,
            Field::Temperature => &self.temperature,
            Field::Timeout => &self.timeout,
            Field::System => &self.system,
            Field::Mode | Field::Enabled | Field::Fallback | Field::LocalOnly => return None,
        })
    }

    pub fn line_mut(&mut self, field: Field) -> Option<&mut Line> {
        Some(match field {
            Field::Name => &mut self.name,
            Field::Priority => &mut self.priority,
            Field::When => &mut self.when,
            Field::Use => &mut self.targets,
            Field::Deny => &mut self.deny,
            Field::Most => &mut self.most,
            Field::Temperature => &mut self.temperature,
            Field::Timeout => &mut self.timeout,
            Field::System => &mut self.system,
            Field::Mode | Field::Enabled | Field::Fallback | Field::LocalOnly => return None,
        })
    }

    /// The text of a field, trimmed, or the word of its choice.
    pub fn text(&self, field: Field) -> &str {
        let yes_no = |value| if value { "yes" } else { "no" };
        match field {
            Field::Mode if self.observe => "observe",
            Field::Mode => "enforce",
            Field::Enabled => yes_no(self.enabled),
            Field::Fallback if self.strategy => "strategy",
            Field::Fallback => "none",
            Field::LocalOnly => yes_no(self.local_only),
            _ => self.line(field).map_or("", |line| line.value().trim()),
        }
    }

    /// The other of two choices.
    pub fn choose(&mut self, field: Field) {
        match field {
            Field::Mode => self.observe = !self.observe,
            Field::Enabled => self.enabled = !self.enabled,
            Field::Fallback => self.strategy = !self.strategy,
            Field::LocalOnly => self.local_only = !self.local_only,
            _ => {}
        }
    }

    pub fn differs(&self, other: &Self) -> bool {
        Field::ALL.into_iter().any(|field| self.text(field) != other.text(field))
    }

    /// Takes over what changed elsewhere from `before` to `now`, except in fields that the person changed. The answer:
    /// which fields others changed, each with whether the person's own text stands in it.
    pub fn follow(&mut self, before: &Self, now: &Self) -> Vec<(Field, bool)> {
        let mut found = Vec::new();
        for field in Field::ALL {
            let (mine, was, is) = (self.text(field), before.text(field), now.text(field));
            if is == was || mine == is {
                continue;
            }
            let own = mine != was;
            if !own {
                self.take(field, now);
            }
            found.push((field, own));
        }
        found
    }

    fn take(&mut self, field: Field, from: &Self) {
        match (self.line_mut(field), from.line(field)) {
            (Some(line), Some(theirs)) => line.clone_from(theirs),
            _ => self.choose(field),
        }
    }

    pub fn targets(&self) -> Vec<String> {
        self.text(Field::Use).split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    pub fn add_target(&mut self, target: &str) {
        let mut all = self.targets();
        all.push(target.to_owned());
        self.targets.set(all.join(", "));
    }

    /// What is wrong with a field, in words; `own` is the rule being edited.
    pub fn complaint(&self, field: Field, own: Option<&str>, snapshot: &Snapshot) -> Option<String> {
        let text = self.text(field);
        let wrong = |said: &str| Some(said.to_owned());
        match field {
            Field::Name if text.is_empty() => wrong("a rule needs a name, as in private-stays-here"),
            Field::Name if text.chars().count() > LONGEST_NAME => {
                Some(format!("a name has at most {LONGEST_NAME} characters"))
            }
            Field::Name => {
                let taken = snapshot.routing.rules.policies.iter().any(|policy| policy.name == text);
                (taken && own != Some(text)).then(|| format!("there is a rule {text} already: choose another name"))
            }
            _ if text.is_empty() => None,
            Field::Priority => text.parse::<i64>().is_err().then(|| "Priority is a whole number, as in 50".to_owned()),
            Field::Most if text.parse::<u64>().is_ok_and(|most| most > 0) => None,
            Field::Most => wrong("Most out is a number of tokens, as in 1024"),
            Field::Temperature if text.parse::<f64>().is_ok_and(|value| (0.0..=2.0).contains(&value)) => None,
            Field::Temperature => wrong("Temperature is a number from 0 to 2"),
            Field::Timeout if text.parse::<f64>().is_ok_and(|value| value.is_finite() && value > 0.0) => None,
            Field::Timeout => wrong("Timeout is a number of seconds, as in 30"),
            _ => None,
        }
    }

    /// The edit that leads from `before` to this. What has a complaint is left as it was.
    pub fn edit(&self, before: &Self, own: Option<&str>) -> PolicyEdit {
        let mut draft = PolicyDraft::default();
        for field in Field::ALL {
            let text = self.text(field);
            if text == before.text(field) {
                continue;
            }
            if text.is_empty() {
                draft.clear.push(field.key().to_owned());
                continue;
            }
            let given = || Some(text.to_owned());
            match field {
                Field::Name => draft.name = given(),
                Field::Priority => draft.priority = text.parse().ok(),
                Field::Mode => draft.mode = given(),
                Field::Enabled => draft.enabled = Some(self.enabled),
                Field::When => draft.when = given(),
                Field::Use => draft.targets = Some(self.targets()),
                Field::Fallback => draft.fallback = given(),
                Field::LocalOnly => draft.local_only = Some(self.local_only),
                Field::Deny => draft.deny = given(),
                Field::Most => draft.max_tokens = text.parse().ok(),
                Field::Temperature => draft.temperature = text.parse().ok(),
                Field::Timeout => draft.timeout = text.parse().ok(),
                Field::System => draft.system_prompt = given(),
            }
        }
        match own {
            Some(name) => PolicyEdit::Edit { name: name.to_owned(), draft },
            None => PolicyEdit::Add { draft },
        }
    }
}

/// `30`, `1.5`.
fn seconds(ms: u64) -> String {
    let (whole, rest) = (ms / 1000, ms % 1000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::routing::Effects;

    #[test]
    fn only_what_was_changed_is_in_the_edit_and_what_was_emptied_is_cleared() {
        let policy = Policy {
            name: "p".into(),
            priority: 5,
            when: "request.stream\n&& time.hour < 6".into(),
            targets: vec!["local".into()],
            effects: Effects { timeout_ms: Some(1500), ..Effects::default() },
            ..Policy::default()
        };
        let before = Fields::of(&policy);
        let mut now = before.clone();
        let none = PolicyEdit::Edit { name: "p".into(), draft: PolicyDraft::default() };
        assert_eq!(now.edit(&before, Some("p")), none);
        now.timeout.set("");
        now.add_target("zai/glm-4.6");
        now.choose(Field::Mode);
        let draft = PolicyDraft {
            targets: Some(vec!["local".into(), "zai/glm-4.6".into()]),
            mode: Some("observe".into()),
            clear: vec!["timeout".into()],
            ..PolicyDraft::default()
        };
        assert_eq!(now.edit(&before, Some("p")), PolicyEdit::Edit { name: "p".into(), draft });
        assert_eq!(before.text(Field::Timeout), "1.5");
    }
}
