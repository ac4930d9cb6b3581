//! Which entries a typed text finds, best first.

use super::entries::Entry;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// The places of the entries that `typed` finds: in the title first, the best match first; then in the sentence.
/// Entries that cannot run come after those that can. All of them in order where nothing is typed.
///
/// Only the places `within` are looked at: what one text finds holds all that any longer one finds.
pub fn found(entries: &[Entry], within: impl Iterator<Item = usize>, typed: &str) -> Vec<usize> {
    let mut found: Vec<(usize, u32, bool)> = Vec::new();
    let pattern = Pattern::new(typed.trim(), CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut score = |text: &str| pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher);
    for place in within {
        let Some(entry) = entries.get(place) else { continue };
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
        Entry::of(title, about, why, run)
    }

    #[test]
    fn titles_come_before_sentences_and_what_can_run_before_what_cannot() {
        let entries = [
            entry("list: down", "next; pause is another", None),
            entry("providers: pause", "no calls", None),
            entry("pause zai", "", Some("it is off")),
        ];
        let found = |typed: &str| found(&entries, 0..entries.len(), typed);
        assert_eq!(found("pause"), [1, 0, 2]);
        assert_eq!(found("prpau"), [1]);
        assert_eq!(found("zai PAUSE"), [2]);
        assert_eq!(found(""), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn what_a_text_finds_holds_all_that_a_longer_one_finds(typed in "[a-z :^$!'|é]{0,8}", more in "\\PC{0,3}") {
            let titles = ["providers: pause", "use target zai/glm-4.6", "Üser ^x$ !", "strategy: cost_optimized", "é"];
            let entries: Vec<Entry> = titles.iter().map(|title| entry(title, "no calls ' | and so on", None)).collect();
            let all = || 0..entries.len();
            let short = found(&entries, all(), &typed);
            let long = format!("{typed}{more}");
            let mut narrowed = found(&entries, short.into_iter(), &long);
            let mut anew = found(&entries, all(), &long);
            narrowed.sort_unstable();
            anew.sort_unstable();
            prop_assert_eq!(narrowed, anew);
        }
    }
}
