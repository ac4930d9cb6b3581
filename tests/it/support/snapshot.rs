//! Pictures and an engine made of script, for front ends: `evening()` is the state of affairs that the screens
//! in the design show, and [`FakeEngine`] answers a handle as told and remembers what it was asked.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use lmdeck::domain::call::{Attempt, CallRecord, CallRequest, Facts, Finish, Reject, Status, Usage};
use lmdeck::domain::config::{Endpoint, Issue, KeySource, Origin, Severity, Ui};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{Activity, Ladder, ModelInfo, ProviderHealth, State};
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::{Cost, Money, Price, Provenance};
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::condition::{Compare, Condition, Number, NumberFact, Test};
use lmdeck::domain::routing::{ActiveChoice, Fallback, Policy, RuleSet, Strategy};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::handle::{CALL_CAPACITY, COMMAND_CAPACITY, Caller, EVENT_CAPACITY, EngineHandle, Envelope};
use lmdeck::engine::protocol::snapshot::LatelyEntry;
use lmdeck::engine::protocol::{
    CallEvent, CallHead, CallOutcome, CallPage, CallRow, Command, CommandName, ConfigView, Event, EventKind,
    GatewayView, Level, ModelView, ProbePoint, ProviderView, Reply, RoutingView, Snapshot, SpendView,
};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::{broadcast, mpsc, watch};

/// 2025-11-21 22:14:45 UTC: the evening of the screens.
pub const NOW: UnixMs = UnixMs(1_763_763_285_000);
/// The start of that day.
pub const MIDNIGHT: UnixMs = UnixMs(1_763_683_200_000);
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// `ms` before [`NOW`].
pub fn ago(ms: i64) -> UnixMs {
    UnixMs(NOW.0 - ms)
}

/// Five providers: LM Studio up, Workstation down (refused), Z.AI up, OpenAI degraded (slow), Claude unauthorized.
pub fn evening() -> Snapshot {
    Snapshot {
        revision: 7,
        config: Arc::new(ConfigView {
            file: Some("/home/ada/.config/lmdeck/ai_models.yaml".into()),
            would_write: "/home/ada/.config/lmdeck/ai_models.yaml".into(),
            issues: vec![Issue {
                severity: Severity::Warning,
                file: "/home/ada/.config/lmdeck/ai_models.yaml".into(),
                line: Some(31),
                column: Some(5),
                path: "providers.zai.endpont".into(),
                message: "unknown key: endpont".into(),
                remedy: "did you mean endpoint?".into(),
                text: "    endpont: https://api.z.ai".into(),
            }],
            rejected: None,
            can_undo: true,
            ui: Ui::default(),
            state_dir: "/home/ada/.local/state/lmdeck".into(),
            first_run: false,
            gateway_listen: "127.0.0.1:4141".into(),
            in_force: Arc::new(json!({
                "providers": [{ "id": "zai", "authToken": "${Z_AI_API_KEY}" }],
                "routing": { "strategy": "prefer_local" },
            })),
            ..ConfigView::default()
        }),
        providers: Arc::new(
            vec![lm_studio(), workstation(), zai(), openai(), claude()].into_iter().map(Arc::new).collect(),
        ),
        routing: Arc::new(RoutingView {
            rules: RuleSet {
                version: 17,
                strategy: Strategy::PreferLocal,
                request_orders: vec![("teaching_generation".into(), vec!["zai".into(), "lm_studio".into()])],
                prefer_local_ties: true,
                spillover_ms: None,
                policies: vec![Policy {
                    name: "long-prompts".into(),
                    priority: 50,
                    when: "request.prompt_tokens > 24000".into(),
                    condition: Condition::new(Test::Numbers(
                        Compare::Greater,
                        Box::new((Number::Fact(NumberFact::PromptTokens), Number::Whole(24_000))),
                    )),
                    targets: vec!["zai/glm-4.6".into(), "workstation".into()],
                    fallback: Fallback::Strategy,
                    line: Some(52),
                    ..Policy::default()
                }],
            },
            active: ActiveChoice::Auto,
            in_effect: Some(Target::new("lm_studio", "openai_gpt-oss-120b-neo")),
            in_effect_why: String::new(),
            decided_today: vec![("strategy:prefer_local".into(), 133), ("request_type:teaching_generation".into(), 36)],
            ..RoutingView::default()
        }),
        spend: Arc::new(SpendView {
            today: dollars(0.42),
            limit: Some(dollars(10.0)),
            unpriced_calls: 0,
            calls_today: 214,
            failed_today: 5,
            ..SpendView::default()
        }),
        gateway: Arc::new(GatewayView { listening: Some("127.0.0.1:4141".into()), trouble: None }),
        running: Arc::new(Vec::new()),
        incidents: Arc::default(),
        flow: Arc::default(),
    }
}

