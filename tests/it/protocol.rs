//! What front ends and the engine say to each other can travel: every message comes back from its JSON as it
//! went in, its names stay as they are, and no secret can be part of what is shown.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use lmdeck::domain::budget::{CivilDate, WhenExhausted};
use lmdeck::domain::call::{
    Attempt, Body, CallRecord, CallRequest, Facts, Finish, Message, ObservedMatch, Priority, Reject, Role, Status,
    Usage,
};
use lmdeck::domain::config::{Endpoint, Issue, Journey, KeySource, Origin, Severity, Ui, WithheldWhy};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{
    Abilities, Instance, ModelChanges, ModelInfo, ProbeFound, ProbeReport, ProviderHealth, State,
};
use lmdeck::domain::ids::Target;
use lmdeck::domain::incident::{Ending, Incident, Slot};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::{Cost, Money, Price, Provenance};
use lmdeck::domain::rate::{RateState, RateUnit, RateWindow};
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::condition::{Condition, Pattern, SwitchFact, Test, Text, TextFact};
use lmdeck::domain::routing::{
    ActiveChoice, Chosen, Decision, Effects, Explanation, Fallback, NoteKind, Policy, PolicyNote, RuleSet, RuleTrace,
    Unseen, Would,
};
use lmdeck::domain::secret::Secret;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::protocol::snapshot::LatelyEntry;
use lmdeck::engine::protocol::{
    BudgetReport, DaySpend, ObservedCount, ObservedSums, ReplayDone, ReplayQuery, ReplayRules,
};
use lmdeck::engine::protocol::{ByPriority, ExportView, FlowView, LimitView, QueueAt, QueueView};
use lmdeck::engine::protocol::{
    CacheAct, CacheReport, CacheView, CallEvent, CallHead, CallOutcome, CallPage, CallQuery, CallRow, CallStats,
    CallSums, CaseWorld, Command, CommandName, ConditionCheck, ConditionSlip, ConfigView, DraftSecret, EditReport,
    Event, EventKind, ExportFormat, ExportPart, ExportQuery, Found, GatewayView, GroupBy, IncidentQuery, LastGoodAct,
    LedgerCheck, Level, LoadingCall, LoadingView, LogLine, LogQuery, ModelReport, ModelView, ModelsEntry,
    PROTOCOL_VERSION, Percentiles, PlanLeft, PlanView, PolicyDraft, PolicyEdit, PresetDraft, PresetEdit, ProbePoint,
    ProbeWhich, ProviderDraft, ProviderView, Refusal, Reply, ReportParts, RouteCase, RoutingView, RunId, RunningCall,
    SavedPrompt, Snapshot, SpendView, StatsGroup, StatsQuery, Step, StepState, TestReport, TokenCount, WarmStanding,
    WarmView, WhatIf,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(message: &T) {
    let text = serde_json::to_string(message).unwrap();
    let back: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(&back, message, "{text}");
}

/// The value of the field that names a message.
fn tag<T: Serialize>(message: &T, field: &str) -> String {
    serde_json::to_value(message).unwrap()[field].as_str().unwrap().to_owned()
}

// ---- values

fn target() -> Target {
    Target::new("lm_studio", "openai/gpt-oss:20b")
}

fn failure() -> Failure {
    Failure {
        retry_after_ms: Some(1500),
        ..Failure::new(ErrorCode::Upstream, Cause::ServerError { status: 502 }, "é\n\"")
    }
}

/// One of each cause that carries values, for their names may clash with those of a failure.
fn causes() -> Vec<Cause> {
    vec![
        Cause::Refused,
        Cause::Tls { detail: "expired".into(), certificate: true },
        Cause::KeyRefused { status: 401 },
        Cause::KeyMissing { variable: Some("Z_AI_API_KEY".into()) },
        Cause::KeyWithheld { host: "example.org".into() },
        Cause::WrongPath { path: "/v1/v1".into() },
        Cause::OtherProgram { looks_like: None },
        Cause::MalformedList { detail: "no data".into() },
        Cause::UnknownModel { offered: vec!["a".into()] },
        Cause::ServerError { status: 500 },
        Cause::TooLarge { limit_bytes: 9 },
        Cause::Redirect { to: "http://x".into() },
        Cause::WrongReach { address: "8.8.8.8".into() },
        Cause::Other,
        Cause::BoundElsewhere { host: "127.0.0.1".into(), port: 1235 },
        Cause::SpeaksTls,
        Cause::StillLoading,
        Cause::OtherModel { asked: "a".into(), answered: "b".into() },
        Cause::ResponseFormat,
        Cause::NotSayable,
    ]
}

fn record() -> CallRecord {
    CallRecord {
        id: "c1214".into(),
        ts: UnixMs(1_793_707_200_000),
        facts: Facts {
            priority: Priority::High,
            tags: BTreeMap::from([("team".into(), "red".into())]),
            prompt_tokens: u64::MAX,
            ..Facts::default()
        },
        policy: "named".into(),
        rules_version: 17,
        chain: vec![target()],
        rejects: vec![Reject { target: target(), code: "down".into(), reason: "down since 22:00".into() }],
        target: Some(target()),
        status: Status::Error,
        error: Some(failure()),
        finish: Some(Finish::Length),
        duration_ms: 12,
        queue_ms: 1,
        ttft_ms: None,
        usage: Some(Usage { input: 1, output: 2, cached: 3, reasoning: 4, ..Usage::default() }),
        cost: Cost { amount: Some(Money(i64::MAX)), provenance: Provenance::Estimated },
        cache: "off".into(),
        attempts: vec![Attempt {
            target: target(),
            start_ms: 0,
            ttft_ms: Some(3),
            duration_ms: 9,
            failure: Some(failure()),
            answered_by: Some("other".into()),
        }],
        prompt: Some("secret plans".into()),
        answer: None,
        reserved: None,
        observed: vec![ObservedMatch { policy: "o".into(), target: Some(target()), denied: false, moved: true }],
        outside: None,
    }
}

fn model() -> ModelInfo {
    ModelInfo {
        loaded: Some(true),
        context: Some(8192),
        size_bytes: Some(1),
        remote: true,
        display_name: Some("M".into()),
        max_context: Some(131_072),
        instances: vec![Instance { id: "m:2".into(), context: Some(8192) }],
        parameters: Some("8B".into()),
        architecture: Some("llama".into()),
        format: Some("gguf".into()),
        can: Abilities { tools: Some(true), images: Some(false), reasoning: None },
        price: Some(Price::FREE),
        memory_bytes: Some(7),
        expires: Some(UnixMs(9)),
        variants: vec!["m@q4".into()],
        ..ModelInfo::named("m")
    }
}

fn probe_report() -> ProbeReport {
    let found = ProbeFound {
        models: vec![model()],
        authenticated: Some(true),
        activity: lmdeck::domain::health::Activity {
            slots_busy: Some(1),
            slots_total: Some(4),
            memory_bytes: Some(6_000_000_000),
            kv_cache_permille: Some(431),
            ..lmdeck::domain::health::Activity::default()
        },
        malformed: Some("no id".into()),
        interface: Some("v1".into()),
        version: Some("0.33.0".into()),
        jit: Some(false),
        looks_like: Some(Kind::Vllm),
    };
    ProbeReport { at: UnixMs(1), latency_ms: 4, reach: Some(Reach::Machine), outcome: Ok(found) }
}

fn issue() -> Issue {
    Issue {
        severity: Severity::Warning,
        file: "ai_models.yaml".into(),
        line: Some(3),
        column: None,
        path: "providers.zai".into(),
        message: "unknown key".into(),
        remedy: "remove it".into(),
        text: "  foo: 1".into(),
    }
}

fn draft() -> ProviderDraft {
    ProviderDraft {
        id: "zai".into(),
        kind: Some(Kind::ZAiGlm),
        auth_token: Some(DraftSecret("${Z_AI_API_KEY}".into())),
        models: Some(vec!["glm-4.6".into()]),
        enabled: Some(true),
        ..ProviderDraft::default()
    }
}

// ---- commands

fn prompt() -> SavedPrompt {
    SavedPrompt {
        ts: UnixMs(1_763_763_285_000),
        prompt: "two\nlines".into(),
        model: "auto".into(),
        temperature: Some(0.7),
        ..SavedPrompt::default()
    }
}

#[expect(clippy::too_many_lines, reason = "one example of every command")]
fn commands() -> Vec<Command> {
    let id = || "zai".into();
    vec![
        Command::Probe { which: ProbeWhich::One(id()), anew: false },
        Command::TestProvider { draft: Box::new(draft()), answer: true, run: RunId(1) },
        Command::TestSaved { id: id(), answer: false, run: RunId(1) },
        Command::Discover,
        Command::Pause { id: id(), paused: true },
        Command::UseTarget { choice: ActiveChoice::Target(target()) },
        Command::AddProvider { draft: Box::new(draft()) },
        Command::EditProvider { id: id(), draft: Box::default() },
        Command::RemoveProvider { id: id() },
        Command::EnableProvider { id: id(), enabled: false },
        Command::PreviewEdit { id: None, draft: Box::new(draft()) },
        Command::SetStrategy { strategy: "prefer_local".into() },
        Command::SetOrder { request_type: "quick_responses".into(), items: vec!["local".into()] },
        Command::ConfigSet { path: "fallback_models.1.model".into(), value: "x".into() },
        Command::ConfigUndo,
        Command::ConfigReload,
        Command::ConfigTrust {
            asked: vec![Journey {
                provider: "zai".into(),
                variable: "Z_AI_API_KEY".into(),
                origin: "https://models.example".into(),
            }],
        },
        Command::Explain { facts: Box::new(Facts { stream: true, ..Facts::default() }) },
        Command::ListCalls {
            query: Box::new(CallQuery {
                filter: "status:failed".into(),
                limit: 20,
                before: Some("c9".into()),
                since: Some(UnixMs(5)),
            }),
        },
        Command::GetCall { id: "c1".into() },
        Command::ReadLog { query: Box::new(LogQuery { limit: 5, filter: "x".into(), level: "warn".into() }) },
        Command::SavePrompt { prompt: Box::new(prompt()) },
        Command::ListPrompts { limit: 20 },
        Command::CancelCall { id: "c1".into() },
        Command::Diagnose { id: "zai".into(), answer: true, run: RunId(7) },
        Command::StopDiagnosis { run: RunId(7) },
        Command::LoadModel { provider: "lm_studio".into(), model: "acme/m:2".into(), context: Some(8192) },
        Command::UnloadModel { provider: "lm_studio".into(), model: "m".into() },
        Command::ListIncidents {
            query: Box::new(IncidentQuery {
                limit: 5,
                since: Some(UnixMs(1)),
                provider: Some("lm_studio".into()),
                open_only: true,
            }),
        },
        Command::LastGood { act: LastGoodAct::PutBack },
        Command::Report { draft: "d".into() },
        Command::EditPolicy {
            edit: Box::new(PolicyEdit::Edit {
                name: "p".into(),
                draft: PolicyDraft { priority: Some(3), clear: vec!["when".into()], ..PolicyDraft::default() },
            }),
            dry_run: true,
        },
        Command::Budget { days: 7 },
        Command::EditPreset {
            edit: Box::new(PresetEdit::Edit {
                name: "generate-prayer".into(),
                draft: PresetDraft {
                    prompt: Some("Pray for {{intention}}.".into()),
                    defaults: Some([("intention".to_owned(), "peace".to_owned())].into()),
                    clear: vec!["temperature".into()],
                    ..PresetDraft::default()
                },
            }),
            dry_run: true,
        },
        Command::CountTokens {
            request: Box::new(CallRequest {
                facts: Facts { requested_model: "claude".into(), ..Facts::default() },
                body: Body::Chat {
                    messages: vec![Message { role: Role::User, content: "hi".into() }],
                    max_tokens: None,
                    temperature: Some(0.5),
                    stream: true,
                },
                wants_usage: false,
            }),
            run: RunId(9),
        },
        Command::TestRoutes {
            cases: vec![RouteCase {
                world: CaseWorld { down: vec!["zai".into()], hour: Some(3), ..CaseWorld::default() },
                ..RouteCase::default()
            }],
        },
        Command::Cache { act: CacheAct::Clear },
        Command::CallStats {
            query: Box::new(StatsQuery { filter: "dspy".into(), by: GroupBy::ALL.to_vec(), since: Some(UnixMs(1)) }),
        },
        Command::ExportCalls {
            query: Box::new(ExportQuery {
                filter: "dspy".into(),
                format: ExportFormat::Csv,
                before: Some("c1".into()),
                since: Some(UnixMs(1)),
                file: Some("f".into()),
            }),
        },
        Command::CheckCondition { text: "request.stream".into() },
        Command::ExplainWith {
            edit: Box::new(PolicyEdit::Enable { name: "p".into(), enabled: true }),
            facts: Box::new(Facts::default()),
        },
        Command::Observed,
        Command::Replay {
            query: Box::new(ReplayQuery {
                rules: ReplayRules::Text { name: "n".into(), text: "t".into() },
                filter: "dspy".into(),
                since: Some(UnixMs(1)),
                limit: 9,
            }),
            run: RunId(7),
        },
        Command::StopReplay { run: RunId(7) },
    ]
}

#[test]
fn every_command_travels() {
    let commands = commands();
    let named: BTreeSet<CommandName> = commands.iter().map(Command::name).collect();
    assert_eq!(named, CommandName::ALL.into_iter().collect(), "an example of every command");
    commands.iter().for_each(comes_back);
    for choice in [ActiveChoice::Auto, ActiveChoice::Provider("zai".into())] {
        comes_back(&Command::UseTarget { choice });
    }
    comes_back(&Command::Probe { which: ProbeWhich::All, anew: false });
}

#[test]
fn the_names_of_commands_are_fixed() {
    assert_eq!(PROTOCOL_VERSION, 1, "a new version may rename; then change the list below too");
    let names: Vec<_> = commands().iter().map(|command| tag(command, "command")).collect();
    assert_eq!(
        names,
        [
            "probe",
            "test_provider",
            "test_saved",
            "discover",
            "pause",
            "use_target",
            "add_provider",
            "edit_provider",
            "remove_provider",
            "enable_provider",
            "preview_edit",
            "set_strategy",
            "set_order",
            "config_set",
            "config_undo",
            "config_reload",
            "config_trust",
            "explain",
            "list_calls",
            "get_call",
            "read_log",
            "save_prompt",
            "list_prompts",
            "cancel_call",
            "diagnose",
            "stop_diagnosis",
            "load_model",
            "unload_model",
            "list_incidents",
            "last_good",
            "report",
            "edit_policy",
            "budget",
            "edit_preset",
            "count_tokens",
            "test_routes",
            "cache",
            "call_stats",
            "export_calls",
            "check_condition",
            "explain_with",
            "observed",
            "replay",
            "stop_replay",
        ]
    );
}

#[test]
fn a_query_may_leave_out_what_it_does_not_mean() {
    let command: Command = serde_json::from_str(r#"{"command":"list_calls","query":{"filter":"dspy"}}"#).unwrap();
    assert_eq!(
        command,
        Command::ListCalls { query: Box::new(CallQuery { filter: "dspy".into(), ..CallQuery::default() }) }
    );
    assert!(serde_json::from_str::<Command>(r#"{"command":"format_disk"}"#).is_err());
}

// ---- replies

/// No wildcard: a new reply does not compile until it has an example and a fixed name.
fn reply_name(reply: &Reply) -> &'static str {
    match reply {
        Reply::Done => "done",
        Reply::Probed(_) => "probed",
        Reply::Tested(_) => "tested",
        Reply::Discovered(_) => "discovered",
        Reply::Edited(_) => "edited",
        Reply::Explained(_) => "explained",
        Reply::Calls(_) => "calls",
        Reply::Call(_) => "call",
        Reply::Log(_) => "log",
        Reply::Prompts(_) => "prompts",
        Reply::Model(_) => "model",
        Reply::Incidents(_) => "incidents",
        Reply::Report(_) => "report",
        Reply::RoutesTested(_) => "routes_tested",
        Reply::Cache(_) => "cache",
        Reply::Stats(_) => "stats",
        Reply::Exported(_) => "exported",
        Reply::Budget(_) => "budget",
        Reply::Refused(_) => "refused",
        Reply::Condition(_) => "condition",
        Reply::WhatIf(_) => "what_if",
        Reply::Counted(_) => "counted",
        Reply::Observed(_) => "observed",
        Reply::Replayed(_) => "replayed",
    }
}

const REPLIES: usize = 24;

fn incident() -> Incident {
    Incident {
        provider: "lm_studio".into(),
        state: State::Down,
        reason: "refused".into(),
        failure: Some(failure()),
        since: UnixMs(3),
        seen: UnixMs(4),
        until: Some(UnixMs(5)),
        ending: Some(Ending::Unseen),
        calls_moved: 2,
        moved_to: Some(target()),
    }
}

fn summed_up() -> Reply {
    Reply::Stats(Box::new(CallStats {
        since: UnixMs(5),
        groups: vec![StatsGroup {
            key: vec!["zai".into()],
            sums: CallSums {
                calls: 3,
                billed: lmdeck::domain::money::Money(7),
                ttft_ms: Percentiles { of: 3, p50: Some(1), p95: Some(2), p99: None },
                ..CallSums::default()
            },
        }],
        all: CallSums::default(),
        left_out: 1,
        times: vec!["2026-11-22".into()],
    }))
}
fn budget_report() -> BudgetReport {
    BudgetReport {
        today: CivilDate { year: 2026, month: 11, day: 22 },
        timezone: Some("Europe/Berlin".into()),
        limit: Some(Money(10)),
        reserved: Money(1),
        held_elsewhere: Money(2),
        remaining: Some(Money(3)),
        alert_threshold: 0.8,
        alerting: true,
        when_exhausted: WhenExhausted::Warn,
        allow_unpriced: true,
        days: vec![DaySpend::of(CivilDate { year: 2026, month: 11, day: 22 })],
        prices_of: "2026-11-01".into(),
        prices_from: "s".into(),
    }
}

fn counted() -> TokenCount {
    TokenCount { target: target(), by: Kind::Anthropic, tokens: 1204 }
}

fn decision() -> Decision {
    Decision {
        by: "named".into(),
        rules_version: 3,
        chain: vec![Chosen { target: target(), reach: Reach::Network, why: "loaded".into() }],
        rejected: record().rejects,
        local_only: true,
        denied: Some("no images".into()),
        effects: Effects {
            max_tokens: Some(300),
            temperature: Some(0.25),
            system_prompt: Some("brief".into()),
            timeout_ms: Some(1500),
        },
        notes: vec![PolicyNote {
            policy: "b".into(),
            what: NoteKind::Skipped,
            why: "it divides by zero".into(),
            would: Some(Would { target: Some(target()), denied: false }),
        }],
        stand_in: true,
    }
}

fn rule() -> RuleTrace {
    RuleTrace {
        name: "a".into(),
        when: "type".into(),
        verdict: "no".into(),
        why: "request.stream is false".into(),
        holds: Some(false),
    }
}

fn page_of_calls() -> CallPage {
    CallPage { rows: vec![CallRow::from(&record())], matching: 1, total: 214, counted_since: UnixMs(7) }
}

fn replies() -> Vec<Reply> {
    let failed = ProbeReport { outcome: Err(failure()), reach: None, ..probe_report() };
    let step = Step { name: "connect".into(), state: StepState::Warned, verdict: "slow".into(), ms: Some(900) };
    let decision = decision();
    let rule = rule();
    vec![
        Reply::Done,
        Reply::Probed(vec![("a".into(), probe_report()), ("b".into(), failed)]),
        Reply::Tested(TestReport {
            steps: vec![step],
            models: vec![model()],
            failure: Some(failure()),
            cautions: causes(),
            total_ms: 8,
        }),
        Reply::Discovered(vec![Found {
            kind: Kind::LmStudio,
            endpoint: "http://127.0.0.1:1234".into(),
            answered: true,
            models: vec![model()],
            note: "1 model".into(),
            configured_as: Some("lm_studio".into()),
        }]),
        Reply::Edited(EditReport {
            file: "f".into(),
            difference: "-a\n+b\n".into(),
            lines_changed: 1,
            section: "providers".into(),
            written: true,
            issues: vec![issue()],
        }),
        Reply::Budget(Box::new(budget_report())),
        Reply::Counted(counted()),
        Reply::RoutesTested(vec![Err("no such provider".into())]),
        Reply::Cache(Box::new(CacheReport { view: CacheView::default(), on_disk: Some((2, 900)), cleared: Some(1) })),
        summed_up(),
        Reply::Exported(ExportPart { text: "{}\n".into(), calls: 1, last: Some("c1".into()), file: Some("f".into()) }),
        Reply::Condition(ConditionCheck {
            slip: Some(ConditionSlip { at: 1, length: 2, message: "m".into(), remedy: "r".into() }),
            reads: vec![("request.stream".into(), "true or false".into())],
        }),
        Reply::WhatIf(Box::new(WhatIf {
            saved: Explanation {
                decision: decision.clone(),
                sentence: "s".into(),
                rules: vec![rule.clone()],
                unseen: vec![],
            },
            edited: Explanation { decision: decision.clone(), sentence: "e".into(), rules: Vec::new(), unseen: vec![] },
            issues: vec![issue()],
        })),
        Reply::Explained(Box::new(Explanation {
            decision,
            sentence: "s".into(),
            rules: vec![rule],
            unseen: vec![Unseen::Pins],
        })),
        Reply::Replayed(Box::new(ReplayDone { issues: vec![issue()], ..ReplayDone::default() })),
        Reply::Observed(ObservedSums {
            of: 9,
            policies: vec![ObservedCount { policy: "a".into(), matched: 3, moved: 2, denied: 1 }],
        }),
        Reply::Calls(page_of_calls()),
        Reply::Call(Box::new(record())),
        Reply::Prompts(vec![prompt()]),
        Reply::Model(ModelReport {
            target: target(),
            loaded: true,
            already: false,
            context: Some(8192),
            instances: vec!["m:2".into()],
            took_ms: 34_000,
            last_ms: None,
        }),
        Reply::Incidents(vec![incident()]),
        Reply::Report(Box::new(ReportParts {
            system: "Linux".into(),
            draft: "d".into(),
            config: Some("a: 1".into()),
            config_trouble: None,
            ledger: Some(LedgerCheck { integrity: "ok".into(), calls: 1, ..LedgerCheck::default() }),
            ledger_trouble: None,
        })),
        Reply::Log(vec![LogLine {
            ts: "2026-11-03T22:14:31Z".into(),
            level: "warn".into(),
            target: "lmdeck".into(),
            message: "m".into(),
        }]),
        Reply::Refused(Refusal {
            message: "m".into(),
            remedy: "r".into(),
            exit: 3,
            issues: vec![issue()],
            difference: Some("d".into()),
        }),
    ]
}

#[test]
fn every_reply_travels_under_its_fixed_name() {
    let replies = replies();
    let names: BTreeSet<_> = replies.iter().map(reply_name).collect();
    assert_eq!(names.len(), REPLIES, "an example of every reply");
    for reply in &replies {
        comes_back(reply);
        assert_eq!(tag(reply, "reply"), reply_name(reply));
    }
}

#[test]
fn every_cause_travels_inside_a_failure() {
    for cause in causes() {
        comes_back(&Failure::new(ErrorCode::Network, cause, "m").retry_after(None));
    }
}

// ---- events

fn event_name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::HealthChanged { .. } => "health_changed",
        EventKind::EffectiveTargetChanged { .. } => "effective_target_changed",
        EventKind::ConfigLoaded { .. } => "config_loaded",
        EventKind::ConfigRejected { .. } => "config_rejected",
        EventKind::CallFinished { .. } => "call_finished",
        EventKind::Trouble { .. } => "trouble",
        EventKind::RecordsDropped { .. } => "records_dropped",
        EventKind::StepDone { .. } => "step_done",
        EventKind::ModelsChanged { .. } => "models_changed",
        EventKind::BudgetAlert { .. } => "budget_alert",
        EventKind::ReplayProgress { .. } => "replay_progress",
        EventKind::ExportChanged { .. } => "export_changed",
        EventKind::KeptWarm { .. } => "kept_warm",
    }
}

const EVENTS: usize = 13;

#[test]
fn every_event_travels_under_its_fixed_name() {
    let kinds = [
        EventKind::HealthChanged {
            provider: "lm_studio".into(),
            name: "LM Studio".into(),
            from: State::Up,
            to: State::Down,
            reason: "refused".into(),
            failure: Some(failure()),
            lasted_ms: Some(840_000),
            times: 3,
        },
        EventKind::EffectiveTargetChanged { from: None, to: Some("zai/glm-4.6".into()), why: "down".into() },
        EventKind::ConfigLoaded { file: "f".into(), changes: "1 provider".into() },
        EventKind::ConfigRejected { file: "f".into(), message: "line 3".into() },
        EventKind::CallFinished { id: "c1".into() },
        EventKind::BudgetAlert {
            used: Money(8),
            limit: Money(10),
            threshold: 0.8,
            exhausted: false,
            when_exhausted: WhenExhausted::Refuse,
        },
        EventKind::Trouble { message: "m".into() },
        EventKind::RecordsDropped { count: 3 },
        EventKind::ReplayProgress { run: RunId(7), done: 1, of: 2 },
        EventKind::StepDone {
            run: RunId(7),
            step: Step { name: "DNS".into(), state: StepState::Skipped, verdict: "needs none".into(), ms: None },
        },
        EventKind::ModelsChanged {
            provider: "zai".into(),
            name: "Z.AI".into(),
            changes: ModelChanges { new: vec!["n".into()], gone: vec!["g".into()], ..ModelChanges::default() },
        },
        EventKind::ExportChanged { endpoint: "http://c".into(), trouble: Some("refused".into()), dropped: 2 },
        EventKind::KeptWarm {
            target: "lm_studio/m".into(),
            took_ms: 34_000,
            failure: Some(failure()),
            again_in_ms: Some(30_000),
        },
    ];
    assert_eq!(kinds.iter().map(event_name).collect::<BTreeSet<_>>().len(), EVENTS, "an example of every event");
    for (kind, level) in kinds.into_iter().zip([Level::Info, Level::Warning, Level::Error].into_iter().cycle()) {
        let name = event_name(&kind);
        let event = Event { at: UnixMs(7), level, kind };
        comes_back(&event);
        assert_eq!(tag(&event, "event"), name);
    }
}

// ---- calls under way

fn call_event_name(event: &CallEvent) -> &'static str {
    match event {
        CallEvent::Trying { .. } => "trying",
        CallEvent::FellBack { .. } => "fell_back",
        CallEvent::Loading { .. } => "loading",
        CallEvent::Head(_) => "head",
        CallEvent::Text { .. } => "text",
        CallEvent::Reasoning { .. } => "reasoning",
        CallEvent::Raw { .. } => "raw",
        CallEvent::Usage { .. } => "usage",
        CallEvent::End(_) => "end",
    }
}

