//! Writes the chat request that goes to a server, with the quirks of its kind.

use super::quirks;
use super::splice::{Spliced, splice};
use crate::domain::call::{Body, Message, Work};
use crate::domain::config::Profile;
use crate::domain::failure::Failure;
use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::domain::model::length;
use serde::Serialize;

/// The request for `model` of a server of this kind at `host`, in JSON.
///
/// # Errors
/// `invalid_request`: a client's own body that cannot be forwarded.
pub fn chat(kind: Kind, host: &str, model: &ModelId, body: &Body) -> Result<Spliced, Failure> {
    match body {
        Body::RawOpenaiChat { json } => quirks::forward(kind, host, model.as_str(), json),
        Body::RawOpenaiCompletion { json } => splice(json, model.as_str()),
        // Vectors do not stream, whatever the body says.
        Body::RawOpenaiEmbeddings { json } => {
            splice(json, model.as_str()).map(|spliced| Spliced { stream: false, ..spliced })
        }
        Body::Chat { messages, max_tokens, temperature, stream } => {
            let renamed = length::name(kind, host, model.as_str(), Work::Chat) == length::NEW;
            let request = Request {
                model: model.as_str(),
                messages,
                max_tokens: max_tokens.filter(|_| !renamed),
                max_completion_tokens: max_tokens.filter(|_| renamed),
                temperature: temperature.map(|value| quirks::temperature(kind, value)),
                stream: *stream,
                stream_options: stream.then_some(StreamOptions { include_usage: true }),
            };
            let json = serde_json::to_string(&request).map_err(|error| {
                Failure::plain(
                    crate::domain::failure::ErrorCode::Internal,
                    format!("the request could not be written: {error}"),
                )
            })?;
            Ok(Spliced { json, stream: *stream })
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Where chat requests of a provider go that speaks OpenAI's dialect.
pub fn chat_url(profile: &Profile) -> String {
    [&profile.endpoint.api_base, "/chat/completions"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::call::Role;
    use serde_json::{Value, json};

    fn written(kind: Kind, model: &str, stream: bool) -> Value {
        written_to(kind, "api.example", model, stream)
    }

    fn written_to(kind: Kind, host: &str, model: &str, stream: bool) -> Value {
        let body = Body::Chat {
            messages: vec![Message { role: Role::User, content: "hi \"you\"".into() }],
            max_tokens: Some(64),
            temperature: Some(0.2),
            stream,
        };
        serde_json::from_str(&chat(kind, host, &ModelId::from(model), &body).unwrap().json).unwrap()
    }

    #[test]
    fn a_request_holds_what_was_settled_and_nothing_else() {
        assert_eq!(
            written(Kind::LmStudio, "acme/demo-8b", true),
            json!({
                "model": "acme/demo-8b",
                "messages": [{"role": "user", "content": "hi \"you\""}],
                "max_tokens": 64,
                "temperature": 0.2,
                "stream": true,
                "stream_options": {"include_usage": true},
            })
        );
        assert_eq!(written(Kind::ZAiGlm, "glm-4.6", false).get("stream_options"), None);
    }

    #[test]
    fn the_length_has_the_name_that_the_server_accepts() {
        for (kind, model, name) in [
            (Kind::Openai, "gpt-5.5", "max_completion_tokens"),
            (Kind::Openai, "gpt-6-sol", "max_completion_tokens"),
            (Kind::Openai, "o3-mini", "max_completion_tokens"),
            (Kind::Openai, "gpt-4o", "max_completion_tokens"),
            (Kind::OpenaiCompatible, "gpt-5.5", "max_completion_tokens"),
            (Kind::OpenaiCompatible, "gpt-4o", "max_tokens"),
            (Kind::OpenaiCompatible, "gpt-oss-20b", "max_tokens"),
        ] {
            assert_eq!(written(kind, model, false)[name], 64, "{model}");
        }
        let azure = written_to(Kind::OpenaiCompatible, "mine.openai.azure.com", "my-own-name", false);
        assert_eq!(azure["max_completion_tokens"], 64);
    }
}
