//! Models that are kept in memory by hours and moments: what is told to which server when, what a person's own hand
//! changes about it, and what is said of it.

use crate::config::Place;
use crate::models::{Stopped, settle};
use crate::support::engine::{House, house, profile};
use crate::support::sim::{LmStudioApi, Sim, SimKind, SimModel};
use lmdeck::adapters::http::HttpUpstream;
use lmdeck::domain::config::{Profile, Severity};
use lmdeck::domain::failure::{ErrorCode, Failure};
use lmdeck::domain::health::ModelInfo;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::schedule::{Hours, Moments, Warmth};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::{ModelAct, ModelJob, Upstream};
use lmdeck::engine::protocol::{Command, EventKind, ProviderView, Reply, WarmStanding};
use lmdeck::present::{events, warm as words};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::time::sleep;

/// The engine's clock stands at Friday, 22:14 of UTC, when a test begins.
const NOW: &str = "fri 22:00-23:00";

fn kept(id: &str, kind: Kind, keep: Option<&str>, preload: Option<&str>) -> Profile {
    let mut made = profile(id, kind, &["b"]);
    made.models[0].warmth = Warmth {
        keep: keep.map(|hours| Hours::parse(hours).unwrap()),
        preload: preload.map(|moments| Moments::parse(moments).unwrap()),
    };
    made
}

fn model(id: &str, loaded: bool) -> ModelInfo {
    ModelInfo { loaded: Some(loaded), ..ModelInfo::named(id) }
}

async fn studio(keep: Option<&str>, preload: Option<&str>) -> House {
    house(vec![kept("studio", Kind::LmStudio, keep, preload)], |_, stage| {
        stage.probe_finds("studio", vec![model("a", true), model("b", false)]);
        stage.load_takes(Duration::from_secs(5));
    })
    .await
}

fn loads(house: &House) -> usize {
    house.stage.model_jobs().iter().filter(|(_, act)| matches!(act, ModelAct::Keep { .. })).count()
}

fn standing(view: &ProviderView) -> &WarmStanding {
    &view.warm[0].standing
}

/// Waits for the load, which its server then shows.
async fn loaded(house: &House, events: &mut Receiver<lmdeck::engine::protocol::Event>) -> String {
    settle(house, |view| view.loading.iter().any(|load| !load.unloading)).await;
    house.stage.model_is("studio", "b", true);
    let said = told(events).await;
    let shown = |view: &ProviderView| *standing(view) == WarmStanding::Loaded && view.loading.is_empty();
    settle(house, |view| shown(view) && view.warm[0].loaded_since.is_some()).await;
    said
}

