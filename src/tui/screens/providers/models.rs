//! The models of the chosen provider: the table with its cursor, and the acts on one of them.

use super::{Focus, Providers};
use crate::domain::health::State;
use crate::domain::ids::ModelId;
use crate::domain::routing::ActiveChoice;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, ModelView, ProviderView};
use crate::present::{escape, labels, models, text, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::part::{Cx, Outbox};
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use std::time::Duration;

/// The table as part of the detail's lines.
pub(super) struct Table<'a> {
    pub provider: &'a ProviderView,
    /// Where the cursor is, while the detail has the keys.
    pub chosen: Option<usize>,
    /// Rows of the whole detail that are seen.
    pub rows: usize,
}

impl Table<'_> {
    /// Adds the table below what `lines` holds; `after` more lines will follow it. Rows out of sight are not made.
    pub fn draw(&self, screen: &Providers, canvas: &Canvas<'_>, lines: &mut Lines, after: usize) {
        let provider = self.provider;
        let title = format!("Models {}", provider.models.len());
        let seen = provider.health.models_seen.map(|at| format!("seen {} ago", canvas.age(at))).unwrap_or_default();
        let beside = match self.under_way(canvas, lines.width().saturating_sub(text::width(&title) + 2)) {
            Some(said) => Piece::new(&said, Role::Warn),
            None => Piece::new(&seen, Role::Muted),
        };
        lines.split(&[Piece::new(&title, Role::Title)], &[beside]);
        if provider.models.is_empty() {
            let why = if provider.health.state.usable() {
                "The server lists none."
            } else {
                "None known yet: it did not answer."
            };
            lines.wrapped(2, why, Role::Muted);
            lines.blank();
            return;
        }
        let shown = screen.shown_models(provider);
        if shown.is_empty() {
            lines.wrapped(2, "No model holds this text: esc clears it.", Role::Muted);
            lines.blank();
            return;
        }
        let columns = Columns::of(lines.width());
        lines.put(
            2,
            &[Piece::new(&columns.row("state", "model", &["context", "quant", "size", "tok/s", "calls"]), Role::Muted)],
        );
        let first_row = lines.len();
        let about = self.chosen.and_then(|place| shown.get(place)).map(|model| models::describe(model, canvas.cx.now));
        let about = about.filter(|about| !about.is_empty());
        let total = first_row + shown.len() + usize::from(about.is_some()) + 1 + after;
        let row_of_chosen = self.chosen.map(|place| first_row + place);
        let first = self.keep_in_sight(screen, row_of_chosen, total, about.is_some());
        for (place, model) in shown.iter().enumerate() {
            let row = first_row + place;
            if (first..first + self.rows).contains(&row) {
                let cursor = if self.chosen == Some(place) { "> " } else { "  " };
                let line = columns.model(model, provider, canvas.cx.now);
                let role = if model.chat { Role::Plain } else { Role::Muted };
                lines.put(0, &[Piece::new(cursor, Role::Accent), Piece::new(&line, role)]);
            } else {
                lines.blank();
            }
            if self.chosen == Some(place)
                && let Some(about) = &about
            {
                lines.put(4, &[Piece::new(&text::truncate(about, lines.width().saturating_sub(4)), Role::Muted)]);
            }
        }
        lines.blank();
    }

    /// What loads now, against the time it took before. It stands beside the title, so that nothing moves.
    fn under_way(&self, canvas: &Canvas<'_>, room: usize) -> Option<String> {
        let now = canvas.cx.now;
        let first = self.provider.loading.first()?;
        for load in &self.provider.loading {
            canvas.wake_at(load.since.plus(Duration::from_secs(now.since(load.since).as_secs() + 1)));
        }
        let said = models::under_way(first, now);
        let others = match self.provider.loading.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let named = format!("{}: {said}{others}", escape::line(first.model.as_str()));
        Some(if text::width(&named) <= room { named } else { said + &others })
    }

    /// The first line to be seen, so that the chosen row is among them after it moved.
    fn keep_in_sight(&self, screen: &Providers, row: Option<usize>, total: usize, with_next: bool) -> usize {
        let most = total.saturating_sub(self.rows);
        let mut first = screen.scroll.from().min(most);
        if let Some(row) = row
            && screen.follow.replace(false)
        {
            // The last line may hold how many more there are.
            let below = row + 1 + usize::from(with_next) + 1;
            if row < first {
                first = row;
            } else if below > first + self.rows {
                first = (below - self.rows).min(most);
            }
            screen.scroll.to(first);
        }
        first
    }
}