const CALL_EVENTS: usize = 9;

#[test]
fn every_event_of_a_call_travels_under_its_fixed_name() {
    let events = [
        CallEvent::Trying { call_id: "c1".into(), target: target(), attempt: 2 },
        CallEvent::FellBack { from: target(), failure: failure().into(), to: None },
        CallEvent::Loading { target: target(), waited_ms: 4000, last_ms: Some(41_000) },
        CallEvent::Head(Box::new(CallHead {
            call_id: "c1".into(),
            target: target(),
            policy: "named".into(),
            attempts: 1,
            content_type: "text/event-stream".into(),
            stream: true,
            cache: "off".into(),
        })),
        CallEvent::Text { text: "rain\u{1b}[0m".into() },
        CallEvent::Reasoning { text: "hm".into() },
        CallEvent::Raw { bytes: "data: {\"a\":\"é\"}\n\n".into() },
        CallEvent::Usage { usage: Usage { input: 1, output: 2, cached: 0, reasoning: 0, ..Usage::default() } },
        CallEvent::End(Box::new(CallOutcome {
            record: record().into(),
            failure: Some(failure()),
            finish: Some(Finish::Stop),
            after_answer_bytes: true,
        })),
    ];
    assert_eq!(events.iter().map(call_event_name).collect::<BTreeSet<_>>().len(), CALL_EVENTS);
    for event in &events {
        comes_back(event);
        assert_eq!(tag(event, "what"), call_event_name(event));
    }
}

