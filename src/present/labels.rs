//! Marks, words and one-line descriptions of what is: the same in the dashboard's status line, the plain mode and
//! the command line. A mark is four cells wide and never stands alone: the word follows it.

use super::remedy::{Remedy, Subject, caution, plan_used_up, remedy};
use super::{escape, plan, reason, units};
use crate::domain::call::Status;
use crate::domain::config::{Severity, WithheldWhy};
use crate::domain::failure::Cause;
use crate::domain::health::State;
use crate::domain::kind::Kind;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{CallRow, Level, ProviderView, StepState};
use std::borrow::Cow;

/// What a colour would say; each front end has its own way to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Good,
    Warn,
    Bad,
    Accent,
    Muted,
    Plain,
}

/// A mark with its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Always four cells.
    pub mark: &'static str,
    pub word: Cow<'static, str>,
    pub role: Role,
}

pub const OK: &str = "[ok]";
pub const CARE: &str = "[!] ";
pub const FAIL: &str = "[x] ";
pub const NOT_YET: &str = "[?] ";
pub const OFF: &str = "[=] ";
pub const NOT_HERE: &str = "[-] ";
pub const RUNNING: &str = "[>] ";

fn label(mark: &'static str, word: impl Into<Cow<'static, str>>, role: Role) -> Label {
    Label { mark, word: word.into(), role }
}

pub fn state(state: State) -> Label {
    match state {
        State::Up => label(OK, state.word(), Role::Good),
        State::Degraded => label(CARE, state.word(), Role::Warn),
        State::Down | State::Unauthorized => label(FAIL, state.word(), Role::Bad),
        State::Unknown => label(NOT_YET, state.word(), Role::Muted),
        State::Paused => label(OFF, state.word(), Role::Muted),
    }
}

/// A provider's state as people see it: switched off and withheld come before what a probe found.
pub fn provider(view: &ProviderView) -> Label {
    if !view.enabled {
        label(OFF, "off", Role::Muted)
    } else if view.withheld.is_some() {
        label(FAIL, "unavailable", Role::Bad)
    } else if view.health.state.usable() && plan::until(view).is_some() {
        label(CARE, "parked", Role::Warn)
    } else {
        state(view.health.state)
    }
}

pub fn status(status: Status) -> Label {
    match status {
        Status::Ok => label(OK, status.word(), Role::Good),
        Status::Error => label(FAIL, status.word(), Role::Bad),
        Status::Denied | Status::Cancelled => label(NOT_HERE, status.word(), Role::Muted),
    }
}

/// A call's result in a table: `ok`, `2 tries`, `denied`, `rate-limited`.
pub fn call(row: &CallRow) -> Label {
    match (row.status, row.error) {
        (Status::Ok, _) if row.tries > 1 => label(CARE, format!("{} tries", row.tries), Role::Warn),
        (Status::Error, _) if row.cut_off => label(FAIL, "cut off", Role::Bad),
        (Status::Error, Some(code)) => label(FAIL, reason::code_words(code), Role::Bad),
        (other, _) => status(other),
    }
}

pub fn step(state: StepState) -> Label {
    match state {
        StepState::Passed => label(OK, "passed", Role::Good),
        StepState::Warned => label(CARE, "look at it", Role::Warn),
        StepState::Failed => label(FAIL, "failed", Role::Bad),
        StepState::Skipped => label(NOT_HERE, "not tried", Role::Muted),
    }
}

pub fn level(level: Level) -> Label {
    match level {
        Level::Info => label(OK, "info", Role::Good),
        Level::Warning => label(CARE, "warning", Role::Warn),
        Level::Error => label(FAIL, "error", Role::Bad),
    }
}

pub fn severity(severity: Severity) -> Label {
    match severity {
        Severity::Note => label(NOT_YET, severity.word(), Role::Muted),
        Severity::Warning => label(CARE, severity.word(), Role::Warn),
        Severity::Error => label(FAIL, severity.word(), Role::Bad),
    }
}

/// One rung of the ladder of what is known.
pub fn rung(known: Option<bool>) -> Label {
    match known {
        Some(true) => label(OK, "yes", Role::Good),
        Some(false) => label(FAIL, "no", Role::Bad),
        None => label(NOT_YET, "unknown", Role::Muted),
    }
}

/// Whether a person should look at it: counted in the banner, found by `n`.
pub fn needs_attention(view: &ProviderView) -> bool {
    matches!(provider(view).role, Role::Warn | Role::Bad)
}

