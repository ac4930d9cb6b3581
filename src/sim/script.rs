//! What a script may set on a running simulated server. Each takes effect with the next request.

use super::Sim;
use super::fault::Fault;
use super::model::SimModel;
use super::settings::{Limits, Load, Pace, Settings, Spoken, ToolCall};
use std::sync::Arc;
use std::time::Duration;

impl Sim {
    fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.lock());
    }

    /// Replaces the models; copies in memory are gone.
    pub fn set_models(&self, models: Vec<SimModel>) {
        self.set(|settings| {
            settings.models = models;
            settings.instances.clear();
            settings.leaves.clear();
        });
    }

    pub fn models(&self) -> Vec<SimModel> {
        self.shared.lock().models.clone()
    }

    /// The pieces of every answer.
    pub fn say(&self, words: &[&str]) {
        self.set(|settings| settings.spoken.words = words.iter().map(|&word| word.to_owned()).collect());
    }

    /// The pieces of what every answer begins with.
    pub fn think(&self, words: &[&str]) {
        self.set(|settings| settings.spoken.reasoning = words.iter().map(|&word| word.to_owned()).collect());
    }

    /// Answers made of the prompt (the last thing the user said). The same prompt should bring the same answer.
    pub fn speak(&self, speaker: impl Fn(&str) -> Spoken + Send + Sync + 'static) {
        self.set(|settings| settings.speaker = Some(Arc::new(speaker)));
    }

    /// Every answer calls this tool after what it says; `None` no more.
    pub fn call_tool(&self, tool: Option<ToolCall>) {
        self.set(|settings| settings.tool = tool);
    }

    /// From now on requests without this key are refused.
    pub fn require_key(&self, key: &str) {
        self.set(|settings| settings.key = Some(key.to_owned()));
    }

    /// Takes anybody again.
    pub fn require_no_key(&self) {
        self.set(|settings| settings.key = None);
    }

    /// The key that is wanted now.
    pub fn key(&self) -> Option<String> {
        self.shared.lock().key.clone()
    }

    /// LM Studio: whether a model is loaded on demand, and the list shows more than what is loaded.
    pub fn jit(&self, on: bool) {
        self.set(|settings| settings.jit = on);
    }

    /// LM Studio: whether a model loaded on demand drives out the one before.
    pub fn evict(&self, on: bool) {
        self.set(|settings| settings.evicts = on);
    }

    /// LM Studio: some builds answer "Unexpected endpoint" to a list without a token.
    pub fn hide_list(&self) {
        self.set(|settings| settings.hide_list = true);
    }

    /// LM Studio: some builds answer with the loaded model whatever is asked for.
    pub fn ignore_model(&self, on: bool) {
        self.set(|settings| settings.ignores_model = on);
    }

    /// Loading a model takes so long, and nothing is said meanwhile.
    pub fn load_takes(&self, time: Duration) {
        self.set(|settings| settings.load_takes = time);
    }

    /// Loading a model fails with these words; `None` no more.
    pub fn load_fails(&self, why: Option<&str>) {
        self.set(|settings| settings.load_fails = why.map(str::to_owned));
    }

    /// Takes a model or a copy of it out of memory, as when its time is over; whether it was there.
    pub fn unload(&self, instance: &str) -> bool {
        self.shared.lock().unload(instance)
    }

    /// OpenAI: the model thinks and says only how many tokens that took.
    pub fn hide_thinking(&self, on: bool) {
        self.set(|settings| settings.hides_thinking = on);
    }

    pub fn pace(&self, pace: Pace) {
        self.set(|settings| settings.pace = pace);
    }

    /// What every prompt is said to have taken, and how much of it came from the vendor's cache.
    pub fn prompt_tokens(&self, tokens: u64, cached: u64) {
        self.set(|settings| {
            settings.prompt_tokens = Some(tokens);
            settings.cached = cached;
        });
    }

    /// Prompts are counted (four bytes a token), and one beyond the model's window is refused.
    pub fn count_prompts(&self) {
        self.set(|settings| {
            settings.prompt_tokens = None;
            settings.cached = 0;
        });
    }

    /// What OpenAI and Anthropic tell of limits in the headers of each answer; `None` nothing.
    pub fn limits(&self, limits: Option<Limits>) {
        self.set(|settings| settings.limits = limits);
    }

    /// llama.cpp: slots, and busy ones; vLLM: running and waiting requests.
    pub fn set_load(&self, slots: u64, busy: u64, waiting: u64) {
        self.set(|settings| settings.load = Load { slots, busy, waiting });
    }

    /// llama.cpp: started with `--metrics`.
    pub fn metrics(&self, on: bool) {
        self.set(|settings| settings.metrics = on);
    }

    /// llama.cpp: still reading its model; everything is answered 503. vLLM: the engine is dead.
    pub fn starting(&self, on: bool) {
        self.set(|settings| settings.starting = on);
    }

    /// The version a server tells of itself (Ollama, vLLM, llama.cpp's build).
    pub fn version(&self, version: &str) {
        self.set(|settings| version.clone_into(&mut settings.version));
    }

    /// Fails the next chat request so. Several faults are used up one by one.
    pub fn fault(&self, fault: Fault) {
        self.fault_on("/chat/completions", fault);
    }

    /// Fails the next request whose path ends so.
    pub fn fault_on(&self, path: &str, fault: Fault) {
        self.set(|settings| settings.once.push((path.to_owned(), fault)));
    }

    /// Fails every request whose path ends so, until [`Self::mend`].
    pub fn always_on(&self, path: &str, fault: Fault) {
        self.set(|settings| settings.always.push((path.to_owned(), fault)));
    }

    /// Takes back every fault.
    pub fn mend(&self) {
        self.set(|settings| {
            settings.once.clear();
            settings.always.clear();
        });
    }
}