/// No file, no provider, nothing found yet.
pub fn first_run() -> Snapshot {
    let mut snapshot = evening();
    snapshot.config = Arc::new(ConfigView {
        file: None,
        issues: Vec::new(),
        can_undo: false,
        first_run: true,
        ..(*snapshot.config).clone()
    });
    snapshot.providers = Arc::default();
    snapshot.routing = Arc::default();
    snapshot.spend = Arc::default();
    snapshot.gateway = Arc::default();
    snapshot
}

/// The snapshot with one provider changed.
pub fn with_provider(mut snapshot: Snapshot, id: &str, change: impl FnOnce(&mut ProviderView)) -> Snapshot {
    let mut providers = (*snapshot.providers).clone();
    let mut change = Some(change);
    for provider in &mut providers {
        if provider.id.as_str() == id
            && let Some(change) = change.take()
        {
            change(Arc::make_mut(provider));
        }
    }
    assert!(change.is_none(), "no provider {id} in this picture");
    snapshot.providers = Arc::new(providers);
    snapshot.revision += 1;
    snapshot
}

fn dollars(amount: f64) -> Money {
    Money::from_dollars(amount).unwrap()
}

pub fn endpoint(origin: &str, api_base: &str) -> Endpoint {
    let (scheme, rest) = origin.split_once("://").unwrap();
    let tls = scheme == "https";
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().unwrap()),
        None => (rest, if tls { 443 } else { 80 }),
    };
    Endpoint { written: origin.into(), origin: origin.into(), host: host.into(), port, tls, api_base: api_base.into() }
}

/// A provider with everything plain: up, no models, no key.
pub fn provider(id: &str, name: &str, kind: Kind, origin: &str) -> ProviderView {
    let mut health = ProviderHealth::new(ago(2 * HOUR));
    health.state = State::Up;
    health.reason = String::new();
    health.last_checked = Some(ago(20_000));
    health.latency_ms = Some(12);
    health.ladder =
        Ladder { reachable: Some(true), authenticated: Some(true), listed: Some(true), loaded: None, answering: None };
    ProviderView {
        id: id.into(),
        name: name.into(),
        kind,
        endpoint: endpoint(origin, &format!("{origin}/v1")),
        key_source: KeySource::None,
        enabled: true,
        local: false,
        withheld: None,
        health,
        reach: if kind.is_vendor() { Reach::Cloud } else { Reach::Machine },
        models: Vec::new().into(),
        named_models: Vec::new(),
        probing: false,
        parked_until: None,
        history: VecDeque::new(),
        p50_ms: None,
        p95_ms: None,
        uptime_permille: None,
        lately: Vec::new(),
        aliases: BTreeMap::new(),
        origin: Origin::Providers,
        place: String::new(),
        line: None,
        probe_interval_s: 30,
        moved_calls: 0,
        loading: Vec::new(),
        model_changes: Vec::new(),
        rate: None,
        plan: None,
        warm: Vec::new(),
        day: VecDeque::new(),
    }
}

pub fn model(id: &str, loaded: Option<bool>) -> ModelView {
    ModelView { listed: true, loaded, ..ModelView::of(id) }
}

fn named(mut view: ProviderView, model: ModelView) -> ProviderView {
    view.named_models = vec![model.id.clone()];
    view.models = vec![ModelView { named: true, ..model }].into();
    view
}

fn figures(mut view: ProviderView, p50: Option<u64>, p95: Option<u64>, uptime_permille: u32) -> ProviderView {
    view.p50_ms = p50;
    view.p95_ms = p95;
    view.uptime_permille = Some(uptime_permille);
    view
}

