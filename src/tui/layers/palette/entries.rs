//! What the palette offers: every act of the key table, then the acts that take a name: providers, targets, the
//! strategies, the orders. Each with a sentence, its key, its command line, and why it cannot run now.

use crate::domain::health::State;
use crate::domain::ids::ProviderId;
use crate::domain::routing::{ActiveChoice, Strategy};
use crate::engine::protocol::{Command, ProviderView, Snapshot};
use crate::present::{labels, models, presets, routes};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::keymap::{Bound, Context, line};
use crate::tui::part::{Place, Tab};
use crate::tui::screens::{acts, targets};
use std::borrow::Cow;

/// What running an entry does.
#[derive(Debug, Clone, PartialEq)]
pub enum Run {
    /// The act where the palette was opened.
    Act(Action),
    /// The act on its own tab.
    ActOn(Tab, Action),
    Provider(Action, ProviderId),
    Tell(Box<Command>, String),
    /// Chooses the active target. There may be ten thousand of these: their words are made when they are shown.
    Use(ActiveChoice),
    Go(Tab, Place),
}

#[derive(Debug, Clone)]
pub struct Entry {
    /// Names it among the recent ones, where its title does not.
    pub name: Option<String>,
    pub title: String,
    pub about: String,
    pub key: String,
    line: Option<String>,
    /// Why it cannot run now.
    pub why: Option<String>,
    pub run: Run,
}

impl Entry {
    #[cfg(test)]
    pub fn of(title: &str, about: &str, why: Option<String>, run: Run) -> Self {
        Self { why, ..entry(title.into(), about.into(), None, run) }
    }

    /// Names it among the recent ones.
    pub fn id(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.title)
    }

    /// The command line that does the same.
    pub fn line(&self) -> Option<Cow<'_, str>> {
        match (&self.line, &self.run) {
            (Some(line), _) => Some(line.into()),
            (None, Run::Use(choice)) => Some(line::target(choice).into()),
            (None, _) => None,
        }
    }
}

/// What is said when a choice is made.
pub fn chosen(choice: &ActiveChoice) -> String {
    match choice {
        ActiveChoice::Auto => "the active target is auto".to_owned(),
        chosen => format!("{chosen} is the active target"),
    }
}

const READ_ONLY: &str = "read-only: started with --readonly";

/// Everything, those that can run here first.
pub fn all(app: &App) -> Vec<Entry> {
    let mut entries = of_table(app);
    // Over a layer only what it and the table know: acts elsewhere would go on behind it.
    if !app.has_layer() {
        let snapshot = &app.snapshot;
        entries.extend(places(snapshot));
        for provider in snapshot.providers.iter() {
            entries.extend(on_provider(provider, snapshot));
        }
        entries.extend(choices(snapshot));
        if app.options.readonly {
            refuse_changes(&mut entries);
        }
    }
    entries
}

/// The acts of this place, of everywhere, of the other tabs; last those that only a layer knows.
fn of_table(app: &App) -> Vec<Entry> {
    let mut here = app.contexts();
    // Moving about is what a person looks for least.
    here.sort_by_key(|context| *context == Context::List);
    let subject = app.screen().subject(&app.cx()).filter(|_| !app.has_layer());
    let mut entries: Vec<Entry> = Vec::new();
    for bound in here.iter().flat_map(|context| app.keymap.of(*context)) {
        let action = bound.entry.action;
        // Two contexts of one place may know the same act: it is offered once.
        if action != Action::Palette && entries.iter().all(|known| known.run != Run::Act(action)) {
            let entry = of_bound(bound, subject.as_ref(), app.why_not(action), Run::Act(action));
            let line = match (action, &subject) {
                (Action::ProviderToggle, Some(Place::Provider(id))) => {
                    acts::find(&app.snapshot, id).map(|provider| line::toggle(id.as_str(), provider.enabled))
                }
                _ => entry.line.clone(),
            };
            entries.push(Entry { line, ..entry });
        }
    }
    let mut closed = Vec::new();
    for bound in app.keymap.all().filter(|bound| !here.contains(&bound.entry.context)) {
        let action = bound.entry.action;
        match tab_of(bound.entry.context).filter(|_| !app.has_layer()) {
            Some(tab) if tab == app.tab => entries.push(of_bound(bound, None, None, Run::Act(action))),
            Some(tab) => entries.push(of_bound(bound, None, app.why_not_on(tab, action), Run::ActOn(tab, action))),
            None => {
                let why = Some(format!("only {}", place_of(bound.entry.context)));
                closed.push(of_bound(bound, None, why, Run::Act(action)));
            }
        }
    }
    entries.append(&mut closed);
    entries
}

