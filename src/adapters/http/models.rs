//! Loads and unloads models where the server has an interface for it: LM Studio's own, and Ollama's, where an
//! empty prompt with a time to live does it. Both answer when it is done; neither tells how far it is.

use super::fetch::Asker;
use super::probe::connect_limit;
use super::{Inner, held_back, transport};
use crate::adapters::wire::lists;
use crate::adapters::wire::words::quote;
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::ModelInfo;
use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::engine::ports::{ModelAct, ModelDone, ModelJob};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// Models named in a refusal.
const OFFERED: usize = 8;

pub async fn carry_out(inner: &Inner, job: &ModelJob) -> Result<ModelDone, Failure> {
    let profile = job.profile.as_ref();
    if let Some(failure) = held_back(profile) {
        return Err(failure);
    }
    let mut asker = Asker::new(inner, profile, connect_limit(profile));
    match profile.kind {
        Kind::LmStudio => asker.lm_studio_model(&job.model, job.act).await,
        Kind::Ollama => asker.ollama_model(&job.model, job.act).await,
        kind => {
            let message = match kind {
                Kind::LlamaCpp | Kind::Vllm => {
                    format!("{} holds the models it was started with: it loads and unloads none", kind.label())
                }
                Kind::OpenaiCompatible => {
                    "a server known only as OpenAI-compatible has no known way to load or unload a model".to_owned()
                }
                _ => format!("{} runs its models itself: there is nothing to load or unload", kind.label()),
            };
            Err(Failure::plain(ErrorCode::InvalidRequest, message))
        }
    }
}

impl Asker<'_> {
    /// A short question, within the time of a probe.
    async fn list(&mut self, url: &str) -> Result<Value, Failure> {
        let limit = self.profile.timeouts.probe_timeout;
        match timeout(limit, self.json(url)).await {
            Ok(answer) => answer,
            Err(_) => Err(transport::silent(&named(self.profile), limit)),
        }
    }

    /// An act that lasts as long as the model takes.
    async fn act(&mut self, url: &str, body: &Value) -> Result<Value, Failure> {
        let limit = self.profile.timeouts.load;
        match timeout(limit, self.post(url, body)).await {
            Ok(document) => document.and_then(|document| self.read(&document)),
            Err(_) => Err(too_long(self.profile, limit)),
        }
    }

    async fn lm_studio_model(&mut self, model: &ModelId, act: ModelAct) -> Result<ModelDone, Failure> {
        let root = self.root().to_owned();
        let document = self.list(&format!("{root}/api/v1/models")).await.map_err(too_old)?;
        let listed = lists::lm_studio_v1(&document).map_err(|detail| self.malformed(&detail))?;
        let known = named_model(&listed.models, model)?;
        let copies: Vec<String> = known.instances.iter().map(|instance| instance.id.clone()).collect();
        // What was loaded by name stays until it is unloaded by name: there is nothing to prolong.
        let load = match act {
            ModelAct::Load { context } => Some(context),
            ModelAct::Keep { .. } => Some(None),
            ModelAct::Unload => None,
        };
        match load {
            Some(context) if !copies.is_empty() => {
                let with = known.instances.iter().find_map(|instance| instance.context);
                already_loaded(model, context, with)?;
                Ok(ModelDone { already: true, context: with, instances: copies })
            }
            Some(context) => {
                let mut body = json!({ "model": model.as_str(), "echo_load_config": true });
                if let Some(context) = context {
                    body["context_length"] = json!(context);
                }
                let answer = self.act(&format!("{root}/api/v1/models/load"), &body).await?;
                // Older builds called it by another name.
                let id = answer.get("instance_id").or_else(|| answer.get("model_instance_id")).and_then(Value::as_str);
                let Some(id) = id else {
                    return Err(self.odd_answer("instance_id", "the name of the loaded copy", &answer));
                };
                let context = answer.pointer("/load_config/context_length").and_then(Value::as_u64).or(context);
                Ok(ModelDone { already: false, context, instances: vec![id.to_owned()] })
            }
            None if copies.is_empty() => Ok(ModelDone { already: true, ..ModelDone::default() }),
            None => {
                // A model's own name means all its copies, a copy's name that one.
                let one = copies.iter().find(|id| id.as_str() == model.as_str() && known.id != *model);
                let wanted = one.map_or_else(|| copies.clone(), |id| vec![id.clone()]);
                for id in &wanted {
                    self.act(&format!("{root}/api/v1/models/unload"), &json!({ "instance_id": id })).await?;
                }
                Ok(ModelDone { already: false, context: None, instances: wanted })
            }
        }
    }

    async fn ollama_model(&mut self, model: &ModelId, act: ModelAct) -> Result<ModelDone, Failure> {
        let root = self.root().to_owned();
        let tags = self.list(&format!("{root}/api/tags")).await?;
        let listed = lists::ollama_tags(&tags).map_err(|detail| self.malformed(&detail))?;
        let known = named_model(&listed.models, model)?;
        if known.remote {
            let message = format!("{model} runs at Ollama's own service: there is nothing to load or unload here");
            return Err(Failure::plain(ErrorCode::InvalidRequest, message));
        }
        let running = self.list(&format!("{root}/api/ps")).await?;
        let (running, _) = lists::ollama_loaded(&running).unwrap_or_default();
        let now = running.get(known.id.as_str()).copied();
        let instances = vec![known.id.to_string()];
        let mut body = json!({ "model": known.id.as_str(), "stream": false });
        match (act, now) {
            // With another window Ollama loads it anew, in place of this one.
            (ModelAct::Load { context }, Some(loaded)) if context.is_none() || context == loaded.context => {
                return Ok(ModelDone { already: true, context: loaded.context, instances });
            }
            (ModelAct::Load { context: Some(context) }, _) => body["options"] = json!({ "num_ctx": context }),
            (ModelAct::Load { context: None }, _) => {}
            (ModelAct::Unload, None) => return Ok(ModelDone { already: true, ..ModelDone::default() }),
            (ModelAct::Unload, Some(_)) => body["keep_alive"] = json!(0),
            (ModelAct::Keep { stay }, loaded) => {
                body["keep_alive"] = json!(format!("{}s", stay.as_secs()));
                // With another window than it has Ollama would load it anew.
                if let Some(context) = loaded.and_then(|loaded| loaded.context) {
                    body["options"] = json!({ "num_ctx": context });
                }
            }
        }
        // Without a prompt nothing is written: the model is loaded, or with no time to live unloaded.
        let route = if known.chat { "generate" } else { "embed" };
        if !known.chat {
            body["input"] = json!([]);
        }
        let answer = self.act(&format!("{root}/api/{route}"), &body).await?;
        if known.chat && answer.get("done") != Some(&Value::Bool(true)) {
            return Err(self.odd_answer("done", "true", &answer));
        }
        let context = match act {
            ModelAct::Load { context } => context,
            ModelAct::Keep { .. } => now.and_then(|loaded| loaded.context),
            ModelAct::Unload => None,
        };
        let already = matches!(act, ModelAct::Keep { .. }) && now.is_some();
        Ok(ModelDone { already, context, instances })
    }

    fn odd_answer(&self, field: &str, expected: &str, answer: &Value) -> Failure {
        let came =
            answer.get(field).map_or_else(|| "nothing".to_owned(), |came| quote(&came.to_string(), &self.secrets()));
        Failure::plain(
            ErrorCode::BadAnswer,
            format!("the server's answer is another than expected: {field}: expected {expected}, came {came}"),
        )
    }
}