// ---- the picture

#[expect(clippy::too_many_lines, reason = "an example of every part")]
fn snapshot() -> Snapshot {
    let mut health = ProviderHealth::new(UnixMs(1));
    health.apply(&probe_report(), false, lmdeck::domain::health::CallTally::default());
    let price = Price::per_million(0.6, 2.2, Some(0.11));
    let provider = ProviderView {
        id: "zai".into(),
        name: "Z.AI".into(),
        kind: Kind::ZAiGlm,
        endpoint: Endpoint {
            written: "https://api.z.ai/api/paas/v4".into(),
            origin: "https://api.z.ai:443".into(),
            host: "api.z.ai".into(),
            port: 443,
            tls: true,
            api_base: "https://api.z.ai/api/paas/v4".into(),
        },
        key_source: KeySource::File { tail: Some("wxyz".into()) },
        enabled: true,
        local: false,
        withheld: Some(WithheldWhy::Unset { variable: "MY_KEY".into() }.because("unset")),
        health,
        reach: Reach::Cloud,
        models: vec![ModelView {
            id: "glm-4.6".into(),
            named: true,
            listed: false,
            chat: true,
            loaded: None,
            context: Some(200_000),
            quantization: Some("Q4".into()),
            size_bytes: Some(1),
            price,
            breaker_until: Some(UnixMs(9)),
            calls: 3,
            tokens_per_s: Some(31.5),
            ..ModelView::of("glm-4.6")
        }]
        .into(),
        named_models: vec!["glm-4.6".into()],
        probing: true,
        parked_until: Some(UnixMs(10)),
        history: VecDeque::from([ProbePoint { at: UnixMs(1), latency_ms: None, state: State::Degraded }]),
        p50_ms: Some(4),
        p95_ms: None,
        uptime_permille: Some(999),
        lately: vec![LatelyEntry { at: UnixMs(2), state: State::Up, reason: String::new() }],
        aliases: BTreeMap::new(),
        origin: Origin::Providers,
        place: "providers[0]".into(),
        line: Some(4),
        probe_interval_s: 30,
        moved_calls: 2,
        loading: vec![LoadingView {
            model: "glm-4.6".into(),
            since: UnixMs(3),
            last_ms: Some(41_000),
            unloading: false,
            by_call: true,
        }],
        model_changes: vec![ModelsEntry {
            at: UnixMs(4),
            changes: ModelChanges { loaded: vec![("m".into(), Some(8192))], ..ModelChanges::default() },
        }],
        rate: Some(RateState {
            at: UnixMs(5),
            windows: vec![RateWindow {
                counts: RateUnit::InputTokens,
                limit: Some(500),
                remaining: 482,
                resets_at: Some(UnixMs(6)),
            }],
        }),
        day: VecDeque::from([Slot::of(UnixMs(1), State::Down, None)]),
        plan: Some(PlanView {
            windows: vec![PlanLeft {
                window_s: 18_000,
                left: RateWindow {
                    counts: RateUnit::Requests,
                    limit: Some(120),
                    remaining: 0,
                    resets_at: Some(UnixMs(8)),
                },
            }],
            used_up_until: Some(UnixMs(8)),
            told: true,
        }),
        warm: vec![WarmView {
            model: "m".into(),
            keep: Some("mon-fri 08:00-18:00".into()),
            preload: None,
            loaded_since: Some(UnixMs(9)),
            standing: WarmStanding::GaveUp { why: "no memory".into() },
        }],
    };
    let policy = Policy {
        name: "private".into(),
        priority: -1,
        when: "request.model.matches(\"^a\")".into(),
        condition: Condition::new(Test::And(vec![
            Test::Matches(Box::new(Text::Fact(TextFact::Model)), Pattern::new("^a").unwrap()),
            Test::Fact(SwitchFact::Up("lm_studio".into())),
        ])),
        enabled: false,
        observe: true,
        targets: vec!["local".into()],
        fallback: Fallback::Strategy,
        deny: Some("no".into()),
        local_only: true,
        effects: Effects::default(),
        line: Some(4),
    };
    let rules = RuleSet {
        request_orders: vec![("quick".into(), vec!["local".into()])],
        policies: vec![policy],
        ..RuleSet::default()
    };
    Snapshot {
        revision: 12,
        config: Arc::new(ConfigView {
            file: Some("f".into()),
            issues: vec![issue()],
            rejected: Some("line 3".into()),
            ui: Ui { keys: BTreeMap::from([("providers.test".into(), "T".into())]), ..Ui::default() },
            ..ConfigView::default()
        }),
        providers: Arc::new(vec![Arc::new(provider)]),
        routing: Arc::new(RoutingView {
            rules,
            active: ActiveChoice::Target(target()),
            in_effect: Some(target()),
            in_effect_why: "down".into(),
            decided_today: vec![("named".into(), 3)],
            ..RoutingView::default()
        }),
        spend: Arc::new(SpendView { today: Money(5), limit: Some(Money(10)), ..SpendView::default() }),
        gateway: Arc::new(GatewayView { listening: Some("127.0.0.1:4141".into()), trouble: None }),
        running: Arc::new(vec![RunningCall {
            id: "c1".into(),
            since: UnixMs(3),
            client: "ask".into(),
            request_type: String::new(),
            target: Some(target()),
            writing: true,
            loading: Some(LoadingCall { since: UnixMs(3), last_ms: None }),
        }]),
        incidents: Arc::new(vec![incident()]),
        flow: Arc::new(FlowView {
            queue: QueueView {
                waiting: 2,
                providers: vec![QueueAt { provider: "zai".into(), running: 1, waiting: 2, slots: Some(1) }],
                waiting_by: ByPriority { high: 1, normal: 0, low: 1 },
                ..QueueView::default()
            },
            cache: CacheView { only_misses: 3, ..CacheView::default() },
            export: Some(ExportView {
                endpoint: "http://c".into(),
                sent: 1,
                dropped: 2,
                trouble: Some("refused".into()),
            }),
            limits: vec![LimitView { of: "dspy".into(), client: true, requests: 1, ..LimitView::default() }],
            limited: 4,
        }),
    }
}