fn at_line(mut view: ProviderView, place: &str, line: usize) -> ProviderView {
    view.place = place.into();
    view.line = Some(line);
    view
}

fn lm_studio() -> ProviderView {
    let mut view = provider("lm_studio", "LM Studio", Kind::LmStudio, "http://127.0.0.1:1234");
    view.models = vec![
        ModelView {
            context: Some(8192),
            quantization: Some("MXFP4".into()),
            size_bytes: Some(63_400_000_000),
            price: Some(Price::FREE),
            ..model("openai_gpt-oss-120b-neo", Some(true))
        },
        ModelView {
            context: Some(131_072),
            quantization: Some("Q4_K_M".into()),
            size_bytes: Some(25_900_000_000),
            price: Some(Price::FREE),
            ..model("aquif-3.5-max-42b-a3b-i1", Some(false))
        },
        ModelView {
            chat: false,
            context: Some(2048),
            quantization: Some("F16".into()),
            size_bytes: Some(274_000_000),
            ..model("nomic-embed-text-v1.5", Some(false))
        },
    ]
    .into();
    view.health.models = view
        .models
        .iter()
        .map(|model| ModelInfo {
            loaded: model.loaded,
            chat: model.chat,
            context: model.context,
            ..ModelInfo::named(model.id.clone())
        })
        .collect();
    view.health.models_seen = Some(ago(20_000));
    view.health.ladder.loaded = Some(true);
    view.health.ladder.answering = Some(true);
    view.health.activity =
        Activity { slots_busy: Some(1), slots_total: Some(4), queued: Some(0), ..Activity::default() };
    view.health.interface = Some("v1".into());
    view.health.reach = Some(Reach::Machine);
    view.history = (0..40)
        .map(|slot| ProbePoint {
            at: ago((40 - slot) * 30_000),
            latency_ms: Some(10 + u64::try_from(slot % 5).unwrap()),
            state: State::Up,
        })
        .collect();
    view.lately = vec![LatelyEntry { at: ago(2 * HOUR), state: State::Up, reason: String::new() }];
    at_line(figures(view, Some(11), Some(38), 998), "providers[0]", 4)
}

fn workstation() -> ProviderView {
    let view = provider("workstation", "Workstation", Kind::LlamaCpp, "http://192.168.1.20:8080");
    let mut view = named(
        view,
        ModelView {
            listed: false,
            context: Some(32_768),
            quantization: Some("Q4_K_M".into()),
            size_bytes: Some(19_800_000_000),
            price: Some(Price::FREE),
            ..model("qwen3-32b", None)
        },
    );
    view.local = true;
    view.reach = Reach::Network;
    view.moved_calls = 3;
    fail(
        &mut view,
        State::Down,
        14 * MINUTE,
        Failure::new(ErrorCode::Network, Cause::Refused, "connection refused"),
        Ladder { reachable: Some(false), ..Ladder::default() },
    );
    view.health.returning = true;
    view.history = (0..40)
        .map(|slot| {
            let at = ago((40 - slot) * 30_000);
            let up = slot < 12;
            ProbePoint { at, latency_ms: up.then_some(14), state: if up { State::Up } else { State::Down } }
        })
        .collect();
    view.lately = vec![
        LatelyEntry { at: ago(14 * MINUTE), state: State::Down, reason: "connection refused".into() },
        LatelyEntry { at: ago(9 * HOUR), state: State::Up, reason: String::new() },
    ];
    at_line(figures(view, Some(14), Some(41), 989), "providers[1]", 18)
}

fn zai() -> ProviderView {
    let view = provider("zai", "Z.AI GLM", Kind::ZAiGlm, "https://api.z.ai");
    let mut view = named(
        view,
        ModelView {
            context: Some(200_000),
            price: Price::per_million(0.60, 2.20, Some(0.11)),
            ..model("glm-4.6", None)
        },
    );
    view.endpoint = endpoint("https://api.z.ai", "https://api.z.ai/api/paas/v4");
    view.endpoint.written = "https://api.z.ai/api/paas/v4".into();
    view.key_source = KeySource::Variable { name: "Z_AI_API_KEY".into() };
    view.health.latency_ms = Some(310);
    view.health.since = ago(9 * HOUR);
    at_line(figures(view, Some(295), Some(480), 1000), "providers[2]", 29)
}

