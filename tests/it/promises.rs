//! Two promises that hold for every server: looking costs nothing and loads nothing, and a key goes to nobody whom
//! it was not given for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use crate::config::{KEYS, Place, profile};
use crate::support::engine::{TokioClock, ask, collect, engine_on};
use crate::support::sim::{Fault, LmStudioApi, Sim, SimKind, SimModel};
use futures_util::future::BoxFuture;
use lmdeck::adapters::config::ConfigFile;
use lmdeck::adapters::http::{HttpUpstream, Lookup, Surroundings};
use lmdeck::domain::call::{Body, Message, Role};
use lmdeck::domain::config::Profile;
use lmdeck::domain::failure::Cause;
use lmdeck::domain::kind::Kind;
use lmdeck::engine::ports::{ConfigStore as _, Upstream};
use lmdeck::engine::protocol::{Command, ProbeWhich, Reply, RunId};
use std::net::IpAddr;
use std::sync::Arc;

const ALL: [SimKind; 11] = [
    SimKind::LlamaCpp,
    SimKind::OpenaiCompatible,
    SimKind::LmStudio(LmStudioApi::Compat),
    SimKind::LmStudio(LmStudioApi::V0),
    SimKind::LmStudio(LmStudioApi::V1),
    SimKind::Ollama,
    SimKind::Vllm,
    SimKind::ZAi,
    SimKind::Openai,
    SimKind::Anthropic,
    SimKind::Openrouter,
];

/// States in which a probe that knows no measure would try something else.
type State = (&'static str, fn(&Sim));

const STATES: [State; 9] = [
    ("well", |_| ()),
    ("nothing loaded", |sim| sim.set_models(vec![SimModel::unloaded("demo-8b"), SimModel::unloaded("other")])),
    ("nothing loaded, no JIT", |sim| {
        sim.set_models(vec![SimModel::unloaded("demo-8b")]);
        sim.jit(false);
    }),
    ("no models at all", |sim| sim.set_models(Vec::new())),
    ("key refused", |sim| sim.require_key("another-key-000")),
    ("list hidden", |sim| {
        sim.require_key("another-key-000");
        sim.hide_list();
    }),
    ("still starting", |sim| sim.starting(true)),
    ("no list", |sim| sim.always_on("/models", Fault::NoSuchRoute)),
    ("broken list", |sim| sim.always_on("/models", Fault::MalformedJson)),
];

/// Every name leads to this machine, as a resolver in the wrong hands may say.
struct Near;

impl Lookup for Near {
    fn lookup(&self, _: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) })
    }
}

fn transport(ports: Vec<(u16, Kind)>) -> Arc<HttpUpstream> {
    let surroundings = Surroundings { lookup: Arc::new(Near), home: None, ports };
    Arc::new(HttpUpstream::with(Arc::new(TokioClock), surroundings).unwrap())
}