#[test]
fn the_picture_travels() {
    comes_back(&snapshot());
    for source in [KeySource::None, KeySource::Variable { name: "OPENAI_API_KEY".into() }] {
        comes_back(&source);
    }
}

#[test]
fn an_unchanged_part_of_the_picture_costs_a_pointer() {
    let first = snapshot();
    let second = Snapshot { revision: 13, ..first.clone() };
    assert!(Arc::ptr_eq(&first.providers, &second.providers));
}

// ---- secrets

/// Tells whether a type can be serialised: the constant below is preferred wherever its bound holds.
struct Ask<T>(PhantomData<T>);

trait Otherwise {
    const SERIALISES: bool = false;
}

impl<T> Otherwise for Ask<T> {}

impl<T: Serialize> Ask<T> {
    const SERIALISES: bool = true;
}

#[test]
fn a_secret_has_no_serialised_form_so_no_part_of_the_picture_can_hold_one() {
    // The picture, replies and events are serialisable as a whole, so each of their fields is; a secret is not.
    let able = [Ask::<Snapshot>::SERIALISES, Ask::<Reply>::SERIALISES, Ask::<Event>::SERIALISES];
    assert_eq!(able, [true; 3]);
    let unable = [Ask::<Secret>::SERIALISES, Ask::<Option<Secret>>::SERIALISES, Ask::<Vec<Secret>>::SERIALISES];
    assert_eq!(unable, [false; 3]);
}

#[test]
fn a_secret_on_its_way_does_not_show_in_debug_output() {
    let typed = ProviderDraft { auth_token: Some(DraftSecret("sk-live-123456".into())), ..draft() };
    let command = Command::AddProvider { draft: Box::new(typed) };
    let shown = format!("{command:?} {command:#?} {:?}", Secret::new("sk-live-123456"));
    assert!(shown.contains("DraftSecret(hidden)") && shown.contains("Secret(hidden)"), "{shown}");
    assert!(!shown.contains("sk-live"), "{shown}");
}