fn openai() -> ProviderView {
    let view = provider("openai", "OpenAI", Kind::Openai, "https://api.openai.com");
    let mut view = named(
        view,
        ModelView {
            context: Some(128_000),
            price: Price::per_million(2.50, 10.0, Some(1.25)),
            ..model("gpt-4o", None)
        },
    );
    view.key_source = KeySource::Variable { name: "OPENAI_API_KEY".into() };
    view.health.state = State::Degraded;
    view.health.reason = "probe slower than 1 s".into();
    view.health.since = ago(7 * MINUTE);
    view.health.latency_ms = Some(1410);
    view.lately =
        vec![LatelyEntry { at: ago(7 * MINUTE), state: State::Degraded, reason: "probe slower than 1 s".into() }];
    at_line(figures(view, Some(380), Some(1380), 996), "providers[3]", 36)
}

fn claude() -> ProviderView {
    let view = provider("claude", "Claude", Kind::Anthropic, "https://api.anthropic.com");
    let mut view = named(view, ModelView { listed: false, ..model("claude-3-5-haiku-20241022", None) });
    view.key_source = KeySource::Variable { name: "ANTHROPIC_API_KEY".into() };
    fail(
        &mut view,
        State::Unauthorized,
        DAY,
        Failure::new(ErrorCode::Auth, Cause::KeyRefused { status: 401 }, "the key was refused"),
        Ladder { reachable: Some(true), authenticated: Some(false), ..Ladder::default() },
    );
    at_line(figures(view, None, None, 0), "providers[4]", 42)
}

fn fail(view: &mut ProviderView, state: State, since: i64, failure: Failure, ladder: Ladder) {
    view.health.state = state;
    view.health.reason.clone_from(&failure.message);
    view.health.failure = Some(failure);
    view.health.since = ago(since);
    view.health.latency_ms = None;
    view.health.ladder = ladder;
}

/// The four calls of the screens, newest first: c1214 to c1211.
pub fn call_rows() -> Vec<CallRow> {
    call_records().iter().map(CallRow::from).collect()
}

/// A page of the four calls out of the day's 214.
pub fn call_page() -> CallPage {
    CallPage { rows: call_rows(), matching: 214, total: 214, counted_since: MIDNIGHT }
}

/// The records behind [`call_rows`].
pub fn call_records() -> Vec<CallRecord> {
    let glm = || Target::new("zai", "glm-4.6");
    let gpt = || Target::new("lm_studio", "openai_gpt-oss-120b-neo");
    let teaching = "teaching_generation";
    let mut fallback = record("c1212", 47_000, "ask", "", glm(), 520, 4100, 1211, 133, paid(0.0010));
    fallback.attempts.insert(
        0,
        Attempt {
            target: gpt(),
            start_ms: 0,
            ttft_ms: None,
            duration_ms: 3,
            failure: Some(Failure::new(
                ErrorCode::Overloaded,
                Cause::ServerError { status: 503 },
                "503: all 4 slots were busy",
            )),
            answered_by: None,
        },
    );
    fallback.chain = vec![gpt(), glm(), Target::new("openai", "gpt-4o")];
    fallback.rejects = vec![Reject {
        target: Target::new("workstation", "qwen3-32b"),
        code: "down".into(),
        reason: "down for 14 min: connection refused".into(),
    }];
    fallback.policy = "strategy:prefer_local".into();
    vec![
        record("c1214", 14_000, "dspy", teaching, glm(), 1240, 9800, 26_112, 612, paid(0.0170)),
        record("c1213", 36_000, "dspy", "quick_responses", gpt(), 410, 3000, 412, 96, Cost::FREE),
        fallback,
        record("c1211", 65_000, "dspy", teaching, glm(), 710, 11_200, 2212, 498, paid(0.0024)),
    ]
}

fn paid(amount: f64) -> Cost {
    Cost { amount: Some(dollars(amount)), provenance: Provenance::Computed }
}

