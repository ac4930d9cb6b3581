//! Words about models: what they are loaded with, what is under way, what changed, and how each kind of server
//! loads one.

use super::{escape, text, units};
use crate::domain::health::{ModelChanges, ProviderHealth};
use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::domain::time::UnixMs;
use crate::engine::protocol::ProviderView;
use crate::engine::protocol::{LoadingView, ModelReport, ModelView};

/// Models named one by one in a message.
const NAMED: usize = 3;

/// Cells of a model's name inside a message.
const NAME: usize = 60;

/// `8k/128k` where it is loaded with less than it could, else one figure.
pub fn context(model: &ModelView) -> String {
    match (model.context, model.max_context) {
        (Some(now), Some(most)) if now != most => format!("{}/{}", units::context(now), units::context(most)),
        (Some(only), _) | (None, Some(only)) => units::context(only),
        (None, None) => units::MISSING.to_owned(),
    }
}

/// `tools, images`, `-` when its server does not tell.
pub fn abilities(model: &ModelView) -> String {
    let words = model.can.words();
    let told = model.can.tools.is_some() || model.can.images.is_some() || model.can.reasoning.is_some();
    match (model.chat, words.is_empty()) {
        (false, _) => "no chat".to_owned(),
        (true, false) => words.join(", "),
        (true, true) if told => "text".to_owned(),
        (true, true) => units::MISSING.to_owned(),
    }
}

/// `last time 41 s`, where a load of the model is remembered.
pub fn last_time(last_ms: Option<u64>) -> Option<String> {
    last_ms.map(|last| format!("last time {}", seconds(last)))
}

/// `loading 34 s, last time 41 s`.
pub fn under_way(load: &LoadingView, now: UnixMs) -> String {
    let word = if load.unloading { "unloading" } else { "loading" };
    let elapsed = seconds(u64::try_from(now.since(load.since).as_millis()).unwrap_or(u64::MAX));
    match load.last_ms {
        Some(last) => format!("{word} {elapsed}, last time {}", seconds(last)),
        None => format!("{word} {elapsed}"),
    }
}

/// One model in a line: `8B llama gguf; tools, images; 2 copies: a, a:2; unloads in 4 min`.
pub fn describe(model: &ModelView, now: UnixMs) -> String {
    let mut parts = Vec::new();
    let what: Vec<String> = [&model.parameters, &model.format].into_iter().flatten().cloned().collect();
    if !what.is_empty() {
        parts.push(what.join(" "));
    }
    let can = abilities(model);
    if can != units::MISSING {
        parts.push(can);
    }
    if model.remote {
        parts.push("runs elsewhere: it counts as cloud".to_owned());
    }
    if model.instances.len() > 1 {
        let copies = model.instances.iter().take(NAMED).map(|copy| copy.id.as_str()).collect::<Vec<_>>().join(", ");
        parts.push(format!("{} copies: {copies}", model.instances.len()));
    }
    parts.extend(model.memory_bytes.map(|bytes| format!("{} of memory", units::size(bytes))));
    // A time far away stands for never.
    let leaves = model.expires.filter(|at| *at > now).map(|at| at.since(now));
    parts.extend(
        leaves
            .filter(|left| left.as_secs() < 7 * 86_400)
            .map(|left| format!("unloads in {} if unused", units::age(left))),
    );
    escape::line_capped(&parts.join("; "), 300).into_owned()
}

