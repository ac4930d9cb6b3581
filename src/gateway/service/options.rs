//! What `generate` and presets both take beside their texts: limits of the answer, the cache, labels.

use super::text;
use crate::domain::cache_key::CacheWish;
use crate::domain::call::{Facts, Priority};
use crate::gateway::labels;
use crate::gateway::problem::Problem;
use http::request::Parts;
use serde_json::{Map, Value};

/// The names of the members read here.
pub const NAMES: [&str; 6] = ["max_tokens", "temperature", "use_cache", "priority", "preferred_provider", "context"];

/// See the module. What is absent or null is not given.
pub struct Options {
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    /// Holds the labels of body and headers.
    pub facts: Facts,
}

impl Options {
    /// # Errors
    /// A member of the wrong type, or with a value that it cannot have.
    pub fn read(members: &Map<String, Value>, head: &Parts) -> Result<Self, Problem> {
        let cache = match members.get("use_cache") {
            None | Some(Value::Null | Value::Bool(true)) => CacheWish::On,
            Some(Value::Bool(false)) => CacheWish::Off,
            Some(_) => return Err(Problem::invalid("use_cache must be true or false").about("use_cache")),
        };
        let (max_tokens, temperature) = (max_tokens(members)?, temperature(members)?);
        let mut facts = Facts {
            priority: match text(members, "priority")? {
                Some(word) => labels::priority(&word, "priority")?,
                None => Priority::Normal,
            },
            cache,
            preferred_provider: text(members, "preferred_provider")?.unwrap_or_default(),
            ..Facts::default()
        };
        put_context(&mut facts, members.get("context"))?;
        labels::from_head(&mut facts, head)?;
        Ok(Self { max_tokens, temperature, facts })
    }
}

/// Three members are facts, the other scalars are tags.
fn put_context(facts: &mut Facts, context: Option<&Value>) -> Result<(), Problem> {
    let members = match context {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(Problem::invalid("context must be an object").about("context")),
    };
    for (name, value) in members {
        let Some(text) = labels::scalar(value) else { continue };
        let place = format!("context.{name}");
        match name.as_str() {
            "request_type" | "complexity" | "audience" => labels::put(facts, name, &text, &place).map(|_| ())?,
            _ => labels::put_tag(facts, name, &text, &place)?,
        }
    }
    Ok(())
}

fn max_tokens(members: &Map<String, Value>) -> Result<Option<u64>, Problem> {
    match members.get("max_tokens") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().filter(|count| *count > 0).map(Some).ok_or_else(|| {
            Problem::invalid(format!("max_tokens is {value}: use a whole number from 1 on")).about("max_tokens")
        }),
    }
}

fn temperature(members: &Map<String, Value>) -> Result<Option<f64>, Problem> {
    match members.get("temperature") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().filter(|degree| (0.0..=2.0).contains(degree)).map(Some).ok_or_else(|| {
            Problem::invalid(format!("temperature is {value}: use a number from 0 to 2")).about("temperature")
        }),
    }
}
