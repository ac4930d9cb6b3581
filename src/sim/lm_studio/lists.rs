//! LM Studio's lists of models, one for each generation.

use crate::sim::model::SimModel;
use crate::sim::reply;
use crate::sim::scene::{Answer, Scene};
use crate::sim::settings::Settings;
use serde_json::{Value, json};

/// What the two older lists show: all that is downloaded, or without JIT only what is loaded.
fn shown(settings: &Settings) -> impl Iterator<Item = &SimModel> {
    settings.models.iter().filter(|model| settings.jit || model.loaded)
}

pub(super) fn compatible(scene: &Scene) -> Answer {
    let entries: Vec<Value> = shown(&scene.settings())
        .map(|model| json!({"id": model.id, "object": "model", "owned_by": "organization_owner"}))
        .collect();
    Answer::json(&json!({"data": entries, "object": "list"}))
}

fn v0_entry(model: &SimModel) -> Value {
    let kind = match (model.embedding, model.vision) {
        (true, _) => "embeddings",
        (false, true) => "vlm",
        (false, false) => "llm",
    };
    let mut entry = json!({"id": model.id, "object": "model", "type": kind, "publisher": model.publisher,
        "arch": model.architecture, "compatibility_type": "gguf", "quantization": model.quantization,
        "state": if model.loaded { "loaded" } else { "not-loaded" }, "max_context_length": model.max_context});
    if model.loaded {
        entry["loaded_context_length"] = json!(model.context);
    }
    if !model.embedding {
        entry["capabilities"] = if model.tools { json!(["tool_use"]) } else { json!([]) };
    }
    entry
}

pub(super) fn v0(scene: &Scene) -> Answer {
    let entries: Vec<Value> = shown(&scene.settings()).map(v0_entry).collect();
    Answer::Plain(reply::pretty(&json!({"data": entries, "object": "list"})))
}

pub(super) fn v0_model(scene: &Scene) -> Answer {
    let name = scene.seen.path.trim_start_matches("/api/v0/models/").replace("%2F", "/");
    let entry = scene.settings().model(&name).map(v0_entry);
    match entry {
        Some(entry) => Answer::Plain(reply::pretty(&entry)),
        None => Answer::refused(404, &json!({"error": format!("Model \"{name}\" not found.")})),
    }
}

pub(super) fn v1(scene: &Scene) -> Answer {
    let settings = scene.settings();
    let entries: Vec<Value> = settings.models.iter().map(|model| v1_entry(model, &settings)).collect();
    drop(settings);
    Answer::json(&json!({ "models": entries }))
}

fn v1_entry(model: &SimModel, settings: &Settings) -> Value {
    let instance = |id: &str, context: u64| {
        let mut config = json!({"context_length": context});
        if !model.embedding {
            config = json!({"context_length": context, "eval_batch_size": 512, "parallel": 4, "flash_attention": true,
                "offload_kv_cache_to_gpu": true});
        }
        json!({"id": id, "config": config})
    };
    let first = model.loaded.then(|| instance(&model.id, model.context));
    let copies = settings.instances.iter().filter(|copy| copy.model == model.id);
    let instances: Vec<Value> = first.into_iter().chain(copies.map(|copy| instance(&copy.id, copy.context))).collect();
    let bits = model.quantization.chars().find(char::is_ascii_digit).and_then(|bits| bits.to_digit(10));
    let mut entry = json!({"type": if model.embedding { "embedding" } else { "llm" }, "publisher": model.publisher,
        "key": model.id, "display_name": model.display});
    if !model.embedding {
        entry["architecture"] = json!(model.architecture);
    }
    entry["quantization"] = json!({"name": model.quantization, "bits_per_weight": bits});
    entry["size_bytes"] = json!(model.size_bytes);
    entry["params_string"] = if model.parameters.is_empty() { Value::Null } else { json!(model.parameters) };
    entry["loaded_instances"] = json!(instances);
    entry["max_context_length"] = json!(model.max_context);
    entry["format"] = json!("gguf");
    if !model.embedding {
        entry["capabilities"] = json!({"vision": model.vision, "trained_for_tool_use": model.tools});
        if model.thinks {
            entry["capabilities"]["reasoning"] = json!({"allowed_options": ["off", "on"], "default": "on"});
        }
        entry["description"] = Value::Null;
    }
    entry
}
