//! What happens in the demo: calls arrive all the time, and in turns LM Studio goes down and returns, OpenAI is slow,
//! and Anthropic refuses its key.

use super::cast::Cast;
use super::words::{LINES, Line};
use crate::domain::call::{Body, CallRequest, Facts, Message, Role};
use crate::domain::ids::ProviderId;
use crate::engine::handle::EngineHandle;
use crate::engine::protocol::{Command, ProbeWhich};
use std::time::Duration;
use tokio::task::JoinSet;

/// Calls under way at once; when full, the next one is left out.
const CALLS_AT_ONCE: usize = 4;
/// Tokens of a prompt are guessed as for any client.
const BYTES_PER_TOKEN: usize = 4;
/// Waiting between two looks at something that must come by itself.
const SOON: Duration = Duration::from_millis(100);

/// How fast things happen.
#[derive(Debug, Clone, Copy)]
pub struct Tempo {
    /// Between two probes.
    pub probe: Duration,
    /// Between two calls.
    pub call: Duration,
    /// Each scene.
    pub scene: Duration,
}

impl Default for Tempo {
    fn default() -> Self {
        Self { probe: Duration::from_secs(5), call: Duration::from_millis(2_600), scene: Duration::from_secs(24) }
    }
}

/// One turn of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    AllWell,
    LmStudioIsDown,
    OpenaiIsSlow,
    ClaudeLosesItsKey,
}

const SCENES: [Scene; 6] = [
    Scene::AllWell,
    Scene::LmStudioIsDown,
    Scene::AllWell,
    Scene::OpenaiIsSlow,
    Scene::AllWell,
    Scene::ClaudeLosesItsKey,
];

/// The calls that have been made when a person looks: one of each line, one after the other.
pub async fn open(handle: &EngineHandle) {
    while handle.snapshot().providers.iter().any(|provider| provider.health.last_checked.is_none()) {
        tokio::time::sleep(SOON).await;
    }
    for line in &LINES {
        make(handle.clone(), line).await;
    }
}

/// Plays scene after scene, for ever.
pub async fn play(cast: &Cast, handle: &EngineHandle, tempo: &Tempo) {
    let mut calls = JoinSet::new();
    let mut lines = LINES.iter().cycle();
    for scene in SCENES.into_iter().cycle() {
        begin(scene, cast).await;
        if scene != Scene::AllWell {
            // As a person would who wonders.
            look(handle, scene).await;
        }
        let end = tokio::time::sleep(tempo.scene);
        tokio::pin!(end);
        let mut tick = tokio::time::interval(tempo.call);
        loop {
            tokio::select! {
                () = &mut end => break,
                Some(_) = calls.join_next() => {}
                _ = tick.tick() => {
                    if let Some(line) = lines.next().filter(|_| calls.len() < CALLS_AT_ONCE) {
                        calls.spawn(make(handle.clone(), line));
                    }
                }
            }
        }
        finish(scene, cast).await;
        if scene == Scene::ClaudeLosesItsKey {
            look(handle, scene).await;
        }
    }
}

async fn begin(scene: Scene, cast: &Cast) {
    match scene {
        Scene::AllWell => {}
        Scene::LmStudioIsDown => cast.lm_studio.stop().await,
        Scene::OpenaiIsSlow => cast.slow_down(),
        Scene::ClaudeLosesItsKey => cast.withdraw_key(),
    }
}

async fn finish(scene: Scene, cast: &Cast) {
    if scene == Scene::LmStudioIsDown
        && let Err(error) = cast.lm_studio.restart().await
    {
        tracing::warn!("the demo's LM Studio could not return: {error}");
    }
    cast.in_good_order();
}

/// A refused key is not tried again by itself for an hour.
async fn look(handle: &EngineHandle, scene: Scene) {
    let id = match scene {
        Scene::AllWell => return,
        Scene::LmStudioIsDown => "lm_studio",
        Scene::OpenaiIsSlow => "openai",
        Scene::ClaudeLosesItsKey => "claude",
    };
    handle.ask(Command::Probe { which: ProbeWhich::One(ProviderId::from(id)), anew: true }).await;
}

/// Makes one call and reads its answer to the end.
async fn make(handle: EngineHandle, line: &'static Line) {
    let messages = vec![Message { role: Role::User, content: line.prompt.to_owned() }];
    let facts = Facts {
        request_type: line.request_type.to_owned(),
        client: line.client.to_owned(),
        prompt_tokens: line.prompt.len().div_ceil(BYTES_PER_TOKEN) as u64,
        stream: true,
        ..Facts::default()
    };
    let body = Body::Chat { messages, max_tokens: None, temperature: None, stream: true };
    let mut events = handle.dispatch(CallRequest { facts, body, wants_usage: false });
    while events.recv().await.is_some() {}
}