/// Why a provider is in its state, without remedy and age: `connection refused`; empty when all is well.
pub fn why(view: &ProviderView) -> String {
    if !view.enabled {
        return "switched off".into();
    }
    if let Some(withheld) = &view.withheld {
        return escape::line_capped(&withheld.sentence, 120).into_owned();
    }
    let health = &view.health;
    match (&health.failure, health.state) {
        (Some(failure), State::Unauthorized) => reason::of_key(failure, &view.key_source),
        (Some(failure), State::Down) => reason::short(failure),
        (_, state) if state.usable() && plan::until(view).is_some() => plan::used_up(view).unwrap_or_default(),
        _ => escape::line_capped(&health.reason, 120).into_owned(),
    }
}

/// The narrow right-hand note of the list: `12 ms`, `refused`, `401`, `off`.
pub fn note(view: &ProviderView) -> String {
    let health = &view.health;
    if let Some(withheld) = view.withheld.as_ref().filter(|_| view.enabled) {
        return match withheld.why {
            WithheldWhy::Untrusted { .. } => "not sent".into(),
            WithheldWhy::WrongAddress => "address".into(),
            WithheldWhy::Unset { .. } => "not set".into(),
            WithheldWhy::NoKey => "no key".into(),
        };
    }
    match &health.failure {
        _ if !view.enabled => "off".into(),
        Some(failure) if matches!(health.state, State::Down | State::Unauthorized) => reason::note(failure),
        _ if health.state == State::Paused => "paused".into(),
        _ if health.state.usable() && plan::until(view).is_some() => "plan used".into(),
        _ if health.ladder.listed == Some(false) && caution_of(view).is_some() => "no model".into(),
        _ => health.latency_ms.map_or_else(|| units::MISSING.into(), units::latency),
    }
}

/// How long it has been in its state: `14 min`.
pub fn since(view: &ProviderView, now: UnixMs) -> String {
    units::age(now.since(view.health.since))
}

/// What to do about a provider that needs attention; `None` when there is nothing to do.
pub fn what_to_do(view: &ProviderView) -> Option<Remedy> {
    let health = &view.health;
    if !view.enabled || !matches!(health.state, State::Up | State::Down | State::Unauthorized | State::Degraded) {
        return None;
    }
    let subject = Subject::of(view);
    if let Some(until) = plan::until(view).filter(|_| health.state.usable()) {
        return Some(plan_used_up(&subject, &until));
    }
    match (&health.failure, &health.trouble) {
        (Some(failure), _) if health.state != State::Up => Some(remedy(failure, &subject)),
        // Its probes are good, and the last call to it was not.
        // That of a plan is over when it is parked no longer.
        (_, Some(failure)) if health.state.usable() && failure.cause != Cause::PlanUsedUp => {
            Some(remedy(failure, &subject))
        }
        _ => caution_of(view).map(|cause| caution(&cause, &subject)),
    }
}

/// What deserves a word although the server is well: it is of another kind, or has no model that could answer at
/// once.
fn caution_of(view: &ProviderView) -> Option<Cause> {
    if !view.health.state.usable() || view.withheld.is_some() {
        return None;
    }
    if let Some(kind) = view.health.looks_like {
        return Some(Cause::OtherProgram { looks_like: Some(kind.label().to_owned()) });
    }
    let ladder = view.health.ladder;
    match (view.kind, ladder.listed, ladder.loaded, view.health.jit) {
        // LM Studio lists only what is loaded when it does not load on demand.
        (Kind::LmStudio, Some(false), ..) | (Kind::LmStudio, _, Some(false), Some(false)) => Some(Cause::JitOff),
        (Kind::LmStudio, _, Some(false), _) | (Kind::Ollama | Kind::LlamaCpp | Kind::Vllm, Some(false), ..) => {
            Some(Cause::NoModelLoaded)
        }
        _ => None,
    }
}

/// One provider in one line: `Workstation, down 14 min, connection refused. On that machine: llama-server …`.
pub fn describe(view: &ProviderView, now: UnixMs) -> String {
    let name = escape::line_capped(&view.name, 60);
    let word = provider(view).word;
    let health = &view.health;
    if !view.enabled {
        return format!("{name}, off.");
    }
    if view.withheld.is_some() {
        return format!("{name}, {word}: {}.", why(view).trim_end_matches('.'));
    }
    match health.state {
        State::Up => {
            let latency = health.latency_ms.map_or_else(String::new, |ms| format!(", {}", units::latency(ms)));
            let head = format!("{name}, up{latency}{}.", models(view));
            what_to_do(view).map_or(head.clone(), |remedy| format!("{head} {}", remedy.text()))
        }
        State::Unknown => format!("{name}, not checked yet."),
        State::Paused => format!("{name}, paused for {}: calls and probes wait until it is resumed.", since(view, now)),
        State::Degraded | State::Down | State::Unauthorized => {
            let head = format!("{name}, {word} {}, {}.", since(view, now), why(view).trim_end_matches('.'));
            match what_to_do(view) {
                Some(remedy) => format!("{head} {}", remedy.text()),
                None => head,
            }
        }
    }
}

