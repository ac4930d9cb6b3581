//! The state of a simulated server: its models, what it says, and what is to go wrong.

use super::fault::Fault;
use super::kind::SimKind;
use super::model::{SimInstance, SimModel};
use super::seen::SeenRequest;
use crate::domain::time::UnixMs;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Requests kept for a script to look at; when full, the oldest is forgotten.
pub(super) const SEEN_CAPACITY: usize = 4096;
/// How long a model that was loaded on demand stays, unless the request says otherwise.
const JIT_STAYS: Duration = Duration::from_hours(1);

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spoken {
    /// What it thinks first, in pieces; usually nothing.
    pub reasoning: Vec<String>,
    /// The answer in pieces; each counts as one token.
    pub words: Vec<String>,
}

/// A tool the model calls in its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    pub name: String,
    pub arguments: Value,
}

/// How fast a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// Before any answer, lists and health checks included.
    pub answer: Duration,
    /// Before the first token.
    pub first: Duration,
    /// Before each further token.
    pub each: Duration,
}

/// What a vendor tells of its limits in the headers of each answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub requests: u64,
    pub requests_left: u64,
    pub tokens: u64,
    pub tokens_left: u64,
    /// As OpenAI says it.
    pub resets_in: Duration,
    /// As Anthropic says it.
    pub resets_at: UnixMs,
}

/// Makes an answer of a prompt.
pub(super) type Speaker = Arc<dyn Fn(&str) -> Spoken + Send + Sync>;

/// llama.cpp's slots; vLLM's running and waiting requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub slots: u64,
    pub busy: u64,
    pub waiting: u64,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the real servers")]
pub(super) struct Settings {
    pub models: Vec<SimModel>,
    /// Copies beyond the first.
    pub instances: Vec<SimInstance>,
    /// Models loaded on demand, with when they go.
    pub leaves: BTreeMap<String, Instant>,
    pub spoken: Spoken,
    pub speaker: Option<Speaker>,
    pub tool: Option<ToolCall>,
    pub key: Option<String>,
    pub jit: bool,
    /// A second model loaded on demand drives out the first.
    pub evicts: bool,
    pub hide_list: bool,
    /// Answers with the loaded model whatever is asked for.
    pub ignores_model: bool,
    /// Thinks, and says only how much.
    pub hides_thinking: bool,
    pub metrics: bool,
    pub starting: bool,
    pub load_takes: Duration,
    pub load_fails: Option<String>,
    pub pace: Pace,
    pub load: Load,
    /// `None`: counted from the prompt, and a prompt beyond the window is refused.
    pub prompt_tokens: Option<u64>,
    pub cached: u64,
    pub limits: Option<Limits>,
    pub version: String,
    pub once: Vec<(String, Fault)>,
    pub always: Vec<(String, Fault)>,
    pub seen: VecDeque<SeenRequest>,
    /// Answers given so far.
    pub answers: u64,
}

impl Settings {
    pub fn of(kind: SimKind) -> Self {
        let (load, version) = match kind {
            SimKind::Vllm => (Load { slots: 256, busy: 3, waiting: 2 }, "0.30.0"),
            SimKind::Ollama => (Load { slots: 1, busy: 0, waiting: 0 }, "0.33.0"),
            _ => (Load { slots: 2, busy: 1, waiting: 0 }, "b1"),
        };
        Self {
            models: vec![SimModel::named("demo-8b")],
            instances: Vec::new(),
            leaves: BTreeMap::new(),
            spoken: Spoken { reasoning: Vec::new(), words: ["Hello", ", ", "world", "!"].map(str::to_owned).to_vec() },
            speaker: None,
            tool: None,
            key: None,
            jit: true,
            evicts: true,
            hide_list: false,
            ignores_model: false,
            hides_thinking: false,
            metrics: false,
            starting: false,
            load_takes: Duration::ZERO,
            load_fails: None,
            pace: Pace::default(),
            load,
            prompt_tokens: Some(31),
            cached: 7,
            limits: None,
            version: version.to_owned(),
            once: Vec::new(),
            always: Vec::new(),
            seen: VecDeque::new(),
            answers: 0,
        }
    }

    pub fn note(&mut self, request: SeenRequest) {
        if self.seen.len() >= SEEN_CAPACITY {
            self.seen.pop_front();
        }
        self.seen.push_back(request);
    }

    /// The fault for a request of this path; one that was for once is used up.
    pub fn take_fault(&mut self, path: &str) -> Option<Fault> {
        if let Some(place) = self.once.iter().position(|(end, _)| path.ends_with(end.as_str())) {
            return Some(self.once.remove(place).1);
        }
        self.always.iter().find(|(end, _)| path.ends_with(end.as_str())).map(|(_, fault)| fault.clone())
    }

    /// The model with this name, also by the name of one of its copies.
    pub fn model(&self, name: &str) -> Option<&SimModel> {
        let of_copy = self.instances.iter().find(|copy| copy.id == name).map(|copy| copy.model.as_str());
        let name = of_copy.unwrap_or(name);
        self.models.iter().find(|model| model.id == name)
    }

    /// Puts a model into memory; a second time makes a copy. The name of what is loaded now.
    pub fn load_model(&mut self, name: &str, context: Option<u64>) -> Option<String> {
        let model = self.models.iter_mut().find(|model| model.id == name)?;
        let context = context.unwrap_or(model.context);
        if !model.loaded {
            model.loaded = true;
            model.context = context;
            return Some(model.id.clone());
        }
        let copies = self.instances.iter().filter(|copy| copy.model == name).count();
        let id = format!("{name}:{}", copies + 2);
        self.instances.push(SimInstance { id: id.clone(), model: name.to_owned(), context });
        Some(id)
    }

    /// Loads as a request for it does: it stays for a while and drives out the one before.
    pub fn load_on_demand(&mut self, name: &str, stays: Option<Duration>) {
        if self.evicts {
            let before: Vec<String> = self.leaves.keys().filter(|other| *other != name).cloned().collect();
            for other in before {
                self.unload(&other);
            }
        }
        if self.model(name).is_some_and(|model| !model.loaded) {
            self.load_model(name, None);
        }
        self.leaves.insert(name.to_owned(), Instant::now() + stays.unwrap_or(JIT_STAYS));
    }

    /// Another request for a model that was loaded on demand: it stays on.
    pub fn stay(&mut self, name: &str, stays: Option<Duration>) {
        if let Some(until) = self.leaves.get_mut(name) {
            *until = Instant::now() + stays.unwrap_or(JIT_STAYS);
        }
    }

    /// Takes an instance out of memory; whether it was there.
    pub fn unload(&mut self, instance: &str) -> bool {
        self.leaves.remove(instance);
        if let Some(place) = self.instances.iter().position(|copy| copy.id == instance) {
            self.instances.remove(place);
            return true;
        }
        let loaded = self.models.iter_mut().find(|model| model.id == instance && model.loaded);
        loaded.map(|model| model.loaded = false).is_some()
    }

    /// Models whose time is over go.
    pub fn sweep(&mut self) {
        let now = Instant::now();
        let gone: Vec<String> =
            self.leaves.iter().filter(|(_, until)| **until <= now).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.unload(&name);
        }
    }
}