async fn told(events: &mut Receiver<lmdeck::engine::protocol::Event>) -> String {
    loop {
        let event = events.recv().await.unwrap();
        if matches!(event.kind, EventKind::KeptWarm { .. }) {
            return events::sentence(&event.kind, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_its_hours_a_model_is_loaded_whenever_it_is_not_there_and_afterwards_left_alone() {
    let house = studio(Some(NOW), None).await;
    let mut events = house.engine.handle.events();
    assert_eq!(loaded(&house, &mut events).await, "studio/b was loaded to be kept warm: 5 s.");
    assert_eq!(house.stage.model_jobs()[0].0.to_string(), "studio/b");
    let view = settle(&house, |view| *standing(view) == WarmStanding::Loaded).await;
    let now = view.warm[0].loaded_since.unwrap().plus(Duration::from_mins(12));
    assert_eq!(words::line(&view.warm[0], now), "b kept warm fri 22:00-23:00; loaded 12 min ago");

    // Its server throws it out.
    sleep(Duration::from_mins(10)).await;
    house.stage.model_is("studio", "b", false);
    loaded(&house, &mut events).await;
    assert_eq!(loads(&house), 2);
    sleep(Duration::from_mins(50)).await;
    assert_eq!(loads(&house), 2, "what is there is not loaded again");
    house.stage.model_is("studio", "b", false);
    settle(&house, |view| *standing(view) == WarmStanding::Resting).await;
    sleep(Duration::from_hours(2)).await;
    assert_eq!(loads(&house), 2, "its hours are over");
}

#[tokio::test(start_paused = true)]
async fn what_a_person_unloads_stays_unloaded_until_the_next_hours_and_a_load_by_hand_ends_that() {
    let house = studio(Some("daily 22:00-23:00"), None).await;
    let mut events = house.engine.handle.events();
    loaded(&house, &mut events).await;
    let unload = || Command::UnloadModel { provider: "studio".into(), model: "b".into() };
    house.stage.model_is("studio", "b", false);
    assert!(matches!(house.engine.handle.ask(unload()).await, Reply::Model(_)));
    let view = settle(&house, |view| *standing(view) == WarmStanding::Held).await;
    assert!(words::line(&view.warm[0], UnixMs(0)).ends_with("unloaded by you: left alone until its next hours"));
    sleep(Duration::from_hours(3)).await;
    assert_eq!(loads(&house), 1);
    // The next evening.
    sleep(Duration::from_hours(20)).await;
    assert_eq!(loads(&house), 1);
    for _ in 0..120 {
        sleep(Duration::from_mins(1)).await;
        if loads(&house) > 1 {
            break;
        }
    }
    loaded(&house, &mut events).await;
    assert_eq!(loads(&house), 2);
    house.stage.model_is("studio", "b", false);
    house.engine.handle.ask(unload()).await;
    settle(&house, |view| *standing(view) == WarmStanding::Held).await;
    let load = Command::LoadModel { provider: "studio".into(), model: "b".into(), context: None };
    house.stage.model_is("studio", "b", true);
    assert!(matches!(house.engine.handle.ask(load).await, Reply::Model(_)));
    settle(&house, |view| *standing(view) == WarmStanding::Loaded).await;
    sleep(Duration::from_mins(10)).await;
    house.stage.model_is("studio", "b", false);
    loaded(&house, &mut events).await;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_its_server_has_no_room_for_is_not_loaded_without_end() {
    let house = studio(Some("fri,sat 00:00-24:00"), None).await;
    let mut events = house.engine.handle.events();
    // Each load works, and the next look finds it gone.
    let mut said = Vec::new();
    while !said.last().is_some_and(|last: &String| last.contains("left alone")) {
        said.push(told(&mut events).await);
    }
    assert_eq!(loads(&house), 4, "{said:#?}");
    let view = settle(&house, |view| matches!(standing(view), WarmStanding::GaveUp { .. })).await;
    assert!(words::line(&view.warm[0], UnixMs(0)).contains("it may have no room for it beside others"));
}

#[tokio::test(start_paused = true)]
async fn a_paused_provider_is_told_nothing() {
    let house = studio(Some("mon-thu 08:00-09:00; sat 00:00-24:00"), None).await;
    let paused = |paused| Command::Pause { id: "studio".into(), paused };
    house.engine.handle.ask(paused(true)).await;
    settle(&house, |view| *standing(view) == WarmStanding::Away).await;
    sleep(Duration::from_hours(4)).await;
    assert_eq!(loads(&house), 0);
    house.engine.handle.ask(paused(false)).await;
    sleep(Duration::from_mins(1)).await;
    assert!(loads(&house) >= 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_cloud_is_ever_loaded_and_no_server_that_cannot() {
    let always = Some("daily 00:00-24:00");
    let house = house(
        vec![
            kept("claude", Kind::Anthropic, always, Some("22:10")),
            kept("llama", Kind::LlamaCpp, always, None),
            kept("ollama", Kind::Ollama, always, Some("22:10")),
        ],
        |_, stage| {
            for id in ["claude", "llama"] {
                stage.probe_finds(id, vec![model("b", false)]);
            }
            stage.probe_finds("ollama", vec![ModelInfo { remote: true, ..model("b", false) }]);
        },
    )
    .await;
    sleep(Duration::from_hours(3)).await;
    assert!(house.stage.model_jobs().is_empty());
    let snapshot = house.engine.handle.snapshot();
    assert_eq!(*standing(&snapshot.providers[1]), WarmStanding::Powerless);
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_tried_again_ever_later_and_given_up_until_the_next_hours() {
    let house = studio(Some("daily 22:00-24:00"), None).await;
    house.stage.load_fails(Failure::plain(ErrorCode::ModelLoadFailed, "not enough memory"));
    let mut events = house.engine.handle.events();
    let first = told(&mut events).await;
    assert_eq!(first, "studio/b could not be loaded to be kept warm: load failed. It is tried again in 30 s.");
    assert!(told(&mut events).await.ends_with("It is tried again in 2 min."));
    assert!(told(&mut events).await.ends_with("It is tried again in 8 min."));
    let last = told(&mut events).await;
    assert!(last.contains("left alone until its next hours: lmdeck models load studio/b"), "{last}");
    let view = settle(&house, |view| matches!(standing(view), WarmStanding::GaveUp { .. })).await;
    assert!(words::line(&view.warm[0], UnixMs(0)).ends_with("given up until its next hours: not enough memory"));
    sleep(Duration::from_hours(12)).await;
    assert_eq!(loads(&house), 4);
    sleep(Duration::from_hours(12)).await;
    assert!(loads(&house) > 4, "the next evening");
}

#[tokio::test(start_paused = true)]
async fn a_preload_comes_once_at_its_moment() {
    let house = studio(None, Some("fri 22:30; sat 08:00")).await;
    sleep(Duration::from_mins(14)).await;
    assert_eq!(loads(&house), 0);
    let mut events = house.engine.handle.events();
    assert_eq!(loaded(&house, &mut events).await, "studio/b was loaded to be kept warm: 5 s.");
    sleep(Duration::from_hours(1)).await;
    house.stage.model_is("studio", "b", false);
    sleep(Duration::from_hours(8)).await;
    assert_eq!(loads(&house), 1, "nobody keeps it");
    sleep(Duration::from_hours(3)).await;
    assert_eq!(loads(&house), 2);
}

// ---- what servers are told ----

#[tokio::test]
async fn ollama_is_told_how_long_and_keeps_the_window_it_has_and_lm_studio_loads_once() {
    let keep = ModelAct::Keep { stay: Duration::from_mins(15) };
    let upstream = HttpUpstream::new(Arc::new(Stopped)).unwrap();
    let told = async |sim: &Sim, model: &str| {
        upstream.model(ModelJob { profile: Arc::new(sim.profile("p")), model: model.into(), act: keep }).await
    };
    let ollama = Sim::start(SimKind::Ollama).await;
    ollama.set_models(vec![
        SimModel::unloaded("demo:latest"),
        SimModel { remote: true, loaded: false, ..SimModel::named("huge:cloud") },
    ]);
    assert!(!told(&ollama, "demo").await.unwrap().already);
    assert!(told(&ollama, "demo").await.unwrap().already);
    let asked: Vec<_> =
        ollama.seen().into_iter().filter(|seen| seen.path == "/api/generate").map(|seen| seen.json()).collect();
    assert_eq!(asked[0], serde_json::json!({"model": "demo:latest", "stream": false, "keep_alive": "900s"}));
    assert_eq!(asked[1]["options"]["num_ctx"], serde_json::json!(ollama.models()[0].context));
    assert!(asked.iter().all(|asked| asked.get("prompt").is_none()), "nothing is ever written by it");
    let refused = told(&ollama, "huge:cloud").await.unwrap_err();
    assert!(refused.message.contains("runs at Ollama's own service"), "{}", refused.message);

    let studio = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    studio.set_models(vec![SimModel::unloaded("acme/b")]);
    assert!(!told(&studio, "acme/b").await.unwrap().already);
    assert!(told(&studio, "acme/b").await.unwrap().already);
    assert_eq!(studio.asked("/api/v1/models/load"), 1);
}

// ---- the file ----

fn file(models: &str) -> String {
    format!("providers:\n  - id: studio\n    type: lm_studio\n    models:\n      - id: b\n{models}")
}

#[test]
fn hours_and_moments_are_read_from_a_model_s_section() {
    let loaded = Place::holding(&file("        keep_warm: mon-fri 08:00-18:00\n        preload: mon-fri 07:55\n"))
        .load(&[])
        .unwrap();
    assert_eq!(loaded.issues, []);
    let warmth = &loaded.config.providers[0].models[0].warmth;
    assert_eq!(warmth.words(), "kept warm mon-fri 08:00-18:00, preloaded mon-fri 07:55");
    let always = Place::holding(&file("        keep_warm: true\n")).load(&[]).unwrap();
    assert_eq!(always.config.providers[0].models[0].warmth.words(), "kept warm all the time");
    let never = Place::holding(&file("        keep_warm: false\n")).load(&[]).unwrap();
    assert!(never.config.providers[0].models[0].warmth.is_none());
}

#[test]
fn what_cannot_be_read_says_where_and_why() {
    for (line, column, said) in [
        ("        keep_warm: mon-fri 08:00-25:00\n", 20, "(\"25:00\" is no time of day: write it as in 08:30)"),
        ("        keep_warm: weekdays\n", 20, "has no end"),
        ("        keep_warm: 8\n", 20, "keep_warm: expected true, false or hours such as mon-fri 08:00-18:00"),
        ("        preload: fry 07:55\n", 18, "\"fry\" is no day"),
    ] {
        let unusable = Place::holding(&file(line)).load(&[]).unwrap_err();
        let error = unusable.issues.iter().find(|issue| issue.severity == Severity::Error).unwrap();
        assert_eq!((error.line, error.column), (Some(6), Some(column)), "{error:?}");
        assert!(error.message.contains(said) && !error.remedy.is_empty(), "{error:?}");
    }
}

#[test]
fn where_no_model_can_be_loaded_the_check_says_so() {
    for (kind, address, why) in [
        ("llama_cpp", "http://127.0.0.1:8080", "holds the model it was started with"),
        ("openai_compatible", "http://127.0.0.1:9000/v1", "no known way to load a model"),
        ("z_ai_glm", "https://api.z.ai/api/paas/v4", "runs its models itself"),
        ("ollama", "https://models.example.com", "it is for servers of this machine or network"),
    ] {
        let text = format!(
            "providers:\n  - id: p\n    type: {kind}\n    endpoint: {address}\n    models:\n      - id: m\n        keep_warm: true\n"
        );
        let loaded = Place::holding(&text).load(&[("Z_AI_API_KEY", "k")]).unwrap();
        let issue = loaded.issues.iter().find(|issue| issue.message.starts_with("keep_warm has no effect")).unwrap();
        assert_eq!((issue.severity, issue.line), (Severity::Warning, Some(7)));
        assert!(issue.message.contains(why) && !issue.remedy.is_empty(), "{issue:?}");
    }
}

#[test]
fn plans_are_read_and_what_is_odd_about_them_is_said() {
    let plan = |lines: &str| {
        let text =
            format!("providers:\n  - id: zai\n    type: z_ai_glm\n    authToken: abcdefgh12345\n    plan:\n{lines}");
        Place::holding(&text).load(&[])
    };
    let loaded = plan("      { requests: 120, window: 5h, resets: first_call, week: { requests: 600 } }\n").unwrap();
    let read = loaded.config.providers[0].plan.clone().unwrap();
    let hours: Vec<_> = read.windows.iter().map(|window| window.length.as_secs() / 3600).collect();
    assert_eq!((hours, read.windows[1].requests), (vec![5, 168], Some(600)));
    assert!(plan("      { window: 18000, tokens: 100000 }\n").unwrap().config.providers[0].plan.is_some());
    for (lines, said) in [
        ("      requests: 120\n", "nothing says over which time it counts"),
        ("      window: 5h\n", "nothing says how much a window holds"),
        ("      requests: 120\n      window: soon\n", "window: expected a span such as 5h"),
        ("      requests: 120\n      window: 1s\n", "window: expected a span such as 5h"),
        ("      requests: 120\n      window: 48h\n      resets: clock\n", "with resets: clock it is at most a day"),
    ] {
        let unusable = plan(lines).unwrap_err();
        let error = unusable.issues.iter().find(|issue| issue.severity == Severity::Error).unwrap();
        assert!(error.message.contains(said) && error.line.is_some_and(|line| line >= 5), "{error:?}");
        assert!(!error.remedy.is_empty());
    }
}