/// The last column of a status table: `1 of 4 slots busy`, `connection refused for 14 min: lms server start …`.
pub fn status_note(view: &ProviderView, now: UnixMs) -> String {
    let health = &view.health;
    if !view.enabled || view.withheld.is_some() {
        return why(view);
    }
    match health.state {
        State::Up | State::Unknown if plan::until(view).is_some() => plan::used_up(view).unwrap_or_default(),
        State::Up | State::Unknown => slots(view).map_or_else(String::new, |slots| format!("{slots} slots busy")),
        State::Paused => format!("for {}", since(view, now)),
        State::Degraded | State::Down | State::Unauthorized => {
            let head = format!("{} for {}", why(view), since(view, now));
            match what_to_do(view) {
                Some(remedy) => format!("{head}: {}", remedy.act()),
                None => head,
            }
        }
    }
}

/// `1 of 4`; `None` when the server does not tell.
pub fn slots(view: &ProviderView) -> Option<String> {
    let activity = view.health.activity;
    match (activity.slots_busy, activity.slots_total) {
        (Some(busy), Some(total)) => Some(format!("{busy} of {total}")),
        (Some(busy), None) => Some(busy.to_string()),
        _ => None,
    }
}

/// `1 of 4 busy, 3 wait`; `None` when the server tells nothing.
pub fn activity(view: &ProviderView) -> Option<String> {
    let activity = view.health.activity;
    let busy = match slots(view) {
        Some(slots) => Some(format!("{slots} busy")),
        None => activity.slots_total.map(|total| total.to_string()),
    };
    let queued = activity.queued.filter(|count| *count > 0).map(|count| format!("{count} wait"));
    let parts: Vec<String> = [busy, queued].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `6.7 GB by loaded models, room for contexts 43 % full`; `None` when the server tells nothing.
pub fn memory(view: &ProviderView) -> Option<String> {
    let activity = view.health.activity;
    let taken = activity.memory_bytes.map(|bytes| format!("{} by loaded models", units::size(bytes)));
    let full = activity.kv_cache_permille.map(|share| format!("room for contexts {} % full", (share + 5) / 10));
    let parts: Vec<String> = [taken, full].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The narrow form for a table: `1 of 4 +3`, where three wait.
pub fn slots_and_queue(view: &ProviderView) -> Option<String> {
    let queued = view.health.activity.queued.filter(|count| *count > 0);
    match (slots(view), queued) {
        (Some(slots), Some(queued)) => Some(format!("{slots} +{queued}")),
        (None, Some(queued)) => Some(format!("+{queued}")),
        (slots, None) => slots,
    }
}

/// `, 3 models, 1 loaded`; empty when nothing is known.
fn models(view: &ProviderView) -> String {
    let chat = view.models.iter().filter(|model| model.chat);
    let (mut all, mut loaded, mut told) = (0u64, 0u64, false);
    for model in chat {
        all += 1;
        loaded += u64::from(model.loaded == Some(true));
        told |= model.loaded.is_some();
    }
    match (all, told) {
        (0, _) => ", no model".into(),
        (_, true) if loaded == 0 => format!(", {}, none loaded", units::count(all, "model", "models")),
        (_, true) => format!(", {}, {loaded} loaded", units::count(all, "model", "models")),
        (_, false) => format!(", {}", units::count(all, "model", "models")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::config::{Endpoint, KeySource};
    use crate::domain::failure::{Cause, ErrorCode, Failure};
    use crate::domain::health::{Activity, ProviderHealth};
    use crate::domain::kind::Kind;
    use crate::domain::reach::Reach;
    use crate::engine::protocol::ModelView;
    use std::collections::VecDeque;
    use std::time::Duration;

    pub const NOW: UnixMs = UnixMs(1_795_000_000_000);

    pub fn workstation(state: State, failure: Option<Failure>) -> ProviderView {
        let mut health = ProviderHealth::new(UnixMs(NOW.0 - 14 * 60_000));
        health.state = state;
        health.reason = failure.as_ref().map_or_else(String::new, |failure| failure.message.clone());
        health.failure = failure;
        health.latency_ms = Some(12);
        ProviderView {
            id: "workstation".into(),
            name: "Workstation".into(),
            kind: Kind::LlamaCpp,
            endpoint: Endpoint {
                written: "http://192.168.1.20:8080".into(),
                origin: "http://192.168.1.20:8080".into(),
                host: "192.168.1.20".into(),
                port: 8080,
                tls: false,
                api_base: "http://192.168.1.20:8080/v1".into(),
            },
            key_source: KeySource::None,
            enabled: true,
            local: true,
            withheld: None,
            health,
            reach: Reach::Network,
            models: vec![ModelView {
                named: true,
                listed: true,
                loaded: Some(true),
                context: Some(32_768),
                ..ModelView::of("qwen3-32b")
            }]
            .into(),
            named_models: vec!["qwen3-32b".into()],
            probing: false,
            parked_until: None,
            history: VecDeque::new(),
            p50_ms: None,
            p95_ms: None,
            uptime_permille: None,
            lately: Vec::new(),
            aliases: std::collections::BTreeMap::new(),
            origin: crate::domain::config::Origin::Providers,
            place: "providers[1]".into(),
            line: Some(24),
            probe_interval_s: 30,
            day: VecDeque::new(),
            moved_calls: 2,
            loading: Vec::new(),
            model_changes: Vec::new(),
            rate: None,
            plan: None,
            warm: Vec::new(),
        }
    }

    pub fn refused() -> Failure {
        Failure::new(ErrorCode::Network, Cause::Refused, "connection refused: nothing listens there")
    }

    #[test]
    fn every_mark_is_four_cells_and_every_state_has_a_word() {
        for mark in [OK, CARE, FAIL, NOT_YET, OFF, NOT_HERE, RUNNING] {
            assert_eq!(mark.len(), 4);
        }
        assert_eq!((state(State::Down).mark, state(State::Down).role), ("[x] ", Role::Bad));
        assert_eq!((state(State::Degraded).mark, state(State::Degraded).role), ("[!] ", Role::Warn));
        assert_eq!(status(Status::Denied).mark, "[-] ");
        assert_eq!(step(StepState::Passed).mark, "[ok]");
        assert_eq!(rung(None).word, "unknown");
    }

    #[test]
    fn a_provider_that_is_down_is_told_with_age_reason_and_remedy() {
        let view = workstation(State::Down, Some(refused()));
        assert_eq!(
            describe(&view, NOW),
            "Workstation, down 14 min, connection refused. Nothing listens on 192.168.1.20 port 8080. On that machine: \
             llama-server -m qwen3-32b.gguf --host 0.0.0.0 --port 8080. Started already? Then it listens on 127.0.0.1 \
             only: add --host 0.0.0.0."
        );
        assert_eq!(
            status_note(&view, NOW),
            "connection refused for 14 min: llama-server -m qwen3-32b.gguf --host 0.0.0.0 --port 8080"
        );
        assert_eq!(note(&view), "refused");
        assert!(needs_attention(&view));
    }

    #[test]
    fn a_provider_that_is_up_or_off_asks_for_nothing() {
        let mut view = workstation(State::Up, None);
        view.health.activity = Activity { slots_busy: Some(1), slots_total: Some(4), ..Activity::default() };
        assert_eq!(describe(&view, NOW), "Workstation, up, 12 ms, 1 model, 1 loaded.");
        assert_eq!((note(&view).as_str(), status_note(&view, NOW).as_str()), ("12 ms", "1 of 4 slots busy"));
        assert!(!needs_attention(&view));
        view.enabled = false;
        assert_eq!(describe(&view, NOW), "Workstation, off.");
        assert_eq!((provider(&view).mark, note(&view).as_str()), ("[=] ", "off"));
    }

    #[test]
    fn names_and_reasons_of_servers_are_escaped() {
        let mut view = workstation(State::Degraded, None);
        view.name = "\x1b[2JWorkstation".into();
        view.health.reason = "its model list is malformed: \x1b]0;x\x07".into();
        view.health.since = UnixMs(NOW.0).plus(Duration::from_secs(5));
        assert_eq!(describe(&view, NOW), "^[[2JWorkstation, degraded <1 min, its model list is malformed: ^[]0;x^G.");
    }
}