fn of_bound(bound: &Bound, subject: Option<&Place>, why: Option<String>, run: Run) -> Entry {
    let (action, name) = (bound.entry.action, bound.entry.name);
    let line = line::of(action, subject);
    let title = match action {
        Action::GoTab(digit) => {
            let tab = Tab::ALL.into_iter().find(|tab| tab.digit() == digit);
            format!("tab: {}", tab.map_or("", Tab::title))
        }
        _ => name.replacen('.', ": ", 1).replace('_', " "),
    };
    let about = match action {
        Action::GoTab(_) => "go to this tab".to_owned(),
        _ => bound.entry.about.to_owned(),
    };
    Entry { name: Some(name.to_owned()), title, about, key: bound.key(), line, why, run }
}

fn places(snapshot: &Snapshot) -> Vec<Entry> {
    let provider = |provider: &ProviderView| {
        let place = Place::Provider(provider.id.clone());
        entry(format!("go to provider {}", provider.id), state(provider), line::of(Action::Open, Some(&place)), {
            Run::Go(Tab::Providers, place)
        })
    };
    let order = |name: &str, items: &[String]| {
        let place = Place::Order(name.to_owned());
        entry(format!("go to order {name}"), items.join(", "), line::of(Action::Open, Some(&place)), {
            Run::Go(Tab::Routing, place)
        })
    };
    let orders = snapshot.routing.rules.request_orders.iter().map(|(name, items)| order(name, items));
    let rules = snapshot.routing.rules.policies.iter().map(|policy| {
        let place = Place::Policy { name: policy.name.clone(), enabled: policy.enabled, observe: policy.observe };
        let line = line::of(Action::Open, Some(&place));
        entry(format!("go to rule {}", policy.name), routes::policy_does(policy), line, Run::Go(Tab::Routing, place))
    });
    let presets = snapshot.config.presets.iter().map(|preset| {
        let place = Place::Preset(Box::new(preset.clone()));
        let about = format!("to the playground with it: {}", presets::variables(preset));
        let line = line::of(Action::Open, Some(&place));
        entry(format!("take preset {}", preset.name), about, line, Run::Go(Tab::Playground, place))
    });
    snapshot.providers.iter().map(|view| provider(view)).chain(orders).chain(rules).chain(presets).collect()
}

/// What can be done to one provider from anywhere.
fn on_provider(provider: &ProviderView, snapshot: &Snapshot) -> Vec<Entry> {
    let id = &provider.id;
    let place = Place::Provider(id.clone());
    let paused = provider.health.state == State::Paused;
    let verbs = [
        (Action::ProviderTest, "test", "one free probe now"),
        (Action::ProviderDoctor, "doctor", "every step of a connection, with its verdict"),
        (Action::ProviderEdit, "edit", "change it by form"),
        (Action::ProviderPause, if paused { "resume" } else { "pause" }, "no probes and no calls until resumed"),
        (Action::ProviderToggle, if provider.enabled { "switch off" } else { "switch on" }, "written to the file"),
        (Action::ProviderDelete, "delete", "take it out of the file, after a question"),
    ];
    let of = |(action, verb, about): (Action, &str, &str)| Entry {
        why: acts::why_not(action, provider, snapshot),
        ..entry(
            format!("{verb} {id}"),
            format!("{}: {about}", provider.name),
            match action {
                Action::ProviderToggle => Some(line::toggle(id.as_str(), provider.enabled)),
                _ => line::of(action, Some(&place)),
            },
            Run::Provider(action, id.clone()),
        )
    };
    verbs.into_iter().map(of).chain(loading(provider)).collect()
}

