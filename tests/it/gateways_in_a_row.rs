//! A gateway whose provider is another gateway: what must stay at home stays there, and nothing goes round in a circle.

use crate::support::engine::{TokioClock, engine_over};
use crate::support::sim::{Sim, SimKind, SimModel, profile_at};
use lmdeck::adapters::http::HttpUpstream;
use lmdeck::domain::config::{Config, Endpoint, Profile};
use lmdeck::domain::incident::Past;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::routing::Policy;
use lmdeck::engine::Engine;
use lmdeck::engine::ports::{Clock as _, Upstream as _};
use lmdeck::gateway::{self, GatewayOptions};
use serde_json::{Value, json};
use std::sync::Arc;

/// A gateway with its engine.
struct Gateway {
    base: String,
    instance: String,
    _engine: Engine,
}

impl Gateway {
    async fn over(providers: Vec<Profile>, policies: Vec<Policy>) -> Self {
        let mut config = Config { providers, ..Config::default() };
        config.rules.policies = policies;
        let upstream = HttpUpstream::new(Arc::new(TokioClock)).unwrap();
        let instance = upstream.instance().unwrap().to_owned();
        let (engine, ..) = engine_over(config, Past::default(), Arc::new(upstream)).await;
        let options = GatewayOptions::default();
        let listener = gateway::bind("127.0.0.1:0".parse().unwrap(), &options).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let clock = || TokioClock.now();
        tokio::spawn(gateway::serve(listener, engine.handle.clone(), options, clock, std::future::pending()));
        Self { base, instance, _engine: engine }
    }

    fn as_provider(&self, id: &str) -> Profile {
        let port = self.base.rsplit(':').next().unwrap().parse().unwrap();
        profile_at(id, Kind::OpenaiCompatible, Endpoint::http("127.0.0.1", port), None)
    }

    async fn ask(&self, model: &str, headers: &[(&'static str, &str)]) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let mut request = client.post(format!("{}/v1/chat/completions", self.base)).body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }
}

fn stays_at_home() -> Policy {
    Policy { name: "private".into(), local_only: true, ..Policy::default() }
}

/// A server on this machine that has one model of its own and runs another one elsewhere.
async fn server_with_a_remote_model() -> Sim {
    let sim = Sim::start(SimKind::Ollama).await;
    sim.set_models(vec![SimModel::named("small"), SimModel { remote: true, ..SimModel::named("big:cloud") }]);
    sim
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_at_home_stays_there_behind_a_second_gateway_too() {
    let sim = server_with_a_remote_model().await;
    let inner = Gateway::over(vec![sim.profile("ollama")], Vec::new()).await;
    let free = Gateway::over(vec![inner.as_provider("next")], Vec::new()).await;
    let (status, _) = free.ask("next/ollama/big:cloud", &[]).await;
    assert_eq!((status, sim.chats().len()), (200, 1), "without a rule it goes out");

    let guarded = Gateway::over(vec![inner.as_provider("next")], vec![stays_at_home()]).await;
    let (status, body) = guarded.ask("next/ollama/big:cloud", &[]).await;
    assert!(status >= 400, "{status}: {body}");
    assert_eq!(sim.chats().len(), 1, "the second gateway keeps what the first one promised");
    let (status, body) = guarded.ask("next/ollama/small", &[]).await;
    assert_eq!((status, sim.chats().len()), (200, 2), "what is at home is asked: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_keep_a_request_at_home_by_itself() {
    let sim = server_with_a_remote_model().await;
    let gateway = Gateway::over(vec![sim.profile("ollama")], Vec::new()).await;
    let (status, body) = gateway.ask("ollama/big:cloud", &[("x-lmdeck-local-only", "on")]).await;
    assert!(status >= 400 && body.to_string().contains("the caller keeps this call local"), "{status}: {body}");
    assert!(sim.chats().is_empty());
    let (status, body) = gateway.ask("ollama/small", &[("x-lmdeck-local-only", "perhaps")]).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("x-lmdeck-local-only")), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_back_is_refused_and_nobody_is_asked_again() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let gateway = Gateway::over(vec![sim.profile("local")], Vec::new()).await;
    let (status, _) = gateway.ask("local", &[("x-lmdeck-hop", "first")]).await;
    let seen = sim.chats().remove(0);
    assert_eq!((status, seen.header("x-lmdeck-hop")), (200, &*format!("first,{}", gateway.instance)));

    let round = format!("other, {}", gateway.instance);
    let (status, body) = gateway.ask("local", &[("x-lmdeck-hop", &round)]).await;
    assert_eq!(status, 400, "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains("leads back to lmdeck's own gateway"), "{body}");
    let far = ["x"; 8].join(",");
    assert_eq!(gateway.ask("local", &[("x-lmdeck-hop", &far)]).await.0, 400, "nor does it go on for ever");
    assert_eq!(sim.chats().len(), 1);
}
