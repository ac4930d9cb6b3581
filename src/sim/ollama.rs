//! Ollama: its lists and details, models that run elsewhere, and the OpenAI-compatible routes.

use super::anthropic;
use super::model::SimModel;
use super::openai;
use super::reply;
use super::scene::{Answer, Scene};
use serde_json::{Value, json};

pub(super) async fn respond(scene: &mut Scene) -> Answer {
    let (method, path) = scene.route();
    match (method, path.as_str()) {
        ("GET" | "HEAD", "/") => Answer::Plain(reply::text(200, "Ollama is running")),
        ("GET", "/api/version") => {
            let version = scene.settings().version.clone();
            Answer::json(&json!({ "version": version }))
        }
        ("GET", "/api/tags") => list(scene, |_| true, tag),
        ("GET", "/api/ps") => list(scene, |model| model.loaded && !model.remote, running),
        ("POST", "/api/show") => show(scene),
        ("POST", "/api/generate" | "/api/embed") => keep(scene).await,
        ("GET", "/v1/models") => openai::models(scene, |model| {
            let owner = model.id.split_once('/').map_or("library", |(owner, _)| owner);
            json!({"id": model.id, "object": "model", "created": 1, "owned_by": owner})
        }),
        ("POST", "/v1/chat/completions") => chat(scene).await,
        ("POST", "/v1/completions") => openai::completions::respond(scene).await,
        ("POST", "/v1/embeddings") => openai::embeddings::respond(scene),
        ("POST", "/v1/responses") => openai::responses::respond(scene).await,
        ("POST", "/v1/messages") => anthropic::messages(scene).await,
        _ => Answer::NoSuchRoute,
    }
}

/// A model that is asked for is loaded; a prompt beyond the window is cut in silence, never refused.
async fn chat(scene: &mut Scene) -> Answer {
    let name = scene.seen.json().get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
    let takes = {
        let settings = scene.settings();
        let loads = settings.model(&name).is_some_and(|model| !model.loaded && !model.remote);
        loads.then_some(settings.load_takes)
    };
    if let Some(takes) = takes {
        tokio::time::sleep(takes).await;
        scene.settings().load_on_demand(&name, None);
    }
    openai::chat::respond(scene).await
}

/// Without a prompt: loads the model, or with no time to live unloads it. With one it is not simulated: only the
/// dialect that lmdeck speaks is.
async fn keep(scene: &mut Scene) -> Answer {
    let asked = scene.seen.json();
    let name = asked.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (known, takes, fails) = {
        let settings = scene.settings();
        (settings.model(&name).cloned(), settings.load_takes, settings.load_fails.clone())
    };
    let Some(model) = known else {
        return Answer::refused(404, &json!({"error": format!("model '{name}' not found")}));
    };
    if model.embedding != (scene.route().1 == "/api/embed") {
        return Answer::refused(400, &json!({"error": format!("\"{name}\" does not support this")}));
    }
    let leaves = asked.get("keep_alive").is_some_and(|time| *time == json!(0));
    if leaves {
        scene.settings().unload(&name);
    } else {
        if !model.loaded {
            tokio::time::sleep(takes).await;
        }
        if let Some(why) = fails {
            return Answer::refused(500, &json!({"error": why}));
        }
        // Another window takes the place of the one before; there are no copies.
        let context = asked.pointer("/options/num_ctx").and_then(Value::as_u64);
        let mut settings = scene.settings();
        settings.unload(&name);
        settings.load_model(&name, context);
    }
    let reason = if leaves { "unload" } else { "load" };
    Answer::json(&json!({"model": name, "created_at": "2026-01-01T00:00:00Z", "response": "", "done": true,
        "done_reason": reason}))
}

fn list(scene: &Scene, wanted: impl Fn(&SimModel) -> bool, entry: impl Fn(&SimModel) -> Value) -> Answer {
    let models: Vec<Value> = scene.settings().models.iter().filter(|model| wanted(model)).map(entry).collect();
    Answer::json(&json!({ "models": models }))
}

fn details(model: &SimModel) -> Value {
    json!({"parent_model": "", "format": "gguf", "family": model.architecture, "families": [model.architecture],
        "parameter_size": model.parameters, "quantization_level": model.quantization})
}

fn capabilities(model: &SimModel) -> Value {
    let all = [
        (!model.embedding, "completion"),
        (model.embedding, "embedding"),
        (model.tools, "tools"),
        (model.vision, "vision"),
        (model.thinks, "thinking"),
    ];
    all.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect()
}

/// Another one for each model.
fn digest(model: &SimModel) -> String {
    model.id.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn tag(model: &SimModel) -> Value {
    let mut entry = json!({"name": model.id, "model": model.id, "modified_at": "2026-01-01T00:00:00Z",
        "size": if model.remote { 384 } else { model.size_bytes }, "digest": digest(model), "details": details(model),
        "capabilities": capabilities(model)});
    if model.remote {
        entry["remote_model"] = json!(model.id.trim_end_matches(":cloud"));
        entry["remote_host"] = json!("https://ollama.com");
    }
    entry
}

fn running(model: &SimModel) -> Value {
    json!({"name": model.id, "model": model.id, "size": model.size_bytes, "digest": digest(model),
        "details": details(model), "expires_at": "2026-01-01T00:05:00Z", "size_vram": model.size_bytes,
        "context_length": model.context})
}

fn show(scene: &Scene) -> Answer {
    let asked = scene.seen.json();
    let name = asked.get("model").or_else(|| asked.get("name")).and_then(Value::as_str).unwrap_or_default();
    let model = scene.settings().model(name).cloned();
    let Some(model) = model else {
        return Answer::refused(404, &json!({"error": format!("model '{name}' not found")}));
    };
    let mut info = json!({"general.architecture": model.architecture});
    info[format!("{}.context_length", model.architecture)] = json!(model.max_context);
    Answer::json(&json!({"details": details(&model), "model_info": info, "capabilities": capabilities(&model),
        "parameters": format!("num_ctx {}", model.context)}))
}
