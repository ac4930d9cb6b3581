//! The person's own keys (`ui.keys`) over the table: all of them are put in, then those that would mean two things in
//! one place, or nothing, are taken out again and said.

use super::{Bound, Chord, Context, usual};
use std::collections::BTreeMap;

/// Puts `own` (action name to key) into `bound`; returns a sentence for each that cannot be used, whose usual key
/// stays.
pub(super) fn put(bound: &mut [Bound], own: &BTreeMap<String, String>) -> Vec<String> {
    let mut refused = Vec::new();
    let mut places = Vec::new();
    for (name, written) in own {
        match read(bound, name, written) {
            Ok((place, chord)) => {
                bound[place].chords = vec![chord];
                places.push(place);
            }
            Err(why) => refused.push(complaint(name, &why)),
        }
    }
    // A key that goes back to its usual one may be what another was to have: until nothing clashes any more.
    while let Some((at, other)) = last_clash(bound, &places) {
        let place = places.remove(at);
        let (written, meant) = (bound[place].key(), bound[other].entry.name);
        bound[place] = usual(bound[place].entry);
        refused
            .push(complaint(bound[place].entry.name, &format!("{written} already means {meant}: the usual key stays")));
    }
    refused
}

fn complaint(name: &str, why: &str) -> String {
    format!("ui.keys: {name}: {why}")
}

fn read(bound: &[Bound], name: &str, written: &str) -> Result<(usize, Chord), String> {
    let place = bound.iter().position(|bound| bound.entry.name == name);
    let place = place.ok_or("no act has this name: the help (?) of a place copies its keys with their names (y)")?;
    let chord = Chord::parse(written).ok_or_else(|| format!("{written} is no key: write it as in ctrl-s or g g"))?;
    if bound[place].entry.context.takes_text() && chord.0.first().is_some_and(|key| key.text().is_some()) {
        return Err(format!("{written} is text there: take one with ctrl, as in ctrl-s"));
    }
    Ok((place, chord))
}

/// The last of the own keys, by its number in `places`, that means something else where both are heard.
fn last_clash(bound: &[Bound], places: &[usize]) -> Option<(usize, usize)> {
    places.iter().enumerate().rev().find_map(|(at, place)| {
        let own = &bound[*place];
        // The table itself hides a key under another here and there: what it says may be said again.
        let as_usual = own.chords.iter().all(|chord| usual(own.entry).chords.contains(chord));
        let taken = bound.iter().position(|other| {
            other.entry.action != own.entry.action
                && (own.entry.context == other.entry.context
                    || !as_usual && own.entry.context.meets(other.entry.context))
                && own.chords.iter().any(|x| other.chords.iter().any(|y| clash(x, y)))
        });
        taken.map(|other| (at, other))
    })
}

/// The same chord, or one that begins with the other.
pub(super) fn clash(a: &Chord, b: &Chord) -> bool {
    a.0.iter().zip(&b.0).all(|(x, y)| x == y)
}

impl Context {
    /// Letters are text in all of it.
    fn takes_text(self) -> bool {
        matches!(self, Self::Always | Self::FilterLine | Self::Prompt | Self::Choose | Self::Palette | Self::PresetList)
    }

    /// Both are heard at the same time, somewhere.
    fn meets(self, other: Self) -> bool {
        self == other || self.above(other) || other.above(self)
    }

    /// Where keys of this one are heard, those of `below` are heard too, unless this one has the same key.
    pub fn above(self, below: Self) -> bool {
        match below {
            Self::Always => self != Self::Always,
            Self::Everywhere | Self::List if self == Self::Searched => true,
            Self::Everywhere => self == Self::List || self.is_screen(),
            Self::List => self.is_screen() || self.is_page(),
            _ if self == Self::Searched => below.has_filter(),
            Self::Providers => self == Self::ProviderDetail,
            Self::Telemetry => self == Self::CallDetail,
            Self::Rule => self == Self::Completion,
            Self::Choose => self == Self::PresetList,
            _ => false,
        }
    }

    /// A pane of a screen where letters are keys.
    fn is_screen(self) -> bool {
        matches!(
            self,
            Self::Providers
                | Self::ProviderDetail
                | Self::Welcome
                | Self::Health
                | Self::Routing
                | Self::Explained
                | Self::Answer
                | Self::Telemetry
                | Self::CallDetail
                | Self::CallsCharts
        )
    }

