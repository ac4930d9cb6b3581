//! Which entries a typed text finds, best first.

use super::entries::Entry;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// The places of the entries that `typed` finds: in the title first, the best match first; then in the sentence.
/// Entries that cannot run come after those that can. All of them in order where nothing is typed.
pub fn found(entries: &[Entry], typed: &str) -> Vec<usize> {
    let mut found: Vec<(usize, u32, bool)> = Vec::new();
    let pattern = Pattern::parse(typed.trim(), CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut score = |text: &str| pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher);
    for (place, entry) in entries.iter().enumerate() {
        let in_title = score(&entry.title).map(|score| (score, true));
        // A sentence is long: letters strewn over it are no match, its words are.
        let sentence = || crate::tui::widgets::filter::holds(&entry.about, typed).then_some((0, false));
        if let Some((score, title)) = in_title.or_else(sentence) {
            found.push((place, score, title));
        }
    }
    found.sort_by_key(|(place, score, title)| {
        (entries[*place].why.is_some(), !title, std::cmp::Reverse(*score), *place)
    });
    found.into_iter().map(|(place, ..)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::action::Action;
    use crate::tui::layers::palette::entries::Run;
    use proptest::prelude::*;

    fn entry(title: &str, about: &str, why: Option<&str>) -> Entry {
        let run = Run::Act(Action::Help);
        let why = why.map(str::to_owned);
        Entry { id: title.into(), title: title.into(), about: about.into(), key: String::new(), line: None, why, run }
    }

    #[test]
    fn titles_come_before_sentences_and_what_can_run_before_what_cannot() {
        let entries = [
            entry("list: down", "next; pause is another", None),
            entry("providers: pause", "no calls", None),
            entry("pause zai", "", Some("it is off")),
        ];
        assert_eq!(found(&entries, "pause"), [1, 0, 2]);
        assert_eq!(found(&entries, "prpau"), [1]);
        assert_eq!(found(&entries, "zai PAUSE"), [2]);
        assert_eq!(found(&entries, ""), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn whatever_is_typed_finds_each_entry_at_most_once(typed in "\\PC{0,12}") {
            let entries = [entry("providers: pause", "no calls", None), entry("Üser ^x$ !", "|'", None)];
            let mut places = found(&entries, &typed);
            places.dedup();
            prop_assert!(places.len() <= 2);
        }
    }
}