/// Its models that can be loaded or unloaded now.
fn loading(provider: &ProviderView) -> impl Iterator<Item = Entry> {
    let can = provider.enabled && models::can_load(provider.kind);
    let known = provider.models.iter().filter(move |model| can && !model.remote);
    known.filter_map(move |model| {
        let (target, id) = (provider.target(model).to_string(), provider.id.clone());
        let model_id = model.id.clone();
        let (verb, command) = if model.loaded? {
            ("unload", Command::UnloadModel { provider: id, model: model_id })
        } else {
            ("load", Command::LoadModel { provider: id, model: model_id, context: None })
        };
        let usable = provider.health.state.usable();
        let why = (!usable).then(|| format!("{} is {}", provider.name, labels::provider(provider).word));
        let line = line::model(verb, &target);
        let entry = entry(
            format!("{verb} {target}"),
            provider.name.clone(),
            Some(line),
            Run::Tell(Box::new(command), String::new()),
        );
        Some(Entry { why, ..entry })
    })
}

fn choices(snapshot: &Snapshot) -> Vec<Entry> {
    let strategy = |strategy: Strategy| {
        let word = strategy.word();
        let now = snapshot.routing.rules.strategy == strategy;
        Entry {
            why: now.then(|| "it is the strategy now".to_owned()),
            ..entry(format!("strategy: {word}"), routes::strategy(strategy).to_owned(), Some(line::strategy(word)), {
                Run::Tell(
                    Box::new(Command::SetStrategy { strategy: word.to_owned() }),
                    format!("the strategy is {word}"),
                )
            })
        }
    };
    let target = |value: &str, about: String| {
        let choice = targets::choice_of(value);
        let now = snapshot.routing.active == choice;
        Entry {
            why: now.then(|| "it is the active target now".to_owned()),
            ..entry(format!("use target {value}"), about, None, Run::Use(choice))
        }
    };
    let auto = target("auto", "as the strategy finds it".to_owned());
    let named = targets::targets(snapshot).map(|choice| target(&choice.value, choice.about));
    Strategy::ALL.into_iter().map(strategy).chain([auto]).chain(named).collect()
}

fn entry(title: String, about: String, line: Option<String>, run: Run) -> Entry {
    Entry { name: None, title, about, key: String::new(), line, why: None, run }
}

fn state(provider: &ProviderView) -> String {
    let why = labels::why(provider);
    let word = labels::provider(provider).word;
    if why.is_empty() { format!("{}, {word}", provider.name) } else { format!("{}, {word}: {why}", provider.name) }
}

fn refuse_changes(entries: &mut [Entry]) {
    for entry in entries {
        let changes = match &entry.run {
            Run::Tell(command, _) => command.changes_something(),
            Run::Use(choice) => Command::UseTarget { choice: choice.clone() }.changes_something(),
            Run::Provider(action, _) => !matches!(action, Action::ProviderTest | Action::ProviderDoctor),
            _ => false,
        };
        if changes {
            entry.why = Some(READ_ONLY.to_owned());
        }
    }
}

/// The tab whose screen knows a context.
fn tab_of(context: Context) -> Option<Tab> {
    match context {
        Context::Providers | Context::ProviderDetail => Some(Tab::Providers),
        Context::Health => Some(Tab::Health),
        Context::Routing | Context::Explained => Some(Tab::Routing),
        Context::Prompt | Context::Answer => Some(Tab::Playground),
        Context::Telemetry | Context::CallDetail | Context::CallsCharts => Some(Tab::Telemetry),
        _ => None,
    }
}

fn place_of(context: Context) -> String {
    match context {
        Context::List => "in a list".into(),
        Context::FilterLine => "while a filter is typed".into(),
        Context::Searched => "while a filter is on".into(),
        Context::Everywhere => "on a screen, while nothing lies over it".into(),
        Context::Welcome => "on the first page, before there is a configuration".into(),
        Context::Broken => "while the file cannot be used".into(),
        Context::OrderName | Context::OrderItems => "in the editor of an order".into(),
        Context::Rule | Context::Completion => "in the editor of a rule".into(),
        Context::Variables => "while the variables of a preset get their values".into(),
        Context::Preset => "while a preset is being kept".into(),
        Context::Review => "where a change of the file is looked at".into(),
        other => format!("in: {}", other.title()),
    }
}
