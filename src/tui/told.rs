//! Lines for listeners (plain mode), and what makes one of them news. Not who prints them.

use std::collections::HashSet;
use std::fmt::Display;

/// One line and the mark it is known by: it is news while no line of the turn before had the same mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    mark: String,
    pub text: String,
}

impl Told {
    /// How `of` stands: news when its words change. Figures that move by themselves, such as ages, are none.
    pub fn state(of: impl Display, text: String) -> Self {
        Self { mark: format!("{of}\n{}", without_figures(&text)), text }
    }

    /// One of several that come one after the other, such as the sentences of an answer: told once, however like
    /// another it is.
    pub fn one(of: impl Display, text: String) -> Self {
        Self { mark: format!("{of}\n"), text }
    }
}

/// The text is its own mark.
impl From<String> for Told {
    fn from(text: String) -> Self {
        Self { mark: text.clone(), text }
    }
}

/// What was told last.
#[derive(Debug, Default)]
pub struct Heard {
    lines: HashSet<String>,
    choice: String,
}

impl Heard {
    /// All of it is news again.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    pub fn forget_choice(&mut self) {
        self.choice.clear();
    }

    /// The lines that were not told the turn before.
    pub fn news(&mut self, lines: Vec<Told>) -> Vec<String> {
        let before = std::mem::take(&mut self.lines);
        self.lines = lines.iter().map(|line| line.mark.clone()).collect();
        lines.into_iter().filter(|line| !before.contains(&line.mark)).map(|line| line.text).collect()
    }

    /// The chosen row, where it is another than before.
    pub fn new_choice(&mut self, choice: Option<Told>) -> Option<String> {
        let mark = choice.as_ref().map_or_else(String::new, |choice| choice.mark.clone());
        let before = std::mem::replace(&mut self.choice, mark);
        choice.filter(|choice| choice.mark != before && !choice.text.is_empty()).map(|choice| choice.text)
    }
}

/// The words that are no figures. A name keeps its digits: `gpt-4.1` is not `gpt-4.2`.
fn without_figures(line: &str) -> String {
    let figure = |word: &&str| {
        let word = word.trim_start_matches(['(', '<', '$', '~', '-', '+']);
        word.starts_with(|c: char| c.is_ascii_digit())
    };
    line.split_whitespace().filter(|word| !figure(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&str]) -> Vec<Told> {
        lines.iter().map(|line| Told::from((*line).to_owned())).collect()
    }

    #[test]
    fn an_answer_whose_sentences_differ_in_figures_only_is_told_whole() {
        let mut heard = Heard::default();
        let steps = ["Step 1.", "Step 2.", "Step 2."];
        let mut said = Vec::new();
        for count in 1..=steps.len() {
            let came = steps[..count].iter().enumerate();
            said.extend(heard.news(came.map(|(place, step)| Told::one(place, (*step).to_owned())).collect()));
        }
        assert_eq!(said, steps);
    }

    #[test]
    fn ages_and_figures_are_no_news_but_words_and_names_are() {
        let mut heard = Heard::default();
        let mut news = |text: &str| heard.news(vec![Told::state("lm", text.to_owned())]).len();
        assert_eq!(news("LM Studio, up, 12 ms, qwen-4b"), 1);
        assert_eq!(news("LM Studio, up, 9 ms, qwen-4b"), 0);
        assert_eq!(news("LM Studio, up, 9 ms, qwen-8b"), 1);
        assert_eq!(news("LM Studio, down <1 min, refused"), 1);
        assert_eq!(news("LM Studio, down 14 min, refused"), 0);
    }

    #[test]
    fn a_page_is_told_line_by_line_as_its_lines_change() {
        let mut heard = Heard::default();
        assert_eq!(heard.news(text(&["gpt-4.1", "8 tokens"])).len(), 2);
        assert_eq!(heard.news(text(&["gpt-4.1", "9 tokens"])), ["9 tokens"]);
        heard.forget();
        assert_eq!(heard.news(text(&["gpt-4.1"])), ["gpt-4.1"]);
    }

    #[test]
    fn the_next_row_is_told_also_where_its_name_differs_in_a_digit() {
        let mut heard = Heard::default();
        let mut choice = |text: &str| heard.new_choice(Some(Told::from(text.to_owned())));
        assert_eq!(choice("gpt-4.1").as_deref(), Some("gpt-4.1"));
        assert_eq!(choice("gpt-4.1"), None);
        assert_eq!(choice("gpt-4.2").as_deref(), Some("gpt-4.2"));
    }
}
