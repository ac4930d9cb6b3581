//! `bench`: what is sent to whom, what is asked before money is spent, what is told of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::calls::Shell;
use crate::support::snapshot::{answered, call_records};
use lmdeck::domain::call::Body;
use lmdeck::domain::ids::Target;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::{Chosen, Decision, Explanation};
use lmdeck::engine::protocol::{CommandName, Reply};
use serde_json::json;

fn leads_to(target: Option<Target>) -> Reply {
    leads_far(target, Reach::Machine)
}

fn leads_far(target: Option<Target>, reach: Reach) -> Reply {
    let chain = target.into_iter().map(|target| Chosen { target, reach, why: "loaded".into() }).collect();
    let decision = Decision { by: "named".into(), chain, ..Decision::default() };
    Reply::Explained(Box::new(Explanation {
        decision,
        sentence: "workstation is down".into(),
        rules: vec![],
        unseen: vec![],
    }))
}

fn local() -> Target {
    Target::new("lm_studio", "openai_gpt-oss-120b-neo")
}

#[tokio::test]
async fn each_target_gets_the_same_job_so_many_times() {
    let shell = Shell::new();
    shell.engine.on(CommandName::Explain, leads_to(Some(local())));
    let record = call_records().remove(1);
    for _ in 0..2 {
        shell.engine.play(answered(&record, &["x"]));
    }
    assert_eq!(shell.run(&["bench", "lm_studio", "--runs", "2"]).await, 0, "{}", shell.err.text());
    let requests = shell.engine.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!((request.facts.client.as_str(), request.facts.max_tokens), ("bench", 500));
        assert_eq!(request.facts.requested_model, local().to_string());
        assert!(matches!(request.body, Body::Chat { max_tokens: Some(500), stream: true, .. }));
    }
    let text = shell.out.text();
    assert!(text.contains("2/2") && text.contains("free  lm_studio/openai_gpt-oss-120b-neo"), "{text}");
}

#[tokio::test]
async fn money_is_asked_about_first() {
    let paid = || leads_to(Some(Target::new("zai", "glm-4.6")));
    let shell = Shell::new();
    shell.engine.on(CommandName::Explain, paid());
    assert_eq!(shell.run(&["bench", "zai"]).await, 2);
    assert!(shell.err.text().contains("--yes"), "{}", shell.err.text());
    assert!(shell.engine.requests().is_empty());

    let shell = Shell { typed: Some("n\n"), ..Shell::new() };
    shell.engine.on(CommandName::Explain, paid());
    assert_eq!(shell.run(&["bench", "zai"]).await, 1);
    assert!(shell.err.text().contains("nothing was sent") && shell.engine.requests().is_empty());

    for (typed, flag) in [(Some("y\n"), None), (None, Some("--yes"))] {
        let shell = Shell { typed, ..Shell::new() };
        shell.engine.on(CommandName::Explain, paid()).play(answered(&call_records()[0], &["x"]));
        let words: Vec<&str> = ["bench", "zai"].into_iter().chain(flag).collect();
        assert_eq!(shell.run(&words).await, 0);
        assert_eq!(shell.engine.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_model_that_a_near_server_runs_elsewhere_costs_what_nobody_knows() {
    let shell = Shell::new();
    let target = Target::new("lm_studio", "gpt-oss:120b-cloud");
    shell.engine.on(CommandName::Explain, leads_far(Some(target), Reach::Cloud));
    assert_eq!(shell.run(&["bench", "lm_studio/gpt-oss:120b-cloud"]).await, 2);
    assert!(shell.err.text().contains("costs what nobody knows"), "{}", shell.err.text());
    assert!(shell.engine.requests().is_empty());
}

#[tokio::test]
async fn without_targets_every_provider_in_use_is_asked_once_and_who_cannot_is_told() {
    let shell = Shell::new();
    shell.engine.on(CommandName::Explain, leads_to(None));
    assert_eq!(shell.run(&["bench", "--json"]).await, 4);
    let targets = shell.json()["targets"].as_array().unwrap().clone();
    assert!(targets.len() >= 4, "{targets:?}");
    assert!(
        targets.iter().all(|target| target["why_not"] == json!("workstation is down") && target["runs"] == json!([]))
    );
}

#[tokio::test]
async fn stopping_cancels_the_call_that_runs() {
    let shell = Shell::new();
    shell.engine.on(CommandName::Explain, leads_to(Some(local()))).play_and_hold(vec![]);
    let stop = async {
        while shell.engine.open_calls().is_empty() {
            tokio::task::yield_now().await;
        }
        shell.stop.notify_one();
    };
    let (code, ()) = tokio::join!(shell.run(&["bench", "lm_studio", "--runs", "3"]), stop);
    assert_eq!(code, 130);
    assert_eq!(shell.engine.requests().len(), 1);
    assert!(shell.engine.open_calls().iter().all(tokio::sync::mpsc::Sender::is_closed));
    assert!(shell.err.text().contains("stopped"));
}
