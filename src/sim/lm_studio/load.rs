//! Loading and unloading: asked for, or because a request needs the model. Loading blocks and says nothing
//! meanwhile; a client that hangs up does not end it.

use crate::sim::fault::Trouble;
use crate::sim::scene::{Answer, Scene};
use crate::sim::trouble;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn load(scene: &mut Scene) -> Answer {
    let asked = scene.seen.json();
    let Some(name) = asked.get("model").and_then(Value::as_str).map(str::to_owned) else { return missing("model") };
    let (known, takes, fails) = {
        let settings = scene.settings();
        (settings.model(&name).cloned(), settings.load_takes, settings.load_fails.clone())
    };
    let Some(model) = known else {
        let message = format!("Model \"{name}\" not found");
        return Answer::refused(404, &json!({"error": {"type": "model_not_found", "message": message}}));
    };
    let context = asked.get("context_length").and_then(Value::as_u64);
    if context.is_some_and(|context| context > model.max_context) {
        let message = format!("context_length must be at most {}", model.max_context);
        return Answer::refused(
            400,
            &json!({"error": {"type": "invalid_request", "param": "context_length", "message": message}}),
        );
    }
    let shared = scene.shared.clone();
    let loading = tokio::spawn(async move {
        tokio::time::sleep(takes).await;
        if fails.is_some() { None } else { shared.lock().load_model(&name, context) }
    });
    let Ok(Some(instance)) = loading.await else {
        let why = scene.settings().load_fails.clone().unwrap_or_default();
        let message = format!("Failed to load model \"{}\". Error: {why}", model.id);
        return Answer::refused(500, &json!({"error": {"type": "internal_error", "message": message}}));
    };
    let mut body = json!({"type": if model.embedding { "embedding" } else { "llm" }, "instance_id": instance,
        "load_time_seconds": takes.as_secs_f64(), "status": "loaded"});
    if asked.get("echo_load_config") == Some(&Value::Bool(true)) {
        body["load_config"] = json!({"context_length": context.unwrap_or(model.context), "eval_batch_size": 512,
            "flash_attention": true, "offload_kv_cache_to_gpu": true});
    }
    Answer::json(&body)
}

fn missing(name: &str) -> Answer {
    let message = format!("Missing required parameter: '{name}'");
    Answer::refused(
        400,
        &json!({"error": {"type": "invalid_request", "code": "missing_required_parameter", "param": name, "message": message}}),
    )
}

/// Wants the instance's name, not the model's.
pub(super) fn unload(scene: &Scene) -> Answer {
    let asked = scene.seen.json();
    let Some(instance) = asked.get("instance_id").and_then(Value::as_str) else { return missing("instance_id") };
    if scene.settings().unload(instance) {
        return Answer::json(&json!({ "instance_id": instance }));
    }
    let message = format!("No loaded model with the instance id \"{instance}\"");
    Answer::refused(404, &json!({"error": {"type": "model_not_found", "message": message}}))
}

/// A model that is ready, and the time loading it took.
pub(super) struct Ready {
    pub model: String,
    pub loaded_in: Option<Duration>,
}

/// The model that answers a request for `name`, loaded first where it must be. The refusal where none can.
pub(super) async fn ready(scene: &Scene, name: &str) -> Result<Ready, Box<Answer>> {
    let refused = |trouble: Trouble| Err(Box::new(Answer::Done(trouble::reply(scene, &trouble))));
    let stays = scene.seen.json().get("ttl").and_then(Value::as_u64).map(Duration::from_secs);
    let (known, jit, ignores, any, takes, fails) = {
        let mut settings = scene.settings();
        settings.stay(name, stays);
        let loaded =
            settings.models.iter().find(|model| model.loaded && !model.embedding).map(|model| model.id.clone());
        let ignores = loaded.clone().filter(|_| settings.ignores_model);
        (
            settings.model(name).cloned(),
            settings.jit,
            ignores,
            loaded.is_some(),
            settings.load_takes,
            settings.load_fails.clone(),
        )
    };
    if !jit && !any {
        return refused(Trouble::NoModelsLoaded);
    }
    let Some(model) = known else {
        return match ignores {
            Some(model) => Ok(Ready { model, loaded_in: None }),
            None => refused(Trouble::UnknownModel),
        };
    };
    if model.loaded {
        return Ok(Ready { model: ignores.unwrap_or_else(|| name.to_owned()), loaded_in: None });
    }
    if !jit {
        return match ignores {
            Some(model) => Ok(Ready { model, loaded_in: None }),
            None => refused(Trouble::UnknownModel),
        };
    }
    let shared = Arc::clone(&scene.shared);
    let key = model.id.clone();
    let failed = fails.is_some();
    let loading = tokio::spawn(async move {
        tokio::time::sleep(takes).await;
        if !failed {
            shared.lock().load_on_demand(&key, stays);
        }
    });
    if loading.await.is_err() || failed {
        return refused(Trouble::LoadFailed { why: fails.unwrap_or_else(|| "Operation canceled.".into()) });
    }
    Ok(Ready { model: model.id, loaded_in: Some(takes) })
}