/// Everything that looks: the probe of the start, one asked for, discovery, the form's test and the doctor.
async fn look(upstream: Arc<HttpUpstream>, profile: Profile) {
    let id = profile.id.clone();
    let engine = engine_on(upstream.clone(), vec![profile.clone()]).await;
    engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    engine.handle.ask(Command::Discover).await;
    engine.handle.ask(Command::TestSaved { id: id.clone(), answer: false, run: RunId(1) }).await;
    engine.handle.ask(Command::Diagnose { id, answer: false, run: RunId(1) }).await;
    // The form tests a profile that is not saved.
    let (steps, _) = tokio::sync::mpsc::channel(16);
    upstream.test(Arc::new(profile), None, steps).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_looks_costs_nothing_and_loads_nothing() {
    for kind in ALL {
        for (state, set) in STATES {
            let sim = Sim::start(kind).await;
            let profile = sim.profile("p");
            set(&sim);
            let loaded = |sim: &Sim| sim.models().iter().filter(|model| model.loaded).count();
            let before = loaded(&sim);
            let ports = Kind::ALL.into_iter().map(|kind| (sim.port(), kind)).collect();
            look(transport(ports), profile).await;
            assert!(!sim.seen().is_empty(), "{kind:?}, {state}: nobody looked");
            for request in sim.seen() {
                // Ollama describes a model only to a POST, which reads its file's head and nothing else.
                let harmless = request.method == "GET" || request.path == "/api/show";
                assert!(harmless, "{kind:?}, {state}: {} {}", request.method, request.path);
                assert!(request.body.is_empty() || request.path == "/api/show", "{kind:?}, {state}: {request:?}");
            }
            assert_eq!(loaded(&sim), before, "{kind:?}, {state}");
        }
    }
}

/// A file of the person's that names a key for a public host which is not its vendor's.
fn stranger(place: &Place, sim: &Sim, kind: Kind, variable: &str) -> Profile {
    let yaml = format!(
        "providers:\n  - id: p\n    type: {}\n    endpoint: 'http://llm.example:{}{}'\n    authToken: '${{{variable}}}'\n    \
         models: [demo-8b]\n",
        kind.word(),
        sim.port(),
        if kind == Kind::ZAiGlm { "/api/paas/v4" } else { "" },
    );
    place.write("ai_models.yaml", yaml);
    let loaded = ConfigFile::open(place.source(Some("ai_models.yaml"), KEYS)).load().unwrap();
    profile(&loaded, "p").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_reaches_a_stranger_before_it_was_allowed_to() {
    for (server, variable) in [
        (SimKind::Openai, "OPENAI_API_KEY"),
        (SimKind::Anthropic, "ANTHROPIC_API_KEY"),
        (SimKind::ZAi, "Z_AI_API_KEY"),
        (SimKind::OpenaiCompatible, "OPENAI_API_KEY"),
        (SimKind::LmStudio(LmStudioApi::V1), "ANTHROPIC_API_KEY"),
        (SimKind::Openrouter, "OPENAI_API_KEY"),
    ] {
        let kind = server.kind();
        let sim = Sim::start(server).await;
        let place = Place::new();
        let untrusted = stranger(&place, &sim, kind, variable);
        let key = KEYS.iter().find(|(name, _)| *name == variable).unwrap().1;
        let upstream = transport(Vec::new());
        look(upstream.clone(), untrusted.clone()).await;
        let failure = use_it(&upstream, &untrusted).await;
        let host = "llm.example".to_owned();
        assert_eq!(failure, Some(Cause::KeyWithheld { host }), "{kind:?}: the call says why");
        let holds = |sim: &Sim| {
            let told = |request: &lmdeck::sim::SeenRequest| {
                format!("{:?} {} {} {}", request.headers, request.path, request.query, request.body).contains(key)
            };
            sim.seen().iter().any(told)
        };
        assert!(!holds(&sim), "{kind:?}: {variable} reached llm.example");

        crate::config_trust::allow(&ConfigFile::open(place.source(Some("ai_models.yaml"), KEYS))).unwrap();
        let trusted = stranger(&place, &sim, kind, variable);
        assert_eq!(use_it(&upstream, &trusted).await, None, "{kind:?}");
        assert!(holds(&sim), "{kind:?}: allowed, and not sent");
    }
}

/// A call and a count of tokens; why the transport did not send the call.
async fn use_it(upstream: &Arc<HttpUpstream>, profile: &Profile) -> Option<Cause> {
    let messages = vec![Message { role: Role::User, content: "hi".into() }];
    let body = Body::Chat { messages, max_tokens: Some(8), temperature: None, stream: false };
    let counted = upstream.count_tokens(profile, &"demo-8b".into(), &body).await;
    let job = lmdeck::engine::ports::UpstreamJob {
        profile: Arc::new(profile.clone()),
        model: "demo-8b".into(),
        body,
        local_only: false,
        through: Vec::new(),
        time_left: std::time::Duration::from_secs(5),
    };
    let sent = upstream.start(job).await;
    let engine = engine_on(upstream.clone(), vec![profile.clone()]).await;
    let (_, outcome) = collect(engine.handle.dispatch(ask("p/demo-8b"))).await;
    assert_eq!(outcome.failure.is_some(), sent.is_err());
    let Reply::Tested(report) =
        engine.handle.ask(Command::TestSaved { id: profile.id.clone(), answer: true, run: RunId(1) }).await
    else {
        panic!("no report")
    };
    assert_eq!(report.failure.is_some(), sent.is_err(), "{report:?}");
    engine.stop().await;
    let failure = sent.err()?;
    assert!(counted.is_err());
    Some(failure.cause)
}
