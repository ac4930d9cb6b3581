//! Models: what each kind of server says of them, loading and unloading, what changed, and that looking never
//! costs anything.

use crate::support::engine::{Act, House, ask, house};
use crate::support::sim::{LmStudioApi, Sim, SimKind, SimModel};
use lmdeck::adapters::http::{HttpUpstream, Surroundings, SystemLookup};
use lmdeck::adapters::wire::lists;
use lmdeck::domain::config::Profile;
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{Activity, ModelInfo, ProbeFound};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::{Clock, ModelAct, ModelDone, ModelJob, Upstream};
use lmdeck::engine::protocol::{CallEvent, Command, EventKind, ProbeWhich, ProviderView, Reply};
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

pub struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixMs {
        UnixMs(1_780_000_000_000)
    }

    fn day_start(&self, _: UnixMs, _: Option<&str>) -> UnixMs {
        UnixMs(0)
    }
}

fn upstream() -> HttpUpstream {
    let surroundings = Surroundings { lookup: Arc::new(SystemLookup), home: None, ports: Vec::new() };
    HttpUpstream::with(Arc::new(Stopped), surroundings).unwrap()
}

async fn look(upstream: &HttpUpstream, profile: &Profile) -> Result<ProbeFound, Failure> {
    upstream.probe(Arc::new(profile.clone())).await.outcome
}

async fn act(upstream: &HttpUpstream, profile: &Profile, model: &str, act: ModelAct) -> Result<ModelDone, Failure> {
    upstream.model(ModelJob { profile: Arc::new(profile.clone()), model: model.into(), act }).await
}

const LOAD: ModelAct = ModelAct::Load { context: None };

fn find<'a>(found: &'a ProbeFound, id: &str) -> &'a ModelInfo {
    found.models.iter().find(|model| model.id.as_str() == id).unwrap()
}

// ---- golden files: every list as its server writes it, and what is read out of it ----

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// One line per model: what is not known is left out.
fn told(models: &[ModelInfo]) -> String {
    let mut out = String::new();
    for model in models {
        let mut line = model.id.to_string();
        let mut say = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = write!(line, " | {name} {value}");
            }
        };
        say("loaded", model.loaded.map(|loaded| loaded.to_string()));
        say("no", (!model.chat).then(|| "chat".to_owned()));
        say("runs", model.remote.then(|| "elsewhere".to_owned()));
        say("context", model.context.map(|tokens| tokens.to_string()));
        say("of", model.max_context.map(|tokens| tokens.to_string()));
        say("quant", model.quantization.clone());
        say("bytes", model.size_bytes.map(|bytes| bytes.to_string()));
        say("memory", model.memory_bytes.map(|bytes| bytes.to_string()));
        say("called", model.display_name.clone());
        say("parameters", model.parameters.clone());
        say("architecture", model.architecture.clone());
        say("format", model.format.clone());
        let can = model.can.words();
        say("can", (!can.is_empty()).then(|| can.join("+")));
        let copies: Vec<_> =
            model.instances.iter().map(|copy| format!("{}={}", copy.id, copy.context.unwrap_or(0))).collect();
        say("copies", (!copies.is_empty()).then(|| copies.join(" ")));
        say("builds", (!model.variants.is_empty()).then(|| model.variants.join(" ")));
        say("expires", model.expires.map(|at| at.0.to_string()));
        say(
            "price",
            model.price.map(|price| {
                let cached = price.cached_input.map(|cached| format!(" cached {}", cached.0)).unwrap_or_default();
                let written = price.cache_write.map(|written| format!(" written {}", written.0)).unwrap_or_default();
                format!("{} {}{cached}{written}", price.input.0, price.output.0)
            }),
        );
        out += &line;
        out.push('\n');
    }
    out
}

macro_rules! golden {
    ($reader:path, $name:literal) => {{
        let listed = $reader(&json(include_str!(concat!("golden/lists/", $name, ".json")))).unwrap();
        assert_eq!(listed.malformed, None, $name);
        assert_eq!(told(&listed.models), include_str!(concat!("golden/lists/", $name, ".expected")), $name);
        listed
    }};
}

