//! What can be done to one provider, the same on every screen that shows providers.

use crate::domain::config::{Journey, WithheldWhy};
use crate::domain::health::State;
use crate::domain::ids::ProviderId;
use crate::domain::routing::{ActiveChoice, Policy};
use crate::engine::protocol::{Command, ProbeWhich, ProviderView, Snapshot};
use crate::tui::action::Action;
use crate::tui::layers::confirm::Confirm;
use crate::tui::layers::doctor::Doctor;
use crate::tui::layers::form::ProviderForm;
use crate::tui::part::{Cx, Effect, Outbox};

pub fn find<'a>(snapshot: &'a Snapshot, id: &ProviderId) -> Option<&'a ProviderView> {
    snapshot.providers.iter().find(|provider| provider.id == *id).map(AsRef::as_ref)
}

/// Does an act on `provider`; `false` when it is none of these.
pub fn act(action: Action, provider: &ProviderView, cx: &Cx<'_>, out: &mut Outbox) -> bool {
    let id = provider.id.clone();
    let name = &provider.name;
    match action {
        Action::ProviderTest => out.tell(Command::Probe { which: ProbeWhich::One(id), anew: true }, ""),
        Action::ProviderPause => {
            let paused = provider.health.state != State::Paused;
            let done = if paused { format!("{name} is paused: p resumes it") } else { format!("{name} is resumed") };
            out.tell(Command::Pause { id, paused }, done);
        }
        Action::ProviderToggle => out.tell(Command::EnableProvider { id, enabled: !provider.enabled }, ""),
        Action::ProviderUse => {
            let chosen = ActiveChoice::Provider(id);
            let choice = if cx.snapshot.routing.active == chosen { ActiveChoice::Auto } else { chosen };
            let done = match &choice {
                ActiveChoice::Auto => "the active target is auto again".to_owned(),
                _ => format!("{name} is the active target: m again for auto"),
            };
            out.tell(Command::UseTarget { choice }, done);
        }
        Action::ProviderDoctor => out.push(Effect::Open(Box::new(Doctor::of(provider)))),
        Action::ProviderEdit => out.push(Effect::Open(Box::new(ProviderForm::edit(provider)))),
        Action::Trust => ask_for_trust(cx, out),
        Action::ProviderDelete => {
            let ask = move |snapshot: &Snapshot| find(snapshot, &id).map(|provider| question(provider, snapshot));
            out.push(Effect::Open(Box::new(question(provider, cx.snapshot).about(ask))));
        }
        _ => return false,
    }
    true
}

/// Whether its key waits for the person's word.
pub fn untrusted(provider: &ProviderView) -> Option<&str> {
    match &provider.withheld.as_ref()?.why {
        WithheldWhy::Untrusted { variable } => Some(variable),
        _ => None,
    }
}

/// Whether what no provider sends waits for the person's word: keys or records for a collector.
pub fn collector_waits(snapshot: &Snapshot) -> bool {
    let of_a_provider =
        |journey: &Journey| snapshot.providers.iter().any(|known| known.id.as_str() == journey.provider);
    snapshot.config.untrusted.iter().any(|journey| !of_a_provider(journey))
}

/// Whether a provider that is on, or the collector, waits for the person's word, so that the question must not be
/// overlooked.
pub fn asks_for_trust(snapshot: &Snapshot) -> bool {
    let waits = |provider: &ProviderView| provider.enabled && untrusted(provider).is_some();
    snapshot.providers.iter().any(|provider| waits(provider)) || collector_waits(snapshot)
}

pub fn ask_for_trust(cx: &Cx<'_>, out: &mut Outbox) {
    out.push(Effect::Open(Box::new(trust_question(cx.snapshot))));
}

/// Before one small completion that costs something; `cost` as in [`crate::present::may_cost::one_question`].
pub fn ask_the_model(name: &str, cost: &str) -> Confirm {
    let lines = vec![format!("One short answer of {name} {cost}.")];
    let ask = Confirm::new("Ask the model for one word?", lines, "Do not ask");
    ask.with("Ask it", Effect::Pass(Action::AnswerNow))
}

/// Names every key that would go somewhere: the permission is the file's, not one provider's.
pub fn trust_question(snapshot: &Snapshot) -> Confirm {
    let asked = |snapshot: &Snapshot| (!snapshot.config.untrusted.is_empty()).then(|| journeys(snapshot));
    journeys(snapshot).about(asked)
}