/// Whole seconds, and minutes from two of them on: `34 s`, `3 min 20 s`.
pub fn seconds(ms: u64) -> String {
    let seconds = ms / 1000;
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

/// `acme/demo is loaded: 34 s, last time 41 s, context 8k`.
pub fn report(report: &ModelReport) -> String {
    let name = escape::line_capped(&report.target.to_string(), 120).into_owned();
    let mut said = match (report.loaded, report.already) {
        (true, true) => format!("{name} was loaded already"),
        (true, false) => format!("{name} is loaded"),
        (false, true) => format!("{name} was not loaded"),
        (false, false) => format!("{name} is unloaded"),
    };
    let mut more = Vec::new();
    if !report.already {
        more.push(seconds(report.took_ms));
        more.extend(last_time(report.last_ms));
    }
    more.extend(report.context.map(|tokens| format!("context {}", units::context(tokens))));
    if !more.is_empty() {
        said.push_str(": ");
        said.push_str(&more.join(", "));
    }
    said
}

/// `2 models new: a, b; 1 gone: c; d is loaded now, context 8k`.
pub fn changes(changes: &ModelChanges) -> String {
    let mut parts = Vec::new();
    if !changes.new.is_empty() {
        let count = units::count(changes.new.len() as u64, "model", "models");
        parts.push(format!("{count} new: {}", names(&changes.new)));
    }
    if !changes.gone.is_empty() {
        let count = if parts.is_empty() {
            units::count(changes.gone.len() as u64, "model", "models")
        } else {
            changes.gone.len().to_string()
        };
        parts.push(format!("{count} gone: {}", names(&changes.gone)));
    }
    for (model, context) in changes.loaded.iter().take(NAMED) {
        let context = context.map(|tokens| format!(", context {}", units::context(tokens))).unwrap_or_default();
        parts.push(format!("{} is loaded now{context}", name(model)));
    }
    if changes.loaded.len() > NAMED {
        parts.push(format!("{} more are loaded now", changes.loaded.len() - NAMED));
    }
    match changes.unloaded.as_slice() {
        [] => {}
        [one] => parts.push(format!("{} is loaded no longer", name(one))),
        several => parts.push(format!("{} are loaded no longer", names(several))),
    }
    parts.join("; ")
}

fn names(ids: &[ModelId]) -> String {
    let said = ids.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(NAMED) {
        0 => said,
        more => format!("{said} and {more} more"),
    }
}

fn name(id: &ModelId) -> String {
    text::truncate(&escape::line_capped(id.as_str(), 200), NAME).into_owned()
}

/// Whether lmdeck can have models loaded and unloaded there.
pub fn can_load(kind: Kind) -> bool {
    kind.loads_models()
}

/// How a kind of server that has no interface for it loads a model.
pub fn how_it_loads(kind: Kind) -> &'static str {
    match kind {
        Kind::LmStudio | Kind::Ollama => "lmdeck models load",
        Kind::LlamaCpp => "llama-server holds the model it was started with: start it again with -m FILE -c CONTEXT",
        Kind::Vllm => "vLLM holds the model it was started with: start it again with vllm serve MODEL",
        Kind::OpenaiCompatible => "this server has no known way to load a model: use its own tools",
        Kind::ZAiGlm | Kind::Openai | Kind::Anthropic | Kind::Openrouter => {
            "its vendor runs the models: every one it lists is ready"
        }
    }
}

/// What is known of the server's program: `version 0.33.0, interface v1, loads models on demand`.
pub fn server(health: &ProviderHealth) -> Option<String> {
    let version = health.version.as_ref().map(|version| format!("version {}", escape::line_capped(version, 40)));
    let interface = health.interface.as_ref().map(|interface| format!("interface {interface}"));
    let jit =
        health.jit.map(|jit| if jit { "loads models on demand" } else { "does not load models on demand" }.to_owned());
    let parts: Vec<String> = [version, interface, jit].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What a server really is, where that is another kind than its profile says, and the command that corrects it.
pub fn correction(view: &ProviderView) -> Option<(String, String)> {
    let kind = view.health.looks_like?;
    let said = format!("It looks like {}, and its profile says {}.", kind.label(), view.kind.word());
    Some((said, format!("lmdeck providers edit {} --type {}", view.id, kind.word())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_one_line_that_names_a_few() {
        let some = ModelChanges {
            new: vec!["x".into()],
            gone: vec!["y".into()],
            loaded: vec![("z".into(), Some(8192))],
            unloaded: vec!["w".into()],
        };
        assert_eq!(changes(&some), "1 model new: x; 1 gone: y; z is loaded now, context 8k; w is loaded no longer");
        let many = ModelChanges { new: (0..5).map(|n| format!("m{n}").into()).collect(), ..ModelChanges::default() };
        assert_eq!(changes(&many), "5 models new: m0, m1, m2 and 2 more");
        let nasty = ModelChanges { gone: vec!["\x1b[2J".into()], ..ModelChanges::default() };
        assert!(!changes(&nasty).chars().any(char::is_control));
    }

    #[test]
    fn a_load_is_shown_against_the_time_it_took_before() {
        let load = LoadingView {
            model: "m".into(),
            since: UnixMs(1000),
            last_ms: Some(41_300),
            unloading: false,
            by_call: false,
        };
        assert_eq!(under_way(&load, UnixMs(35_900)), "loading 34 s, last time 41 s");
        assert_eq!(under_way(&LoadingView { last_ms: None, unloading: true, ..load }, UnixMs(1000)), "unloading 0 s");
        assert_eq!(seconds(200_000), "3 min 20 s");
    }
}