#[test]
fn lm_studio_s_lists_of_all_generations_are_read_as_they_are_written() {
    let v1 = golden!(lists::lm_studio_v1, "lm_studio_v1");
    golden!(lists::lm_studio_v0, "lm_studio_v0");
    let compat = golden!(lists::data_list, "lm_studio_compat");
    let none = golden!(lists::data_list, "lm_studio_jit_off");
    // One model on disk is in the compatible list: it would be loaded by a call. In an empty list it would not.
    assert_eq!(lists::lm_studio_jit(&v1.models, &compat.models), Some(true));
    assert_eq!(lists::lm_studio_jit(&v1.models, &none.models), Some(false));
    assert_eq!(lists::lm_studio_jit(&v1.models[..1], &none.models), None);
}

#[test]
fn ollama_s_documents_are_read_as_they_are_written() {
    golden!(lists::ollama_tags, "ollama_tags");
    let (loaded, odd) = lists::ollama_loaded(&json(include_str!("golden/lists/ollama_ps.json"))).unwrap();
    let demo = loaded["demo:8b"];
    assert_eq!((demo.context, demo.memory_bytes, odd), (Some(4096), Some(6_654_289_920), None));
    assert_eq!(demo.expires, Some(UnixMs(1_795_295_685_500)));
    let shown = lists::ollama_shown(&json(include_str!("golden/lists/ollama_show.json")));
    assert_eq!((shown.max_context, shown.chat, shown.can.tools), (Some(40_960), Some(true), Some(true)));
    assert_eq!((shown.can.reasoning, shown.can.images), (Some(true), Some(false)));
}

#[test]
fn llama_cpp_and_vllm_are_read_as_they_write() {
    golden!(lists::llama_models, "llama_cpp_models");
    golden!(lists::llama_models, "llama_cpp_loading");
    let props = lists::llama_props(&json(include_str!("golden/lists/llama_cpp_props.json")));
    assert_eq!((props.context, props.slots, props.version.as_deref()), (Some(2048), Some(4), Some("b6910-0a1b2c3")));
    assert_eq!((props.can.tools, props.can.images), (Some(true), Some(false)));
    let (slots, window) = lists::llama_slots(&json(include_str!("golden/lists/llama_cpp_slots.json"))).unwrap();
    assert_eq!((slots.slots_busy, slots.slots_total, window), (Some(1), Some(2), Some(2048)));
    let metrics = lists::llama_metrics(include_str!("golden/lists/llama_cpp_metrics.txt"));
    assert_eq!((metrics.slots_busy, metrics.queued, metrics.kv_cache_permille), (Some(1), Some(3), Some(431)));

    let vllm = golden!(lists::data_list, "vllm_models");
    assert_eq!(vllm.owner.as_deref(), Some("vllm"));
    let metrics = lists::vllm_metrics(include_str!("golden/lists/vllm_metrics.txt"));
    let wanted = Activity { slots_busy: Some(4), queued: Some(2), kv_cache_permille: Some(625), ..Activity::default() };
    assert_eq!(metrics, wanted);
}

#[test]
fn openrouter_s_prices_are_exact_and_a_negative_one_is_unknown() {
    golden!(lists::openrouter_list, "openrouter_models");
}