fn journeys(snapshot: &Snapshot) -> Confirm {
    let asked = snapshot.config.untrusted.clone();
    // What is at stake comes first: on a low screen it is what is seen.
    let mut lines: Vec<String> = asked.iter().map(journey).collect();
    lines.push("The file or a .env names these hosts; they are not the vendor's own.".to_owned());
    lines.push("Allowed, it counts for this file until it sends a key elsewhere.".to_owned());
    let done = "the keys may go where the file sends them";
    Confirm::new("Let the keys go there?", lines, "Keep them here")
        .with("Allow it", Effect::Tell(Command::ConfigTrust { asked }, done.to_owned()))
}

fn journey(journey: &Journey) -> String {
    // What is no variable is said in words: the records that a collector gets.
    let is_words = journey.variable.contains(' ');
    let what = if is_words { journey.variable.clone() } else { format!("the key in {}", journey.variable) };
    format!("  {}   {what}", journey.origin)
}

/// Why an act on `provider` cannot be done now.
pub fn why_not(action: Action, provider: &ProviderView, snapshot: &Snapshot) -> Option<String> {
    let name = &provider.name;
    let why = match action {
        Action::ProviderTest | Action::ProviderPause if !provider.enabled => {
            format!("{name} is off: space switches it on")
        }
        Action::Trust if collector_waits(snapshot) => return None,
        Action::Trust if untrusted(provider).is_none() => match provider.withheld.as_ref().map(|held| &held.why) {
            Some(WithheldWhy::WrongAddress) => format!("the address of {name} is a stranger's: e corrects it"),
            Some(_) => format!("{name} has no key that could be allowed to go anywhere"),
            None => format!("nothing to allow: no key of {name} is held back"),
        },
        Action::ProviderEdit | Action::ProviderDelete | Action::ProviderToggle if provider.is_discovered() => {
            format!("{name} was found on this machine and stands in no file yet: enter saves it")
        }
        Action::ProviderTest if provider.probing => format!("{name} is being asked already"),
        Action::ProviderEdit | Action::ProviderDelete | Action::ProviderToggle if provider.place.is_empty() => {
            format!("{name} stands in no file, it comes from the environment: a adds it to the file")
        }
        _ => return None,
    };
    Some(why)
}

fn question(provider: &ProviderView, snapshot: &Snapshot) -> Confirm {
    let id = &provider.id;
    let names = |item: &String| item == id.as_str() || item.starts_with(&format!("{id}/"));
    let orders: Vec<_> =
        snapshot.routing.rules.request_orders.iter().filter(|(_, items)| items.iter().any(names)).collect();
    let chosen = match &snapshot.routing.active {
        ActiveChoice::Provider(active) => active == id,
        ActiveChoice::Target(target) => target.provider == *id,
        ActiveChoice::Auto => false,
    };
    // Policies and presets are not changed: without the name some would mean anybody.
    let asks = |policy: &&Policy| policy.condition.reads().iter().any(|fact| fact.provider() == Some(id));
    let policies = &snapshot.routing.rules.policies;
    let policies: Vec<_> = policies.iter().filter(|policy| policy.targets.iter().any(names) || asks(policy)).collect();
    let presets: Vec<_> = snapshot.config.presets.iter().filter(|preset| names(&preset.model)).collect();
    let mut lines = Vec::new();
    if orders.is_empty() && policies.is_empty() && presets.is_empty() && !chosen {
        lines.push("No order, no policy and no preset names it.".to_owned());
    } else {
        lines.push("It is named by:".to_owned());
        lines.extend(orders.iter().map(|(name, items)| format!("  {name}   {}", items.join(", "))));
        lines.extend(policies.iter().map(|policy| format!("  policy {}, which stays as it is", policy.name)));
        lines.extend(presets.iter().map(|preset| format!("  preset {}, which stays as it is", preset.name)));
        if chosen {
            lines.push("  the active target".to_owned());
        }
    }
    lines.push("It goes from the file with its settings. U brings it back.".to_owned());
    Confirm::new(format!("Delete provider {id}?"), lines, "Keep")
        .with("Delete", Effect::Tell(Command::RemoveProvider { id: id.clone() }, String::new()))
}
