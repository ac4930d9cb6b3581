//! The presets to choose from; the chosen one fills the prompt and its settings.

use crate::domain::preset::Preset;
use crate::engine::protocol::{Command, PresetEdit};
use crate::present::escape;
use crate::present::presets::variables;
use crate::tui::action::Action;
use crate::tui::keymap::Context;
use crate::tui::layers::choose::{Row, Source};
use crate::tui::layers::confirm::Confirm;
use crate::tui::part::{Cx, Effect, Place, Tab};
use std::cell::RefCell;
use std::sync::Arc;

pub struct Presets {
    /// The one that the prompt was filled with.
    taken: Option<String>,
    /// As they were listed last.
    all: RefCell<Arc<Vec<Preset>>>,
}

impl Presets {
    pub fn new(taken: Option<String>) -> Self {
        Self { taken, all: RefCell::default() }
    }
}

impl Source for Presets {
    /// The name; empty for none.
    type Key = String;
    const PAGE: bool = false;

    fn title(&self) -> &'static str {
        "Preset"
    }

    fn about(&self) -> &'static str {
        "A preset fills the prompt and its settings; enter there asks for its variables. Nothing is sent from here."
    }

    fn rows(&self, cx: &Cx<'_>) -> Vec<Row<String>> {
        let all = Arc::clone(&cx.snapshot.config.presets);
        let row = |key: &str, left: &str, right: String, more: String| Row {
            key: key.to_owned(),
            mark: None,
            left: left.to_owned(),
            right,
            more,
        };
        let none =
            self.taken.is_some().then(|| row("", "none", "the prompt stays as plain text".into(), String::new()));
        let presets = all.iter().map(|preset| {
            let what = match (preset.request_type.as_str(), variables(preset)) {
                ("", variables) => variables,
                (kind, variables) if variables.is_empty() => kind.to_owned(),
                (kind, variables) => format!("{kind}: {variables}"),
            };
            row(&preset.name, &preset.name, what, preset.prompt.source().chars().take(400).collect())
        });
        let rows = presets.chain(none).collect();
        self.all.replace(all);
        rows
    }

    fn chosen(&self, key: &String) -> Option<Effect> {
        if key.is_empty() {
            return Some(Effect::Pass(Action::PresetDrop));
        }
        let all = self.all.borrow();
        let preset = all.iter().find(|preset| preset.name == *key)?;
        Some(Effect::Go(Tab::Playground, Some(Place::Preset(Box::new(preset.clone())))))
    }

    fn contexts(&self) -> &'static [Context] {
        &[Context::PresetList, Context::Choose]
    }

    fn removed(&self, key: &String) -> Option<Effect> {
        let all = self.all.borrow();
        let preset = all.iter().find(|preset| preset.name == *key)?;
        let asked = escape::line_capped(preset.prompt.source(), 200).into_owned();
        let lines =
            vec![asked, "It goes out of the file; U brings it back. The prompt here stays as it is.".to_owned()];
        let edit = Box::new(PresetEdit::Remove { name: preset.name.clone() });
        let delete = Effect::Tell(Command::EditPreset { edit, dry_run: false }, String::new());
        let confirm = Confirm::new(format!("Delete preset {}?", preset.name), lines, "Keep").with("Delete", delete);
        Some(Effect::Open(Box::new(confirm)))
    }

    fn nothing(&self) -> &'static str {
        "No preset yet: type a prompt with {{names}}, ctrl-s keeps it as one."
    }
}
