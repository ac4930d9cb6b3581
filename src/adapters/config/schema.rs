//! What a configuration may hold: the shapes of values, and finding the row that describes a place.
//! The rows themselves are data in `schema_table`.

use super::path::{Path, Step};
pub use super::schema_table::TABLE;

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A mapping whose keys have rows of their own.
    Section,
    /// A list of such mappings.
    Sections,
    /// A mapping whose keys are free; its values have a row with `*`.
    Named,
    /// A mapping of names to single values.
    Scalars,
    Text,
    /// Text in which `${…}` stays as it is.
    Prompt,
    /// Never shown.
    Secret,
    /// A list of them: each a text, or a section with its name.
    Secrets,
    Address,
    Switch,
    Whole(u64, u64),
    Figure(f64, f64),
    /// A number of seconds.
    Seconds(f64, f64),
    /// One of these words.
    Word(&'static [&'static str]),
    Texts,
    /// A list of these words.
    Words(&'static [&'static str]),
    /// A host and port to listen at.
    Listen,
    /// A list of models: a name, or a section with an id.
    Models,
    /// A span of so many seconds: a number, or text such as `5h`.
    Span(f64, f64),
    /// Hours of the week, or a switch.
    Hours,
    /// Moments of the week.
    Moments,
}

impl Shape {
    /// What is allowed, in words that follow "expected".
    pub fn words(self) -> String {
        match self {
            Self::Section | Self::Named | Self::Scalars => "a section (key: value lines)".into(),
            Self::Sections => "a list of sections (each begins with -)".into(),
            Self::Text | Self::Prompt | Self::Secret => "text".into(),
            Self::Texts => "a list of texts".into(),
            Self::Secrets => "a list of keys, each a text or a section with name and key".into(),
            Self::Address => "an address such as http://127.0.0.1:1234".into(),
            Self::Switch => "true or false".into(),
            Self::Whole(low, high) => format!("a whole number from {low} to {high}"),
            Self::Figure(low, high) => format!("a number from {low} to {high}"),
            Self::Seconds(low, high) => format!("a number of seconds from {low} to {high}"),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Words(words) => format!("a list of {}", words.join(", ")),
            Self::Listen => "an address and port such as 127.0.0.1:4141".into(),
            Self::Models => "a list of models, each a name or a section with an id".into(),
            Self::Span(low, high) => format!("a span such as 5h, 90m or 7d, from {low} to {high} seconds"),
            Self::Hours => "true, false or hours such as mon-fri 08:00-18:00".into(),
            Self::Moments => "times such as mon-fri 07:55".into(),
        }
    }

    /// Whether a single `${NAME}` keeps its text, whatever the text looks like.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Prompt
                | Self::Secret
                | Self::Secrets
                | Self::Address
                | Self::Word(_)
                | Self::Texts
                | Self::Words(_)
                | Self::Listen
                | Self::Models
                | Self::Moments
        )
    }
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Keys joined by dots; `*` for a free name, `[]` for an entry of a list.
    pub path: &'static str,
    pub shape: Shape,
    /// In words, for help and remedies; empty when there is none.
    pub default: &'static str,
    pub help: &'static str,
    /// The place of a newer key that says the same and wins.
    pub newer: &'static str,
    pub required: bool,
    /// Part of the original service's layout.
    pub original: bool,
}

impl Row {
    pub const fn new(path: &'static str, shape: Shape, default: &'static str, help: &'static str) -> Self {
        Self { path, shape, default, help, newer: "", required: false, original: false }
    }

    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub const fn newer(mut self, path: &'static str) -> Self {
        self.newer = path;
        self
    }

    pub const fn original(mut self) -> Self {
        self.original = true;
        self
    }

    /// The pattern as single steps.
    pub fn steps(&self) -> impl Iterator<Item = &'static str> {
        self.path
            .split('.')
            .flat_map(|part| match part.strip_suffix("[]") {
                Some(name) => [Some(name), Some("[]")],
                None => [Some(part), None],
            })
            .flatten()
            .filter(|part| !part.is_empty())
    }

    fn fits(&self, path: &Path) -> bool {
        let mut steps = self.steps();
        path.0.iter().all(|step| match (step, steps.next()) {
            (Step::Key(_), Some("*")) | (Step::Index(_), Some("[]")) => true,
            (Step::Key(key), Some(part)) => key == part,
            (_, None) | (Step::Index(_), Some(_)) => false,
        }) && steps.next().is_none()
    }
}

/// The row for a place; a literal key wins over a free name.
pub fn row(path: &Path) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.fits(path))
}

/// The keys known directly below a place; empty where keys are free.
pub fn keys_below(path: &Path) -> Vec<&'static str> {
    let depth = path.0.len();
    let mut keys = Vec::new();
    for row in TABLE {
        let steps: Vec<_> = row.steps().collect();
        let (Some(front), Some(key)) = (steps.get(..depth), steps.get(depth)) else { continue };
        let fits = front.iter().zip(&path.0).all(|(part, step)| match step {
            Step::Key(key) => *part == "*" || key == part,
            Step::Index(_) => *part == "[]",
        });
        if fits && *key != "*" && *key != "[]" && !keys.contains(key) {
            keys.push(*key);
        }
    }
    keys
}

/// Rows that must be present directly below a place.
pub fn required_below(path: &Path) -> impl Iterator<Item = (&'static Row, &'static str)> {
    TABLE.iter().filter(|row| row.required).filter_map(move |row| {
        let key = row.steps().last()?;
        row.fits(&path.key(key)).then_some((row, key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_section_above_it_and_stands_once() {
        for (at, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..at].iter().all(|other| other.path != row.path), "{} stands twice", row.path);
            assert!(!row.help.is_empty(), "{} has no help", row.path);
            if let Some((above, _)) = row.path.rsplit_once('.') {
                let above = above.trim_end_matches("[]").trim_end_matches(".*");
                assert!(TABLE.iter().any(|other| other.path == above), "{} stands in the air", row.path);
            }
            if !row.newer.is_empty() {
                assert!(TABLE.iter().any(|other| other.path == row.newer), "{} names no row", row.newer);
            }
        }
    }

    #[test]
    fn a_place_finds_its_row() {
        let path = Path::of("providers").index(3).key("health").key("interval");
        assert_eq!(row(&path).map(|row| row.path), Some("providers[].health.interval"));
        let path = Path::of("lm_studio.model_settings").key("aquif-3.5").key("max_tokens");
        assert_eq!(row(&path).map(|row| row.path), Some("lm_studio.model_settings.*.max_tokens"));
        assert!(keys_below(&Path::of("routing")).contains(&"request_priorities"));
        assert_eq!(row(&Path::of("providers.zai")), None);
    }
}
