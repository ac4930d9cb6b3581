//! The command line that does the same as an act: the one place for it, read by the palette. A test takes every
//! line through the real parser.

use crate::domain::routing::ActiveChoice;
use crate::present::shell;
use crate::tui::action::Action as A;
use crate::tui::part::Place;

/// The line for an act on what the cursor is on; `None` where no verb does it, or where the cursor is on nothing
/// that it needs.
pub fn of(action: A, subject: Option<&Place>) -> Option<String> {
    let provider = match subject {
        Some(Place::Provider(id)) => Some(id.as_str()),
        _ => None,
    };
    let call = match subject {
        Some(Place::Call(id)) => Some(id.as_str()),
        _ => None,
    };
    let order = match subject {
        Some(Place::Order(name)) => Some(name.as_str()),
        _ => None,
    };
    let policy = match subject {
        Some(Place::Policy { name, .. }) => Some(name.as_str()),
        _ => None,
    };
    let on = |verb: &str, id: Option<&str>| id.map(|id| line(verb, &[id]));
    let fixed = |verb: &str| Some(line(verb, &[]));
    match action {
        A::GoTab(1) => fixed("providers list"),
        A::GoTab(2) => fixed("health"),
        A::GoTab(3) => fixed("routes list"),
        A::GoTab(5) => fixed("calls list"),
        A::Undo => fixed("config undo"),
        A::HealthIncidents => fixed("health incidents"),
        A::OpenEditor => fixed("config path"),
        A::Trust => fixed("config trust"),
        A::ProviderTest => on("probe", provider),
        A::ProviderProbeAll => fixed("probe"),
        A::ProviderDoctor => on("providers doctor", provider),
        A::ProviderUse => on("models use", provider),
        A::ProviderDelete => on("providers remove", provider),
        A::ProviderEdit => on("providers edit", provider),
        A::Discover => fixed("providers discover"),
        A::GoTarget => fixed("models list"),
        A::GoStrategy => fixed("routes strategy"),
        A::RouteTry => order.map(|name| format!("lmdeck routes explain --type={}", shell::word(name))),
        A::RouteDelete if policy.is_some() => on("routes remove", policy),
        A::RouteDelete => on("routes order --remove", order),
        A::RuleUp => on("routes move --up", policy),
        A::RuleDown => on("routes move --down", policy),
        A::RuleToggle | A::RuleMode => match subject? {
            Place::Policy { name, enabled, .. } if action == A::RuleToggle => {
                Some(line(if *enabled { "routes disable" } else { "routes enable" }, &[name]))
            }
            Place::Policy { name, observe, .. } => {
                let mode = if *observe { "enforce" } else { "observe" };
                Some(line(&format!("routes edit --mode {mode}"), &[name]))
            }
            _ => None,
        },
        A::RuleCopy => policy.map(|name| line("routes copy", &[name, &format!("{name}-copy")])),
        A::RuleReplay => fixed("routes replay"),
        A::CallExplain => on("routes explain --call", call),
        A::CallsFollow => fixed("calls tail"),
        A::CallsExport => fixed("calls export"),
        A::CallsCharts => fixed("calls stats"),
        A::AppLog => fixed("logs"),
        A::Connect => fixed("connect"),
        A::Report => fixed("report"),
        A::LastGoodPutBack => fixed("config undo --last-good"),
        A::Open => match subject? {
            Place::Provider(id) => Some(line("providers show", &[id.as_str()])),
            Place::Call(_) => on("calls show", call),
            Place::Order(name) => Some(line("routes order", &[name])),
            Place::Policy { name, .. } => Some(line("routes show", &[name])),
            Place::Preset(preset) => Some(line("presets show", &[&preset.name])),
            Place::Prompt(_) | Place::Sample(..) | Place::Kept(_) | Place::Values { .. } => None,
        },
        A::BrokenPage => fixed("config check"),
        A::PresetPick => fixed("presets list"),
        A::Help | A::Palette => fixed("--help"),
        _ => None,
    }
}

/// Switching a provider on or off: two verbs for one key.
pub fn toggle(id: &str, enabled: bool) -> String {
    line(if enabled { "providers disable" } else { "providers enable" }, &[id])
}

/// Choosing the active target.
pub fn target(choice: &ActiveChoice) -> String {
    line("models use", &[&choice.to_string()])
}

/// Setting the strategy.
pub fn strategy(word: &str) -> String {
    line("routes strategy", &[word])
}

/// Loading or unloading a model.
pub fn model(verb: &str, target: &str) -> String {
    line(&format!("models {verb}"), &[target])
}

fn line(verb: &str, words: &[&str]) -> String {
    let mut line = format!("lmdeck {verb}");
    // A name that begins with a dash would be read as a flag.
    if words.iter().any(|word| word.starts_with('-')) {
        line.push_str(" --");
    }
    for word in words {
        line.push(' ');
        line.push_str(&shell::word(word));
    }
    line
}