    /// Heard below a filter that is kept.
    fn has_filter(self) -> bool {
        self.is_screen() && !matches!(self, Self::Welcome | Self::Answer)
            || matches!(self, Self::AppLog | Self::Help | Self::Pager | Self::Messages)
    }

    /// A layer with rows where letters are keys.
    fn is_page(self) -> bool {
        matches!(
            self,
            Self::OrderItems
                | Self::AppLog
                | Self::Help
                | Self::Pager
                | Self::Doctor
                | Self::Messages
                | Self::Review
                | Self::Replay
                | Self::Broken
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::action::Action;
    use crate::tui::keymap::{Key, Keymap, Meaning};
    use crossterm::event::KeyCode;

    fn with(own: &[(&str, &str)]) -> (Keymap, Vec<String>) {
        Keymap::new(&own.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect())
    }

    fn on_providers(keymap: &Keymap, letter: char) -> Meaning {
        let key = Key { code: KeyCode::Char(letter), ctrl: false, alt: false };
        keymap.meaning(&[Context::Providers, Context::List, Context::Everywhere], None, key)
    }

    #[test]
    fn own_keys_replace_the_usual_and_a_clash_is_said() {
        let (keymap, notes) = with(&[
            ("providers.test", "X"),
            ("providers.edit", "a"),
            ("providers.nothing", "x"),
            ("providers.add", "hyper-x"),
        ]);
        assert_eq!(on_providers(&keymap, 'X'), Meaning::Act(Action::ProviderTest));
        assert_eq!(on_providers(&keymap, 't'), Meaning::Nothing);
        assert_eq!(on_providers(&keymap, 'e'), Meaning::Act(Action::ProviderEdit));
        assert_eq!(on_providers(&keymap, 'a'), Meaning::Act(Action::ProviderAdd));
        assert_eq!(notes.len(), 3, "{notes:?}");
    }

    #[test]
    fn two_keys_can_be_swapped() {
        let (keymap, notes) = with(&[("providers.test", "e"), ("providers.edit", "t")]);
        assert_eq!(notes, Vec::<String>::new());
        assert_eq!(on_providers(&keymap, 'e'), Meaning::Act(Action::ProviderTest));
        assert_eq!(on_providers(&keymap, 't'), Meaning::Act(Action::ProviderEdit));
    }

    #[test]
    fn half_a_swap_leaves_both_as_they_were() {
        // `a` is taken, so `e` is not free for the other.
        let (keymap, notes) = with(&[("providers.test", "e"), ("providers.edit", "a")]);
        assert_eq!(on_providers(&keymap, 'e'), Meaning::Act(Action::ProviderEdit));
        assert_eq!(on_providers(&keymap, 't'), Meaning::Act(Action::ProviderTest));
        assert_eq!(notes.len(), 2, "{notes:?}");
    }

    #[test]
    fn a_key_that_another_place_hears_first_is_said() {
        for (name, key, meant) in [
            ("quit", "a", "providers.add"),
            ("providers.test", "q", "quit"),
            ("providers.test", "j", "list.down"),
            ("providers.test", "g", "list.first"),
            ("cancel", "ctrl-s", "already means"),
            ("cancel", "x", "is text there"),
        ] {
            let (_, notes) = with(&[(name, key)]);
            assert!(notes.len() == 1 && notes[0].contains(meant), "{name}: {key}: {notes:?}");
        }
        // While a filter is kept its keys come before those of the place.
        for (name, key, meant) in [
            ("match.next", "a", "providers.add"),
            ("providers.add", "N", "match.previous"),
            ("messages.copy", "N", "match.previous"),
            ("match.previous", "q", "quit"),
        ] {
            let (_, notes) = with(&[(name, key)]);
            assert!(notes.len() == 1 && notes[0].contains("already means"), "{name}: {key}: {notes:?}");
            assert!(meant == "quit" || notes[0].contains(meant), "{name}: {key}: {notes:?}");
        }
        // The same act may be bound in both, and what the table says may be said again.
        for (name, key) in [("health.probe", "T"), ("pager.close", "?"), ("routing.explained", "tab")] {
            assert_eq!(with(&[(name, key)]).1, Vec::<String>::new());
        }
    }
}