/// Which columns there is room for, and how wide the name is.
struct Columns {
    name: usize,
    wide: bool,
    pace: bool,
}

impl Columns {
    const STATE: usize = 11;
    const CONTEXT: usize = 10;

    fn of(width: usize) -> Self {
        let wide = width >= 70;
        let pace = width >= 48;
        let taken = 2
            + Self::STATE
            + Self::CONTEXT
            + if wide {
                2 + 8 + 9 + 7 + 6
            } else if pace {
                7
            } else {
                0
            };
        Self { name: width.saturating_sub(taken), wide, pace }
    }

    /// `figures`: context, quantisation, size, pace, calls.
    fn row(&self, state: &str, name: &str, figures: &[&str; 5]) -> String {
        let [context, quant, size, pace, calls] = figures;
        let mut line = text::pad_right(state, Self::STATE);
        line += &text::pad_right(name, self.name);
        line += &text::pad_left(context, Self::CONTEXT);
        if self.wide {
            line += "  ";
            line += &text::pad_right(quant, 8);
            line += &text::pad_left(size, 9);
        }
        if self.pace || self.wide {
            line += &text::pad_left(pace, 7);
        }
        if self.wide {
            line += &text::pad_left(calls, 6);
        }
        line
    }

    fn model(&self, model: &ModelView, provider: &ProviderView, now: UnixMs) -> String {
        let context = models::context(model);
        let size = model.size_bytes.map_or_else(|| units::MISSING.into(), units::size);
        let pace = model.tokens_per_s.map_or_else(|| units::MISSING.into(), units::rate);
        let calls = if model.calls == 0 { units::MISSING.to_owned() } else { model.calls.to_string() };
        let quant = escape::line(model.quantization.as_deref().unwrap_or(units::MISSING));
        self.row(
            state(model, provider, now),
            &escape::line(model.id.as_str()),
            &[&context, &quant, &size, pace.trim_end_matches(" tok/s"), &calls],
        )
    }
}

fn state(model: &ModelView, provider: &ProviderView, now: UnixMs) -> &'static str {
    match provider.loading.iter().find(|load| load.model == model.id) {
        Some(load) if load.unloading => return "unloading",
        Some(_) => return "loading",
        None => {}
    }
    if model.breaker_until.is_some_and(|until| until > now) {
        return "resting";
    }
    match model.loaded {
        _ if !model.listed => "not listed",
        Some(true) => "loaded",
        _ if !model.chat => "no chat",
        _ if model.remote => "elsewhere",
        Some(false) => "on disk",
        None => "unknown",
    }
}

