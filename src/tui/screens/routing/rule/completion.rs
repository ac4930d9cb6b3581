//! The names that fit where the cursor stands in a condition: facts, functions, and what the facts may be equal to.

use crate::domain::routing::condition::{FACTS, FUNCTIONS};
use crate::engine::protocol::Snapshot;
use crate::tui::action::Action;

/// Names offered at once.
pub const MOST: usize = 6;

/// One name, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// What replaces the typed part.
    pub text: String,
    pub about: String,
}

/// The open list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub names: Vec<Name>,
    pub chosen: usize,
    /// Characters before the cursor that a name replaces.
    pub typed: usize,
}

impl Completion {
    /// What fits behind `before`; `None` where nothing does.
    pub fn at(before: &str, snapshot: &Snapshot) -> Option<Self> {
        let (typed, mut names) = if let Some(at) = open_quote(before) {
            (&before[at + 1..], values(&before[..at], snapshot))
        } else {
            let typed = path(before);
            (typed, facts(typed, snapshot))
        };
        let small = typed.to_lowercase();
        names.retain(|name| fits(&name.text, &small) && name.text != typed);
        names.dedup_by(|a, b| a.text == b.text);
        let typed = typed.chars().count();
        (!names.is_empty()).then_some(Self { names, chosen: 0, typed })
    }

    /// As one types on: what would offer everything waits until it is asked for.
    pub fn while_typing(before: &str, snapshot: &Snapshot) -> Option<Self> {
        Self::at(before, snapshot).filter(|found| found.typed > 0 || open_quote(before).is_some())
    }

    /// Moves; `false` for other acts.
    pub fn act(&mut self, action: Action) -> bool {
        let count = self.names.len();
        match action {
            Action::Down => self.chosen = (self.chosen + 1) % count,
            Action::Up => self.chosen = (self.chosen + count - 1) % count,
            _ => return false,
        }
        true
    }

    pub fn taken(&self) -> Option<&Name> {
        self.names.get(self.chosen)
    }

    /// The first name that is seen.
    pub fn first(&self) -> usize {
        (self.chosen + 1).saturating_sub(MOST)
    }
}

/// By its beginning, or by the beginning of its last part.
fn fits(name: &str, typed: &str) -> bool {
    let name = name.to_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    name.starts_with(typed) || (!typed.contains('.') && last.starts_with(typed))
}

/// Where the quote began that the cursor stands in, in bytes.
fn open_quote(before: &str) -> Option<usize> {
    let mut open: Option<(usize, char)> = None;
    let mut escaped = false;
    for (at, c) in before.char_indices() {
        match open {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some((_, quote)) if c == quote => open = None,
            None if matches!(c, '"' | '\'') => open = Some((at, c)),
            _ => {}
        }
    }
    open.map(|(at, _)| at)
}

/// The name under the cursor, with `provider["x"].` before it.
fn path(before: &str) -> &str {
    let mut start = before.len();
    let mut inside = false;
    for (at, c) in before.char_indices().rev() {
        let part = match c {
            ']' => {
                inside = true;
                true
            }
            '[' if inside => {
                inside = false;
                true
            }
            _ => inside || c.is_ascii_alphanumeric() || c == '_' || c == '.',
        };
        if !part {
            break;
        }
        start = at;
    }
    &before[start..]
}

fn facts(typed: &str, snapshot: &Snapshot) -> Vec<Name> {
    let provider = typed.strip_prefix("provider[").and_then(|rest| rest.split_once("]."));
    let mut names = Vec::new();
    for fact in &FACTS {
        let about = format!("{}, {}", fact.kind.word(), fact.help);
        match (fact.name.strip_prefix("provider[\"ID\"]."), provider) {
            (Some(last), Some((id, _))) => names.push(Name { text: format!("provider[{id}].{last}"), about }),
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => names.push(Name { text: fact.name.to_owned(), about }),
        }
    }
    if provider.is_some() {
        return names;
    }
    for view in snapshot.providers.iter() {
        names.push(Name { text: format!("provider[{:?}].up", view.id.as_str()), about: view.name.clone() });
    }
    // Methods stand behind a text; the two that take their text in brackets stand alone.
    let behind = typed.rsplit_once('.').map(|(text, _)| text).filter(|text| is_text(text));
    for function in FUNCTIONS {
        let alone = matches!(function, "size" | "has");
        let text = match behind {
            Some(text) if !alone => format!("{text}.{function}("),
            None if alone => format!("{function}("),
            _ => continue,
        };
        names.push(Name { text, about: "function".to_owned() });
    }
    names
}

/// A fact that is text.
fn is_text(name: &str) -> bool {
    name.starts_with("request.tags.")
        || FACTS.iter().any(|fact| fact.name == name && fact.kind == crate::domain::routing::condition::FactType::Text)
}

/// What a fact may be equal to, from what stands before the quote.
fn values(before: &str, snapshot: &Snapshot) -> Vec<Name> {
    let name = |text: &str, about: &str| Name { text: text.to_owned(), about: about.to_owned() };
    let lead = before.trim_end();
    if lead.ends_with("provider[") {
        return snapshot.providers.iter().map(|view| name(view.id.as_str(), &view.name)).collect();
    }
    let fact = lead.trim_end_matches(['=', '!', ' ', '[', ',', '"']).trim_end().trim_end_matches(" in").trim_end();
    if fact.ends_with("request.priority") {
        return ["high", "normal", "low"].map(|word| name(word, "priority")).to_vec();
    }
    if fact.ends_with("request.type") {
        let orders = snapshot.routing.rules.request_orders.iter();
        return orders.map(|(known, items)| name(known, &items.join(", "))).collect();
    }
    if fact.ends_with("request.model") {
        let of = |view: &crate::engine::protocol::ProviderView| {
            let models = view.models.iter().filter(|model| model.chat);
            models.map(|model| name(&view.target(model).to_string(), &view.name)).collect::<Vec<_>>()
        };
        let words = [name("auto", "as the rules decide"), name("local", "local only"), name("cloud", "cloud only")];
        return words.into_iter().chain(snapshot.providers.iter().flat_map(|view| of(view))).collect();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(before: &str) -> Vec<String> {
        let found = Completion::at(before, &Snapshot::default());
        found.map(|found| found.names.into_iter().map(|name| name.text).collect()).unwrap_or_default()
    }

    #[test]
    fn facts_fit_by_their_beginning_or_by_their_last_part() {
        assert_eq!(names("request.stream && request.aud"), ["request.audience"]);
        assert_eq!(names("aud"), ["request.audience"]);
        assert_eq!(names("request.prompt_tokens > 10 && time."), ["time.hour", "time.weekday"]);
        assert_eq!(names("provider[\"zai\"].p50"), ["provider[\"zai\"].p50_ms"]);
        assert_eq!(names("request.type.starts"), ["request.type.startsWith("]);
        assert_eq!(names("request.type == \"x"), Vec::<String>::new());
        assert_eq!(names("request.priority == \"h"), ["high"]);
        assert_eq!(names("zzz"), Vec::<String>::new());
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_typed_it_replaces_no_more_than_there_is(text in "\\PC{0,60}") {
            if let Some(found) = Completion::at(&text, &Snapshot::default()) {
                proptest::prop_assert!(found.typed <= text.chars().count());
            }
        }
    }
}