/// A call that went well at its first target.
#[expect(clippy::too_many_arguments, reason = "one column of the table each")]
pub fn record(
    id: &str,
    age_ms: i64,
    client: &str,
    request_type: &str,
    target: Target,
    ttft_ms: u64,
    duration_ms: u64,
    input: u64,
    output: u64,
    cost: Cost,
) -> CallRecord {
    CallRecord {
        id: id.into(),
        ts: ago(age_ms),
        facts: Facts {
            client: client.into(),
            request_type: request_type.into(),
            requested_model: "auto".into(),
            prompt_tokens: input,
            max_tokens: 1024,
            stream: true,
            ..Facts::default()
        },
        policy: if request_type == "teaching_generation" {
            "request_type:teaching_generation".into()
        } else {
            "strategy:prefer_local".into()
        },
        rules_version: 17,
        chain: vec![target.clone()],
        rejects: Vec::new(),
        target: Some(target.clone()),
        status: Status::Ok,
        error: None,
        finish: Some(Finish::Stop),
        duration_ms,
        queue_ms: 0,
        ttft_ms: Some(ttft_ms),
        usage: Some(Usage { input, output, ..Usage::default() }),
        cost,
        cache: "off".into(),
        attempts: vec![Attempt {
            target,
            start_ms: 0,
            ttft_ms: Some(ttft_ms),
            duration_ms,
            failure: None,
            answered_by: None,
        }],
        prompt: None,
        answer: None,
        reserved: None,
        observed: Vec::new(),
        outside: None,
    }
}

/// The events of a call that ends well with `record`, its answer in these pieces.
pub fn answered(record: &CallRecord, pieces: &[&str]) -> Vec<CallEvent> {
    let target = record.target.clone().unwrap();
    let tries = u32::try_from(record.attempts.len()).unwrap();
    let mut events = Vec::new();
    for (place, attempt) in record.attempts.iter().enumerate() {
        events.push(CallEvent::Trying {
            call_id: record.id.clone(),
            target: attempt.target.clone(),
            attempt: u32::try_from(place).unwrap() + 1,
        });
        if let Some(failure) = &attempt.failure {
            events.push(CallEvent::FellBack {
                from: attempt.target.clone(),
                failure: failure.clone().into(),
                to: record.attempts.get(place + 1).map(|next| next.target.clone()),
            });
        }
    }
    events.push(CallEvent::Head(Box::new(CallHead {
        call_id: record.id.clone(),
        target,
        policy: record.policy.clone(),
        attempts: tries,
        content_type: "text/event-stream".into(),
        stream: true,
        cache: "off".into(),
    })));
    events.extend(pieces.iter().map(|piece| CallEvent::Text { text: (*piece).to_owned() }));
    if let Some(usage) = record.usage {
        events.push(CallEvent::Usage { usage });
    }
    events.push(CallEvent::End(Box::new(CallOutcome {
        record: record.clone().into(),
        failure: None,
        finish: record.finish,
        after_answer_bytes: false,
    })));
    events
}

/// The end of a call that failed before any answer.
pub fn failed(mut record: CallRecord, failure: Failure) -> Vec<CallEvent> {
    record.status = Status::of(failure.code);
    record.error = Some(failure.clone());
    record.target = None;
    record.finish = None;
    record.usage = None;
    record.cost = Cost::UNKNOWN;
    record.ttft_ms = None;
    vec![CallEvent::End(Box::new(CallOutcome {
        record: record.into(),
        failure: Some(failure),
        finish: None,
        after_answer_bytes: false,
    }))]
}

/// A change of a provider's state, as the engine announces it.
pub fn health_event(id: &str, from: State, to: State, failure: Option<Failure>) -> Event {
    Event {
        at: NOW,
        level: if to == State::Up { Level::Info } else { Level::Error },
        kind: EventKind::HealthChanged {
            provider: id.into(),
            name: id.into(),
            from,
            to,
            reason: failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default(),
            failure,
            lasted_ms: None,
            times: 1,
        },
    }
}

/// What [`FakeEngine`] plays for one dispatched call.
struct CallScript {
    events: Vec<CallEvent>,
    /// Afterwards the call stays open: the test pushes more through [`FakeEngine::open_calls`].
    hold: bool,
}

