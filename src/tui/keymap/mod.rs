//! From keys to actions: the table with the person's overrides put in.

mod key;
pub mod line;
mod own;
pub mod table;

pub use key::{Chord, Key};
pub use table::Entry;

use super::action::Action;
use std::collections::BTreeMap;

/// Where a key applies. A part names its contexts, the most specific first; the first that knows the key
/// decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// In every place, text fields and questions included.
    Always,
    /// On every screen while no layer is open.
    Everywhere,
    /// Anything with rows.
    List,
    Providers,
    ProviderDetail,
    Health,
    /// The prompt and its fields.
    Prompt,
    Answer,
    /// A list with a filter that is always open.
    Choose,
    Routing,
    /// What an explanation says, while it has the keyboard.
    Explained,
    Sample,
    OrderName,
    OrderItems,
    Telemetry,
    CallDetail,
    CallsCharts,
    AppLog,
    Form,
    /// The line a filter or search is typed in.
    FilterLine,
    Help,
    Pager,
    Doctor,
    Messages,
    Confirm,
    Welcome,
    Broken,
    /// A list that a kept filter narrows.
    Searched,
    Palette,
    /// A policy being edited.
    Rule,
    /// The names offered while a condition is typed.
    Completion,
    /// What an edit would change in the file.
    Review,
    /// Rules over recorded calls.
    Replay,
    /// The variables of a preset getting their values.
    Variables,
    /// A preset on its way into the file.
    Preset,
    /// The presets there are, above [`Self::Choose`].
    PresetList,
}

impl Context {
    /// The heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everywhere => "everywhere",
            Self::List => "rows",
            Self::Providers => "providers",
            Self::ProviderDetail => "details",
            Self::Health => "health",
            Self::Prompt => "prompt",
            Self::Answer => "answer",
            Self::Routing => "routing",
            Self::Explained => "try it",
            Self::Sample => "sample request",
            Self::OrderName => "name",
            Self::OrderItems => "order",
            Self::Choose => "choice",
            Self::Telemetry => "calls",
            Self::CallDetail => "one call",
            Self::CallsCharts => "charts",
            Self::AppLog => "application log",
            Self::Form => "form",
            Self::FilterLine => "filter",
            Self::Help => "help",
            Self::Pager => "text",
            Self::Doctor => "doctor",
            Self::Messages => "messages",
            Self::Confirm => "question",
            Self::Welcome => "first run",
            Self::Broken => "configuration",
            Self::Searched => "matches",
            Self::Palette => "commands",
            Self::Rule => "rule",
            Self::Completion => "names",
            Self::Review => "change",
            Self::Replay => "replay",
            Self::Variables => "variables",
            Self::Preset => "preset",
            Self::PresetList => "presets",
        }
    }
}

/// An entry with the keys in force.
#[derive(Debug, Clone)]
pub struct Bound {
    pub entry: &'static Entry,
    pub chords: Vec<Chord>,
}

impl Bound {
    /// The key to show.
    pub fn key(&self) -> String {
        self.chords.first().map(ToString::to_string).unwrap_or_default()
    }
}

/// What a key means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    Act(Action),
    /// The first of two keys.
    Prefix,
    Nothing,
}

/// All keys in force.
#[derive(Debug, Clone)]
pub struct Keymap {
    bound: Vec<Bound>,
}

impl Keymap {
    /// The table with `overrides` (action name to key) put in. What cannot be used is said, and the usual key
    /// stays.
    pub fn new(overrides: &BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut bound: Vec<Bound> = table::TABLE.iter().flat_map(|part| part.iter()).map(usual).collect();
        let refused = own::put(&mut bound, overrides);
        (Self { bound }, refused)
    }

    /// What `key` means in `contexts`, after `before` (the first of two keys, where one is waiting).
    pub fn meaning(&self, contexts: &[Context], before: Option<Key>, key: Key) -> Meaning {
        for context in contexts {
            for bound in self.bound.iter().filter(|bound| bound.entry.context == *context) {
                for chord in &bound.chords {
                    match (chord.0.as_slice(), before) {
                        ([only], None) if *only == key => return Meaning::Act(bound.entry.action),
                        ([first, _], None) if *first == key => return Meaning::Prefix,
                        ([first, second], Some(before)) if *first == before && *second == key => {
                            return Meaning::Act(bound.entry.action);
                        }
                        _ => {}
                    }
                }
            }
        }
        Meaning::Nothing
    }

    /// All entries in table order.
    pub fn all(&self) -> impl Iterator<Item = &Bound> {
        self.bound.iter()
    }

    /// The entries of one context in table order.
    pub fn of(&self, context: Context) -> impl Iterator<Item = &Bound> {
        self.bound.iter().filter(move |bound| bound.entry.context == context)
    }

    /// The key shown for an act, looked up in `contexts`; empty when it has none there.
    pub fn key_for(&self, contexts: &[Context], action: Action) -> String {
        contexts
            .iter()
            .flat_map(|context| self.of(*context))
            .find(|bound| bound.entry.action == action)
            .map(Bound::key)
            .unwrap_or_default()
    }
}

fn usual(entry: &'static Entry) -> Bound {
    Bound { entry, chords: entry.keys.iter().filter_map(|text| Chord::parse(text)).collect() }
}

#[cfg(test)]
mod tests {
    use super::own::clash;
    use super::*;
    use crossterm::event::KeyCode;
    use std::collections::HashSet;

    fn entries() -> impl Iterator<Item = &'static Entry> {
        table::TABLE.iter().flat_map(|part| part.iter())
    }

    #[test]
    fn no_key_means_two_things_in_one_place() {
        let (keymap, notes) = Keymap::new(&BTreeMap::new());
        assert_eq!(notes, Vec::<String>::new());
        for (place, a) in keymap.bound.iter().enumerate() {
            for b in keymap.bound[place + 1..].iter().filter(|b| b.entry.context == a.entry.context) {
                let both = a.chords.iter().any(|x| b.chords.iter().any(|y| clash(x, y)));
                assert!(!both, "{} and {}", a.entry.name, b.entry.name);
            }
        }
    }

    #[test]
    fn every_written_key_is_a_key_and_every_act_has_a_name_and_a_sentence() {
        let mut names = HashSet::new();
        for entry in entries() {
            assert!(names.insert(entry.name), "{} twice", entry.name);
            assert!(!entry.keys.is_empty() && !entry.about.is_empty(), "{}", entry.name);
            for key in entry.keys {
                assert!(Chord::parse(key).is_some(), "{}: {key}", entry.name);
            }
        }
    }

    #[test]
    fn a_letter_is_never_bound_where_text_is_typed() {
        for entry in entries().filter(|e| {
            matches!(
                e.context,
                Context::Always
                    | Context::FilterLine
                    | Context::Prompt
                    | Context::Choose
                    | Context::Palette
                    | Context::PresetList
            )
        }) {
            for key in entry.keys {
                let chord = Chord::parse(key).unwrap();
                assert_eq!(chord.0[0].text(), None, "{} takes {key} from text fields", entry.name);
            }
        }
    }

    #[test]
    fn two_keys_mean_something_together() {
        let (keymap, _) = Keymap::new(&BTreeMap::new());
        let g = Key { code: KeyCode::Char('g'), ctrl: false, alt: false };
        assert_eq!(keymap.meaning(&[Context::List], None, g), Meaning::Prefix);
        assert_eq!(keymap.meaning(&[Context::List], Some(g), g), Meaning::Act(Action::First));
    }
}