impl Providers {
    /// The models that the filter lets through.
    pub(super) fn shown_models<'a>(&self, provider: &'a ProviderView) -> Vec<&'a ModelView> {
        let all = provider.models.iter();
        if self.model_filter.is_empty() {
            return all.collect();
        }
        let lets = |model: &&ModelView| self.model_filter.lets(model.id.as_str());
        all.filter(lets).collect()
    }

    fn ids(&self, provider: &ProviderView) -> Vec<ModelId> {
        self.shown_models(provider).into_iter().map(|model| model.id.clone()).collect()
    }

    /// The place of the model under the cursor, among those shown.
    pub(super) fn chosen_model(&self, provider: &ProviderView) -> Option<usize> {
        self.model.place(&self.ids(provider))
    }

    fn model_under_cursor<'a>(&self, provider: &'a ProviderView) -> Option<&'a ModelView> {
        self.shown_models(provider).get(self.chosen_model(provider)?).copied()
    }

    /// After the filter changed: the page begins at the table's first row again.
    pub(super) fn settle_models(&mut self, provider: &ProviderView) {
        let ids = self.ids(provider);
        self.model.settle(&ids);
        self.follow.set(true);
    }

    pub(super) fn move_among_models(&mut self, action: Action, provider: &ProviderView) -> bool {
        let ids = self.ids(provider);
        let Some(place) = self.model.place(&ids) else { return false };
        // At either end the page moves on.
        let at_the_end = match action {
            Action::Up | Action::PageUp | Action::First => place == 0,
            Action::Down | Action::PageDown | Action::Last => place + 1 == ids.len(),
            _ => return false,
        };
        if at_the_end {
            return false;
        }
        self.follow.set(true);
        self.model.act(action, &ids)
    }

    /// Why a model cannot be loaded or unloaded here now.
    pub(super) fn why_no_model_act(&self, action: Action, provider: &ProviderView) -> Option<String> {
        let name = &provider.name;
        if !models::can_load(provider.kind) {
            return Some(models::how_it_loads(provider.kind).to_owned());
        }
        if !provider.enabled {
            return Some(format!("{name} is off: space switches it on"));
        }
        if !provider.health.state.usable() || provider.health.state == State::Unknown {
            return Some(format!("{name} is {}: models are loaded when it is up", labels::provider(provider).word));
        }
        let fitting = fitting(action, provider);
        if self.focus == Focus::List {
            return fitting.is_empty().then(|| match action {
                Action::ModelLoad => format!("{name} has no model that is not loaded"),
                _ => format!("{name} has no model loaded"),
            });
        }
        let model = self.model_under_cursor(provider)?;
        if let Some(load) = provider.loading.iter().find(|load| load.model == model.id && !load.by_call) {
            return Some(if load.unloading { "it is being unloaded".into() } else { "it is loading already".into() });
        }
        if model.remote {
            return Some(format!("{} runs elsewhere: there is nothing to load", model.id));
        }
        if fitting.iter().any(|id| **id == model.id) {
            return None;
        }
        Some(match action {
            Action::ModelLoad if model.loaded == Some(true) => format!("{} is loaded already: u unloads it", model.id),
            _ => format!("{} is not loaded", model.id),
        })
    }

    /// Why the model under the cursor cannot be the active target.
    pub(super) fn why_no_choice(&self, provider: &ProviderView) -> Option<String> {
        let model = self.model_under_cursor(provider).filter(|_| self.focus == Focus::Detail)?;
        (!model.chat).then(|| format!("{} is no chat model: prompts cannot go there", model.id))
    }

    /// Loads, unloads or chooses a model; `false` for other acts, or when the act is the whole provider's.
    pub(super) fn act_on_model(
        &mut self,
        action: Action,
        provider: &ProviderView,
        cx: &Cx<'_>,
        out: &mut Outbox,
    ) -> bool {
        match action {
            Action::ModelLoad | Action::ModelUnload => {
                let fitting = fitting(action, provider);
                let wanted = match (self.focus, fitting.as_slice()) {
                    (Focus::List, [only]) => (*only).clone(),
                    (Focus::List, [first, ..]) => {
                        // Several fit: the person says which.
                        let ids = self.ids(provider);
                        self.model.set((*first).clone(), &ids);
                        self.follow.set(true);
                        self.focus = Focus::Detail;
                        return true;
                    }
                    _ => match self.model_under_cursor(provider) {
                        Some(model) => model.id.clone(),
                        None => return false,
                    },
                };
                let provider = provider.id.clone();
                // How it ends is announced.
                match action {
                    Action::ModelLoad => out.tell(Command::LoadModel { provider, model: wanted, context: None }, ""),
                    _ => out.tell(Command::UnloadModel { provider, model: wanted }, ""),
                }
                true
            }
            Action::ProviderUse if self.focus == Focus::Detail => {
                let Some(model) = self.model_under_cursor(provider) else {
                    return false;
                };
                let target = provider.target(model);
                let chosen = ActiveChoice::Target(target.clone());
                let back = cx.snapshot.routing.active == chosen;
                let done = if back {
                    "the active target is auto again".to_owned()
                } else {
                    format!("{target} is the active target: m again for auto")
                };
                let choice = if back { ActiveChoice::Auto } else { chosen };
                out.tell(Command::UseTarget { choice }, done);
                true
            }
            _ => false,
        }
    }
}

/// The models that the act fits.
fn fitting(action: Action, provider: &ProviderView) -> Vec<&ModelId> {
    let fits = |model: &&ModelView| {
        let busy = provider.loading.iter().any(|load| load.model == model.id && !load.by_call);
        !model.remote
            && !busy
            && match action {
                Action::ModelLoad => model.listed && model.loaded != Some(true),
                _ => model.loaded == Some(true),
            }
    };
    provider.models.iter().filter(fits).map(|model| &model.id).collect()
}