#[derive(Default)]
struct Script {
    commands: Vec<Command>,
    replies: HashMap<CommandName, VecDeque<Reply>>,
    requests: Vec<CallRequest>,
    calls: VecDeque<CallScript>,
    open: Vec<mpsc::Sender<CallEvent>>,
}

/// The far side of a handle. Records every command and every call; answers as scripted, else with `Done`.
/// Works with and without an async runtime around it.
#[derive(Clone)]
pub struct FakeEngine {
    script: Arc<Mutex<Script>>,
    snapshots: Arc<watch::Sender<Arc<Snapshot>>>,
    events: broadcast::Sender<Event>,
}

impl FakeEngine {
    /// The next reply to this command; the last one given repeats.
    pub fn on(&self, name: CommandName, reply: Reply) -> &Self {
        self.script.lock().unwrap().replies.entry(name).or_default().push_back(reply);
        self
    }

    /// Events of the next call.
    pub fn play(&self, events: Vec<CallEvent>) -> &Self {
        self.script.lock().unwrap().calls.push_back(CallScript { events, hold: false });
        self
    }

    /// Like [`Self::play`], but the call does not end by itself.
    pub fn play_and_hold(&self, events: Vec<CallEvent>) -> &Self {
        self.script.lock().unwrap().calls.push_back(CallScript { events, hold: true });
        self
    }

    /// Commands received so far, in order.
    pub fn commands(&self) -> Vec<Command> {
        self.script.lock().unwrap().commands.clone()
    }

    /// Calls received so far, in order.
    pub fn requests(&self) -> Vec<CallRequest> {
        self.script.lock().unwrap().requests.clone()
    }

    /// Calls that [`Self::play_and_hold`] left open; `is_closed` tells that the caller hung up.
    pub fn open_calls(&self) -> Vec<mpsc::Sender<CallEvent>> {
        self.script.lock().unwrap().open.clone()
    }

    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    /// Announces an event; the number of listeners it reached.
    pub fn announce(&self, event: Event) -> usize {
        self.events.send(event).unwrap_or(0)
    }

    /// Those who listen to events now.
    pub fn listeners(&self) -> usize {
        self.events.receiver_count()
    }

    fn answer(&self, command: Command) -> Reply {
        let mut script = self.script.lock().unwrap();
        let name = command.name();
        script.commands.push(command);
        match script.replies.get_mut(&name) {
            Some(replies) if replies.len() > 1 => replies.pop_front().unwrap(),
            Some(replies) => replies.front().cloned().unwrap_or(Reply::Done),
            None => Reply::Done,
        }
    }
}

impl Caller for FakeEngine {
    fn dispatch(&self, request: CallRequest) -> mpsc::Receiver<CallEvent> {
        let (sender, receiver) = mpsc::channel(CALL_CAPACITY);
        let mut script = self.script.lock().unwrap();
        script.requests.push(request);
        let Some(call) = script.calls.pop_front() else { return receiver };
        if call.hold {
            script.open.push(sender.clone());
        }
        // An own thread, so that more events than the channel holds wait for the reader.
        std::thread::spawn(move || {
            for event in call.events {
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

/// A handle whose engine is a script.
pub fn handle_for(snapshot: Snapshot) -> (EngineHandle, FakeEngine) {
    let (commands, mut inbox) = mpsc::channel(COMMAND_CAPACITY);
    let (publisher, snapshots) = watch::channel(Arc::new(snapshot));
    let (events, _) = broadcast::channel(EVENT_CAPACITY);
    let engine = FakeEngine { script: Arc::default(), snapshots: Arc::new(publisher), events: events.clone() };
    let worker = engine.clone();
    std::thread::spawn(move || {
        while let Some(envelope) = inbox.blocking_recv() {
            match envelope {
                Envelope::Command { command, reply } => {
                    let answer = worker.answer(command);
                    if let Some(reply) = reply {
                        // Who asked may have gone; that is its business.
                        let _ = reply.send(answer);
                    }
                }
                Envelope::Gateway(view) => worker.snapshots.send_modify(|snapshot| {
                    Arc::make_mut(snapshot).gateway = Arc::new(view);
                }),
            }
        }
    });
    (EngineHandle::new(commands, snapshots, events, Arc::new(engine.clone())), engine)
}