/// The model that is meant: by its id, the name of a loaded copy, or that of a build.
fn named_model<'a>(models: &'a [ModelInfo], wanted: &ModelId) -> Result<&'a ModelInfo, Failure> {
    let name = wanted.as_str();
    let by_id = models.iter().find(|model| model.id == *wanted);
    let by_copy = || models.iter().find(|model| model.instances.iter().any(|copy| copy.id == name));
    let by_build = || models.iter().find(|model| model.variants.iter().any(|build| build == name));
    // Ollama leaves the usual tag out.
    let by_tag = || models.iter().find(|model| model.id.as_str().strip_suffix(":latest") == Some(name));
    by_id.or_else(by_copy).or_else(by_build).or_else(by_tag).ok_or_else(|| {
        let offered: Vec<String> = models.iter().take(OFFERED).map(|model| model.id.to_string()).collect();
        let there = match (offered.is_empty(), models.len() > OFFERED) {
            (true, _) => "it has none on disk".to_owned(),
            (false, true) => format!("it has {} and {} more", offered.join(", "), models.len() - OFFERED),
            (false, false) => format!("it has {}", offered.join(", ")),
        };
        let message = format!("the server knows no model {name}: {there}");
        Failure::new(ErrorCode::NotFound, Cause::UnknownModel { offered }, message)
    })
}

/// A second copy beside the first would take its memory twice, which nobody asked for.
fn already_loaded(model: &ModelId, wanted: Option<u64>, with: Option<u64>) -> Result<(), Failure> {
    match (wanted, with) {
        (Some(wanted), Some(with)) if wanted != with => {
            let message =
                format!("{model} is loaded with a context of {with}: unload it first, then load it with {wanted}");
            Err(Failure::plain(ErrorCode::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}

/// LM Studio before 0.4.0 has no interface for it.
fn too_old(failure: Failure) -> Failure {
    match failure.cause {
        Cause::WrongPath { .. } => Failure::plain(
            ErrorCode::InvalidRequest,
            "this LM Studio is older than 0.4.0 and cannot be told to load or unload: on its machine, lms load and lms unload do it",
        ),
        _ => failure,
    }
}

fn too_long(profile: &Profile, limit: Duration) -> Failure {
    let message = format!(
        "{} was not done within {}: it may still be at work, lmdeck models list shows it",
        named(profile),
        transport::time(limit)
    );
    Failure::new(ErrorCode::Timeout, Cause::SilentServer, message)
}

fn named(profile: &Profile) -> String {
    format!("{} port {}", profile.endpoint.host, profile.endpoint.port)
}