#[test]
fn what_is_not_as_expected_is_said_with_its_place_whatever_the_server() {
    let said = |listed: Result<lists::Listed, String>| listed.unwrap().malformed.unwrap();
    assert_eq!(
        said(lists::lm_studio_v1(&json(
            r#"{"models":[{"key":"a","loaded_instances":[{"id":"a","config":{"context_length":"8k"}}]}]}"#
        ))),
        "models[0].loaded_instances[0].config.context_length: expected a whole number, came the text \"8k\""
    );
    assert_eq!(
        said(lists::lm_studio_v1(&json(r#"{"models":[{"key":"a","type":"dreamer"}]}"#))),
        "models[0].type: expected llm or embedding or vlm, came the text \"dreamer\""
    );
    assert_eq!(
        said(lists::lm_studio_v0(&json(r#"{"data":[{"id":"a","state":"asleep"}]}"#))),
        "data[0].state: expected loaded or not-loaded or loading, came the text \"asleep\""
    );
    assert_eq!(
        said(lists::ollama_tags(&json(r#"{"models":[{"name":"a","details":[]}]}"#))),
        "models[0].details: expected an object, came a list"
    );
    assert_eq!(
        said(lists::openrouter_list(&json(r#"{"data":[{"id":"a","pricing":{"prompt":"cheap","completion":"0"}}]}"#))),
        "data[0].pricing.prompt: expected a decimal number in a text, came the text \"cheap\""
    );
    let (_, odd) = lists::ollama_loaded(&json(r#"{"models":[{"name":"a","context_length":-1}]}"#)).unwrap();
    assert_eq!(odd.unwrap(), "models[0].context_length: expected a whole number, came the number -1");
}

// ---- looking is free ----

#[tokio::test]
async fn no_look_at_any_server_costs_money_or_loads_a_model() {
    for kind in [
        SimKind::LmStudio(LmStudioApi::V1),
        SimKind::LmStudio(LmStudioApi::V0),
        SimKind::LmStudio(LmStudioApi::Compat),
        SimKind::Ollama,
        SimKind::LlamaCpp,
        SimKind::Vllm,
        SimKind::ZAi,
        SimKind::Openai,
        SimKind::Anthropic,
        SimKind::Openrouter,
        SimKind::OpenaiCompatible,
    ] {
        let sim = Sim::start(kind).await;
        sim.set_models(vec![SimModel::named("a"), SimModel::unloaded("b")]);
        let upstream = upstream();
        for _ in 0..2 {
            look(&upstream, &sim.profile("p")).await.unwrap();
        }
        // The one POST describes a model: it is documented to read its files only.
        for request in sim.seen() {
            let free = request.method == "GET" || request.path == "/api/show";
            assert!(free, "{kind:?}: {} {}", request.method, request.path);
        }
        assert!(!sim.models()[1].loaded, "{kind:?}");
    }
}

// ---- what a look finds out ----

#[tokio::test]
async fn lm_studio_tells_whether_models_load_on_demand() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![SimModel::named("a"), SimModel::unloaded("b")]);
    assert_eq!(look(&upstream(), &sim.profile("p")).await.unwrap().jit, Some(true));
    sim.jit(false);
    let found = look(&upstream(), &sim.profile("p")).await.unwrap();
    assert_eq!((found.jit, found.models.len()), (Some(false), 2));
    // With everything loaded nobody can tell, and nothing more is asked.
    sim.set_models(vec![SimModel::named("a")]);
    let before = sim.asked("/v1/models");
    assert_eq!(look(&upstream(), &sim.profile("p")).await.unwrap().jit, None);
    assert_eq!(sim.asked("/v1/models"), before);
}

#[tokio::test]
async fn ollama_tells_what_is_loaded_for_how_long_and_with_what() {
    let sim = Sim::start(SimKind::Ollama).await;
    sim.set_models(vec![
        SimModel { tools: true, ..SimModel::named("demo:8b") },
        SimModel::unloaded("other:latest"),
        SimModel { remote: true, loaded: false, ..SimModel::named("huge:cloud") },
    ]);
    let upstream = upstream();
    let found = look(&upstream, &sim.profile("p")).await.unwrap();
    let demo = find(&found, "demo:8b");
    assert_eq!((demo.loaded, demo.context, demo.max_context), (Some(true), Some(4096), Some(131_072)));
    assert_eq!((demo.can.tools, demo.memory_bytes), (Some(true), Some(4_900_000_000)));
    assert!(demo.expires.is_some());
    assert_eq!(found.activity.memory_bytes, Some(4_900_000_000));
    assert!(found.version.is_some());
    assert_eq!((find(&found, "huge:cloud").remote, find(&found, "huge:cloud").loaded), (true, None));
    // Each build is described once; what runs elsewhere never.
    look(&upstream, &sim.profile("p")).await.unwrap();
    assert_eq!(sim.asked("/api/show"), 2);
    assert_eq!(sim.asked("/api/version"), 1);
}

#[tokio::test]
async fn a_llama_server_that_still_loads_says_so_and_its_absent_routes_are_asked_once() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    sim.starting(true);
    let upstream = upstream();
    let failure = look(&upstream, &sim.profile("p")).await.unwrap_err();
    assert_eq!((failure.code, &failure.cause), (ErrorCode::Overloaded, &Cause::StillLoading));
    assert_eq!(failure.message, "the server is still loading its model");
    sim.starting(false);
    sim.metrics(false);
    for _ in 0..3 {
        let found = look(&upstream, &sim.profile("p")).await.unwrap();
        assert_eq!(found.models[0].loaded, Some(true));
        assert!(found.version.is_some());
    }
    assert_eq!(sim.asked("/metrics"), 1, "a server without metrics is asked for them once");
    assert_eq!(sim.asked("/props"), 1);
}

#[tokio::test]
async fn a_server_of_another_kind_than_its_profile_says_is_recognised() {
    for (sim_kind, written, shown) in [
        (SimKind::LmStudio(LmStudioApi::V1), Kind::OpenaiCompatible, Some(Kind::LmStudio)),
        (SimKind::LlamaCpp, Kind::OpenaiCompatible, Some(Kind::LlamaCpp)),
        (SimKind::Vllm, Kind::OpenaiCompatible, Some(Kind::Vllm)),
        (SimKind::Ollama, Kind::OpenaiCompatible, Some(Kind::Ollama)),
        (SimKind::LlamaCpp, Kind::Vllm, Some(Kind::LlamaCpp)),
        (SimKind::OpenaiCompatible, Kind::OpenaiCompatible, None),
        (SimKind::LlamaCpp, Kind::LlamaCpp, None),
    ] {
        let sim = Sim::start(sim_kind).await;
        let profile = crate::support::sim::profile_at("p", written, sim.endpoint(), None);
        let upstream = upstream();
        let found = look(&upstream, &profile).await.unwrap();
        assert_eq!(found.looks_like, shown, "{sim_kind:?} as {written}");
        let asked = sim.seen().len();
        assert_eq!(look(&upstream, &profile).await.unwrap().looks_like, shown, "{sim_kind:?} as {written}");
        assert!(sim.seen().len() - asked <= 5, "{sim_kind:?}: what it is was asked again");
    }
}

// ---- load and unload ----

#[tokio::test]
async fn lm_studio_loads_with_a_context_and_unloads_by_the_name_of_the_copy() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![SimModel::named("a"), SimModel::unloaded("acme/b")]);
    let (upstream, profile) = (upstream(), sim.profile("p"));
    let done = act(&upstream, &profile, "acme/b", ModelAct::Load { context: Some(16_384) }).await.unwrap();
    let wanted = ModelDone { already: false, context: Some(16_384), instances: vec!["acme/b".into()] };
    assert_eq!(done, wanted);
    let found = look(&upstream, &profile).await.unwrap();
    assert_eq!((find(&found, "acme/b").loaded, find(&found, "acme/b").context), (Some(true), Some(16_384)));

    // Once more is nothing to do; with another window it would be a second copy beside the first.
    assert!(act(&upstream, &profile, "acme/b", LOAD).await.unwrap().already);
    let failure = act(&upstream, &profile, "acme/b", ModelAct::Load { context: Some(8192) }).await.unwrap_err();
    assert!(failure.message.contains("loaded with a context of 16384: unload it first"), "{}", failure.message);

    let done = act(&upstream, &profile, "acme/b", ModelAct::Unload).await.unwrap();
    assert_eq!(done.instances, ["acme/b"]);
    assert!(!sim.models()[1].loaded);
    assert!(act(&upstream, &profile, "acme/b", ModelAct::Unload).await.unwrap().already);
    let failure = act(&upstream, &profile, "c", LOAD).await.unwrap_err();
    assert_eq!(failure.cause, Cause::UnknownModel { offered: vec!["a".into(), "acme/b".into()] });
}

#[tokio::test]
async fn ollama_loads_without_a_prompt_and_unloads_by_no_time_to_live() {
    let sim = Sim::start(SimKind::Ollama).await;
    sim.set_models(vec![
        SimModel::unloaded("demo:latest"),
        SimModel { remote: true, loaded: false, ..SimModel::named("huge:cloud") },
    ]);
    let (upstream, profile) = (upstream(), sim.profile("p"));
    act(&upstream, &profile, "demo", ModelAct::Load { context: Some(8192) }).await.unwrap();
    assert_eq!((sim.models()[0].loaded, sim.models()[0].context), (true, 8192));
    let request = sim.seen().into_iter().find(|request| request.path == "/api/generate").unwrap();
    assert_eq!(
        request.json(),
        serde_json::json!({"model": "demo:latest", "stream": false, "options": {"num_ctx": 8192}})
    );
    act(&upstream, &profile, "demo:latest", ModelAct::Unload).await.unwrap();
    assert!(!sim.models()[0].loaded);
    let failure = act(&upstream, &profile, "huge:cloud", LOAD).await.unwrap_err();
    assert!(failure.message.contains("runs at Ollama's own service"), "{}", failure.message);
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_says_why_in_the_server_s_words() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![SimModel::unloaded("big")]);
    sim.load_fails(Some("not enough memory"));
    let failure = act(&upstream(), &sim.profile("p"), "big", LOAD).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::ModelLoadFailed, "{}", failure.message);
    assert!(failure.message.contains("not enough memory"), "{}", failure.message);
}

#[tokio::test]
async fn servers_without_an_interface_for_it_are_told_nothing() {
    for kind in [SimKind::LlamaCpp, SimKind::Vllm, SimKind::Openai, SimKind::OpenaiCompatible] {
        let sim = Sim::start(kind).await;
        let failure = act(&upstream(), &sim.profile("p"), "demo-8b", LOAD).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::InvalidRequest, "{kind:?}");
        assert!(sim.seen().is_empty(), "{kind:?}");
    }
    let old = Sim::start(SimKind::LmStudio(LmStudioApi::V0)).await;
    let failure = act(&upstream(), &old.profile("p"), "demo-8b", LOAD).await.unwrap_err();
    assert!(failure.message.contains("older than 0.4.0"), "{}", failure.message);
}

#[tokio::test]
async fn a_load_that_takes_too_long_ends_with_the_time_of_the_profile() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    sim.set_models(vec![SimModel::unloaded("slow")]);
    sim.load_takes(Duration::from_mins(1));
    let mut profile = sim.profile("p");
    profile.timeouts.load = Duration::from_millis(200);
    let failure = act(&upstream(), &profile, "slow", LOAD).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::Timeout);
    assert!(failure.message.contains("may still be at work"), "{}", failure.message);
}

// ---- the engine: what is under way, what changed ----

fn studio() -> Vec<Profile> {
    vec![crate::support::engine::profile("studio", Kind::LmStudio, &[])]
}

fn load_command(context: Option<u64>) -> Command {
    Command::LoadModel { provider: "studio".into(), model: "b".into(), context }
}

/// A server with `a` loaded and `b` on disk.
async fn studio_house() -> House {
    let house = house(studio(), |_, stage| {
        let model = |id: &str, loaded| ModelInfo { loaded: Some(loaded), ..ModelInfo::named(id) };
        stage.probe_finds("studio", vec![model("a", true), model("b", false)]);
        stage.load_takes(Duration::from_secs(5));
    })
    .await;
    settle(&house, |view| !view.models.is_empty()).await;
    house
}

/// Waits until a picture shows what the test waits for.
pub async fn settle(house: &House, shown: impl Fn(&ProviderView) -> bool) -> Arc<ProviderView> {
    let mut pictures = house.engine.handle.snapshots();
    let picture = tokio::time::timeout(
        Duration::from_mins(2),
        pictures.wait_for(|picture| picture.providers.first().is_some_and(|view| shown(view))),
    );
    picture.await.unwrap().unwrap().providers[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_load_is_in_the_picture_goes_on_when_nobody_waits_and_its_end_is_announced() {
    let house = studio_house().await;
    let mut events = house.engine.handle.events();
    // Asked for and left: the receiver is dropped at once.
    drop(house.engine.handle.ask_later(load_command(Some(8192))).unwrap());
    let view = settle(&house, |view| !view.loading.is_empty()).await;
    assert_eq!((view.loading[0].model.as_str(), view.loading[0].last_ms), ("b", None));
    assert!(!view.loading[0].by_call);
    house.stage.model_is("studio", "b", true);
    let probes = house.stage.probes_of("studio");
    let view = settle(&house, |view| view.loading.is_empty()).await;
    assert_eq!(house.stage.probes_of("studio"), probes + 1, "a probe at once shows what is loaded");
    assert_eq!(view.models[1].loaded, Some(true));
    let told = loop {
        if let EventKind::ModelsChanged { changes, .. } = events.recv().await.unwrap().kind {
            break changes;
        }
    };
    assert_eq!(told.loaded, [("b".into(), None)]);
    assert_eq!(view.model_changes[0].changes, told);
    assert_eq!(house.stage.model_jobs()[0].1, ModelAct::Load { context: Some(8192) });

    // The next time it is shown against the time before, also by the reply.
    let unload = Command::UnloadModel { provider: "studio".into(), model: "b".into() };
    assert!(matches!(house.engine.handle.ask(unload).await, Reply::Model(report) if !report.loaded));
    let reply = house.engine.handle.ask_later(load_command(None)).unwrap();
    let view = settle(&house, |view| view.loading.iter().any(|load| !load.unloading)).await;
    let last = view.loading[0].last_ms.unwrap();
    assert!((5000..5500).contains(&last), "{last}");
    let Reply::Model(report) = reply.await.unwrap() else { panic!("it was refused") };
    assert_eq!((report.loaded, report.last_ms), (true, Some(last)));
}

#[tokio::test(start_paused = true)]
async fn two_who_ask_for_the_same_model_wait_for_one_load() {
    let house = studio_house().await;
    let (first, second) =
        tokio::join!(house.engine.handle.ask(load_command(None)), house.engine.handle.ask(load_command(None)));
    assert!(matches!((first, second), (Reply::Model(_), Reply::Model(_))));
    assert_eq!(house.stage.model_jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_is_told_to_who_waits_and_announced_when_nobody_does() {
    let house = studio_house().await;
    house.stage.load_fails(Failure::plain(ErrorCode::ModelLoadFailed, "not enough memory"));
    let Reply::Refused(refusal) = house.engine.handle.ask(load_command(None)).await else { panic!("it worked") };
    assert_eq!((refusal.message.as_str(), refusal.exit), ("not enough memory", 4));
    let mut events = house.engine.handle.events();
    drop(house.engine.handle.ask_later(load_command(None)).unwrap());
    let told = loop {
        if let EventKind::Trouble { message } = events.recv().await.unwrap().kind {
            break message;
        }
    };
    assert_eq!(told, "studio/b could not be loaded: not enough memory");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_loads_its_model_is_shown_and_its_time_remembered() {
    let house = studio_house().await;
    house.stage.acts("studio/b", [Act::SayAfter(Duration::from_secs(5), "hello there"), Act::Silence]);
    let mut events = house.engine.handle.dispatch(ask("studio/b"));
    let view = settle(&house, |view| !view.loading.is_empty()).await;
    assert!(view.loading[0].by_call);
    house.stage.model_is("studio", "b", true);
    while events.recv().await.is_some() {}
    let view = settle(&house, |view| view.loading.is_empty() && view.models[1].loaded == Some(true)).await;
    assert_eq!(view.models[1].calls, 1);

    house.stage.model_is("studio", "b", false);
    house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
    let mut events = house.engine.handle.dispatch(ask("studio/b"));
    let view = settle(&house, |view| !view.loading.is_empty()).await;
    assert!(view.loading[0].last_ms.is_some(), "the time of the first call");
    let waits = loop {
        if let CallEvent::Loading { last_ms, .. } = events.recv().await.unwrap() {
            break last_ms;
        }
    };
    assert_eq!(waits, view.loading[0].last_ms);
    let picture = house.engine.handle.snapshot();
    assert_eq!(picture.running[0].loading.unwrap().last_ms, waits);
    drop(events);
    settle(&house, |view| view.loading.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn read_only_loads_nothing() {
    let command = load_command(None);
    assert!(command.changes_something());
    let house = house(Vec::new(), |_, _| {}).await;
    assert!(matches!(house.engine.handle.ask(command).await, Reply::Refused(_)), "there is no such provider");
}

// ---- the command line ----

/// What a verb writes to one of its streams.
#[derive(Clone, Default)]
struct Sink(Arc<std::sync::Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Shell {
    out: Sink,
    err: Sink,
    stop: Arc<tokio::sync::Notify>,
}

impl Shell {
    fn new() -> Self {
        Self { out: Sink::default(), err: Sink::default(), stop: Arc::default() }
    }

    async fn run(&self, house: &House, words: &[&str], at_a_terminal: bool) -> u8 {
        let words = std::iter::once("lmdeck").chain(words.iter().copied());
        let cli = <lmdeck::cli::args::Cli as clap::Parser>::try_parse_from(words).unwrap();
        let clock = || Stopped.now();
        let console = lmdeck::cli::console::Console {
            out: Box::new(self.out.clone()),
            err: Box::new(self.err.clone()),
            err_is_terminal: at_a_terminal,
            colour_out: false,
            colour_err: false,
            clock: Arc::new(clock),
            interrupt: lmdeck::cli::console::Interrupt::Notified(self.stop.clone()),
            ..lmdeck::cli::console::Console::of_process(&cli.globals, || UnixMs(0))
        };
        lmdeck::cli::run(&cli, house.engine.handle.clone(), console).await
    }
}

#[tokio::test(start_paused = true)]
async fn models_load_waits_shows_the_time_so_far_and_says_how_long_it_took() {
    let house = studio_house().await;
    let shell = Shell::new();
    assert_eq!(shell.run(&house, &["models", "load", "studio/b", "--context", "8192"], true).await, 0);
    assert_eq!(shell.out.text(), "studio/b is loaded: 5 s\n");
    let told = shell.err.text();
    assert!(told.contains("\r-- studio/b: loading 3 s\u{1b}[K") && told.ends_with("\r\u{1b}[K"), "{told:?}");

    let shell = Shell::new();
    assert_eq!(shell.run(&house, &["--json", "models", "unload", "studio/b"], false).await, 0);
    let report: Value = serde_json::from_str(&shell.out.text()).unwrap();
    assert_eq!((&report["target"], &report["loaded"]), (&Value::from("studio/b"), &Value::from(false)));
    assert_eq!(shell.err.text(), "-- studio/b: unloading 1 s\n", "one line where nobody looks");

    let shell = Shell::new();
    assert_eq!(shell.run(&house, &["models", "load", "b"], false).await, 0);
    assert_eq!(shell.out.text(), "studio/b is loaded: 5 s, last time 5 s\n", "a model that one provider has");
    assert!(shell.err.text().contains("last time 5 s"), "{}", shell.err.text());
}

#[tokio::test(start_paused = true)]
async fn ask_says_that_the_model_has_to_load_and_how_long_that_took_before() {
    let house = studio_house().await;
    let shell = Shell::new();
    assert_eq!(shell.run(&house, &["models", "load", "studio/b"], false).await, 0);
    assert_eq!(shell.run(&house, &["models", "unload", "studio/b"], false).await, 0);
    house.stage.acts("studio/b", [Act::SayAfter(Duration::from_secs(8), "hello there")]);
    let shell = Shell::new();
    assert_eq!(shell.run(&house, &["ask", "Say hello.", "--model", "studio/b"], true).await, 0);
    assert!(shell.err.text().contains("-- studio/b has to load first, last time 5 s\n"), "{}", shell.err.text());
    assert!(shell.out.text().contains("hello there"));
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_stops_the_waiting_and_says_that_the_server_goes_on() {
    let house = studio_house().await;
    let shell = Shell::new();
    let (code, ()) = tokio::join!(shell.run(&house, &["models", "load", "studio/b"], false), async {
        settle(&house, |view| !view.loading.is_empty()).await;
        shell.stop.notify_one();
    });
    assert_eq!(code, 130);
    assert!(shell.err.text().contains("-- stopped waiting for studio/b: its server may go on"), "{}", shell.err.text());
    assert_eq!(shell.out.text(), "");
    // It does.
    house.stage.model_is("studio", "b", true);
    settle(&house, |view| view.loading.is_empty() && view.models[1].loaded == Some(true)).await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_names_no_model_is_an_error_of_usage() {
    let house = studio_house().await;
    let shell = Shell::new();
    assert_eq!(shell.run(&house, &["models", "load", "studio"], false).await, 2);
    assert!(shell.err.text().contains("studio names no model"), "{}", shell.err.text());
    assert!(house.stage.model_jobs().is_empty());
}
