//! What a policy does to a request that a client wrote itself: only the members it speaks of change, everything
//! else stays as the client sent it, to the byte.

use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::model::length;
use crate::domain::preset::Preset;
use crate::domain::routing::Effects;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The members of an object in the order they came, each as it was written.
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value: &'de RawValue = map.next_value()?;
                    members.push((Cow::Owned(key), Cow::Borrowed(value.get())));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Visitor)
    }
}

impl<'a> Members<'a> {
    /// # Errors
    /// `invalid_request`: the text is no JSON object.
    pub(super) fn read(json: &'a str) -> Result<Self, Failure> {
        serde_json::from_str(json).map_err(|error| unreadable(&error))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of every member of that name: a list may hold one twice.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    /// Every member of that name: what a server makes of two is its own affair.
    pub(super) fn set(&mut self, name: &'a str, value: String) {
        let mut found = false;
        for (_, old) in self.0.iter_mut().filter(|(key, _)| key == name) {
            *old = Cow::Owned(value.clone());
            found = true;
        }
        if !found {
            self.0.push((Cow::Borrowed(name), Cow::Owned(value)));
        }
    }

    pub(super) fn write(&self) -> String {
        let mut out = String::from("{");
        for (at, (key, value)) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(&quoted(key));
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        out
    }
}

/// The body with a policy's values in it; `length` is what the server calls that of its answer.
///
/// # Errors
/// `invalid_request`: the body is no chat request.
pub fn with_effects(json: &str, effects: &Effects, length: &'static str) -> Result<String, Failure> {
    let mut body = Members::read(json)?;
    if let Some(cap) = effects.max_tokens {
        cap_answer(&mut body, cap, length);
    }
    if let Some(temperature) = effects.temperature {
        body.set("temperature", temperature.to_string());
    }
    if let Some(prompt) = &effects.system_prompt {
        let messages: Vec<&RawValue> =
            serde_json::from_str(body.get("messages").unwrap_or("[]")).map_err(|error| unreadable(&error))?;
        let prompt = format!(r#"{{"role":"system","content":{}}}"#, quoted(prompt));
        let others = messages.iter().enumerate().filter(|(at, message)| *at > 0 || !is_system(message));
        let all: Vec<&str> = std::iter::once(prompt.as_str()).chain(others.map(|(_, message)| message.get())).collect();
        let written = format!("[{}]", all.join(","));
        body.set("messages", written);
    }
    Ok(body.write())
}

/// The body with a preset's values where the client says nothing itself; `None` when it says everything.
///
/// # Errors
/// `invalid_request`: the body is no JSON object.
pub fn with_preset(json: &str, preset: &Preset, length: &'static str) -> Result<Option<String>, Failure> {
    let mut body = Members::read(json)?;
    let says = |body: &Members<'_>, name: &str| body.get(name).is_some_and(|value| value.trim() != "null");
    let mut changed = false;
    if let Some(count) = preset.max_tokens
        && !says(&body, length::OLD)
        && !says(&body, length::NEW)
    {
        body.set(length, count.to_string());
        changed = true;
    }
    if let Some(temperature) = preset.temperature
        && !says(&body, "temperature")
    {
        body.set("temperature", temperature.to_string());
        changed = true;
    }
    Ok(changed.then(|| body.write()))
}

fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::plain(ErrorCode::InvalidRequest, format!("the request is no JSON object that can be read: {error}"))
}

/// The caller's own limit stays where it is the smaller one.
fn cap_answer(body: &mut Members<'_>, cap: u64, length: &'static str) {
    let mut limited = false;
    for name in [length::NEW, length::OLD] {
        let Some(written) = body.get(name).map(str::trim) else { continue };
        if written == "null" {
            continue;
        }
        limited = true;
        if written.parse::<u64>().map_or(true, |own| own > cap) {
            body.set(name, cap.to_string());
        }
    }
    if !limited {
        body.set(length, cap.to_string());
    }
}

fn is_system(message: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Role {
        #[serde(default)]
        role: String,
    }
    serde_json::from_str::<Role>(message.get()).is_ok_and(|message| matches!(&*message.role, "system" | "developer"))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(json: &str, effects: &Effects) -> String {
        with_effects(json, effects, length::OLD).unwrap()
    }

    #[test]
    fn only_what_the_policy_speaks_of_changes() {
        let json = r#"{"model":"auto", "messages":[ {"role":"user","content":"h\u00e9" , "n":1e2}],"seed":1.50,"max_tokens": 900}"#;
        let effects = Effects { max_tokens: Some(300), temperature: Some(0.2), ..Effects::default() };
        assert_eq!(
            done(json, &effects),
            r#"{"model":"auto","messages":[ {"role":"user","content":"h\u00e9" , "n":1e2}],"seed":1.50,"max_tokens":300,"temperature":0.2}"#
        );
        let smaller = done(r#"{"max_tokens":5}"#, &effects);
        assert!(smaller.contains(r#""max_tokens":5"#), "{smaller}");
        let none = with_effects(r#"{"max_tokens":null}"#, &effects, length::NEW).unwrap();
        assert!(none.contains(r#""max_completion_tokens":300"#), "{none}");
    }

    #[test]
    fn a_system_prompt_takes_the_place_of_the_callers() {
        let effects = Effects { system_prompt: Some("Be \"brief\".".into()), ..Effects::default() };
        let ours = r#"{"messages":[{"role":"system","content":"Be \"brief\"."},{"role":"user","content":"x"}]}"#;
        assert_eq!(done(r#"{"messages":[{"role":"user","content":"x"}]}"#, &effects), ours);
        assert_eq!(
            done(r#"{"messages":[{"role":"system","content":"long"},{"role":"user","content":"x"}]}"#, &effects),
            ours
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(with_effects("[1]", &Effects::default(), length::NEW).unwrap_err().code, ErrorCode::InvalidRequest);
    }
}
