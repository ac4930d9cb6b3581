//! A caller's labels, from headers and from a request's `metadata`; headers win.

use super::caller::client;
use super::problem::Problem;
use crate::domain::cache_key::CacheWish;
use crate::domain::call::{Facts, Priority};
use crate::domain::trace::TraceParent;
use http::HeaderName;
use http::request::Parts;
use serde_json::Value;

/// Longest label, in bytes.
const LABEL_LIMIT: usize = 256;
/// Most tags of one request.
const TAG_LIMIT: usize = 64;
/// Where a caller names its span.
const TRACE: HeaderName = HeaderName::from_static("traceparent");
/// What the headers of labels begin with.
const OURS: &str = "x-lmdeck-";
/// Each label's header with the label's name.
const HEADERS: [(HeaderName, &str); 8] = [
    (HeaderName::from_static("x-lmdeck-request-type"), "request_type"),
    (HeaderName::from_static("x-lmdeck-complexity"), "complexity"),
    (HeaderName::from_static("x-lmdeck-audience"), "audience"),
    (HeaderName::from_static("x-lmdeck-priority"), "priority"),
    (HeaderName::from_static("x-lmdeck-session"), "session"),
    (HeaderName::from_static("x-lmdeck-tags"), "tags"),
    (HeaderName::from_static("x-lmdeck-cache"), "cache"),
    (HeaderName::from_static("x-lmdeck-local-only"), "local_only"),
];
/// The lmdeck instances that a request came through.
const HOP: HeaderName = HeaderName::from_static("x-lmdeck-hop");
/// Instances told at most; a request through more than that goes round in a circle.
const HOP_LIMIT: usize = 16;

/// Puts the labels of `metadata`: under `lmdeck.NAME`, where any name is one, or under the plain name of a
/// label. Everything else in there is the caller's own and left alone.
///
/// # Errors
/// An unreadable value under `lmdeck.…`, or of `local_only` under whichever name.
pub fn from_metadata(facts: &mut Facts, metadata: &serde_json::Map<String, Value>) -> Result<(), Problem> {
    for (name, value) in metadata {
        if name.starts_with("lmdeck.") {
            continue;
        }
        // A wish to stay at home that was misread would go out.
        if name == "local_only" {
            put_local_only(facts, value)?;
            continue;
        }
        // A plain `priority: P1` may mean something else to the caller, so what does not fit is not ours.
        let _ = match value {
            Value::Object(tags) if name == "tags" => put_tags(facts, tags, "metadata.tags"),
            Value::String(text) => put(facts, name, text, name).map(|_| ()),
            _ => Ok(()),
        };
    }
    for (name, value) in metadata {
        let Some(label) = name.strip_prefix("lmdeck.") else { continue };
        let place = format!("metadata.{name}");
        match value {
            Value::Object(tags) if label == "tags" => put_tags(facts, tags, &place)?,
            value => {
                let text = scalar(value).ok_or_else(|| {
                    Problem::invalid(format!("{place} is not a text: labels are texts")).about(place.clone())
                })?;
                if !put(facts, label, &text, &place)? {
                    put_tag(facts, label, &text, &place)?;
                }
            }
        }
    }
    Ok(())
}

fn put_local_only(facts: &mut Facts, value: &Value) -> Result<(), Problem> {
    const PLACE: &str = "metadata.local_only";
    if value.is_null() {
        return Ok(());
    }
    let text = scalar(value).ok_or_else(|| neither(&value.to_string(), PLACE))?;
    put(facts, "local_only", &text, PLACE).map(|_| ())
}

/// Puts the labels of the headers, and the client's name.
///
/// # Errors
/// An unreadable label.
pub fn from_head(facts: &mut Facts, head: &Parts) -> Result<(), Problem> {
    let headers = &head.headers;
    let labelled = headers.keys().any(|name| name.as_str().starts_with(OURS));
    for (header, name) in HEADERS.iter().filter(|_| labelled) {
        let Some(value) = headers.get(header) else { continue };
        let place = header.as_str();
        let text = std::str::from_utf8(value.as_bytes())
            .map_err(|_| Problem::invalid(format!("{place} is not UTF-8 text")).about(place))?;
        put(facts, name, text.trim(), place)?;
    }
    facts.client = client(head);
    if labelled && let Some(hops) = headers.get(HOP).and_then(|hops| hops.to_str().ok()) {
        facts.through = hops.split(',').map(|hop| hop.trim().to_owned()).take(HOP_LIMIT).collect();
    }
    facts.trace = headers.get(TRACE).and_then(|parent| parent.to_str().ok()).and_then(TraceParent::parse);
    Ok(())
}

/// Puts one label by its name; `false` when there is no such label.
///
/// # Errors
/// Too long, or not what this label takes.
pub fn put(facts: &mut Facts, name: &str, text: &str, place: &str) -> Result<bool, Problem> {
    check(text, place)?;
    match name {
        "request_type" => text.clone_into(&mut facts.request_type),
        "complexity" => text.clone_into(&mut facts.complexity),
        "audience" => text.clone_into(&mut facts.audience),
        "session" => text.clone_into(&mut facts.session),
        "priority" => facts.priority = priority(text, place)?,
        "cache" => facts.cache = cache(text, place)?,
        "local_only" => facts.local_only = switch(text, place)?,
        "tags" => {
            for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
                let (tag, value) = item.split_once('=').ok_or_else(|| {
                    Problem::invalid(format!("{place}: {item:?} is not a tag: write name=value,name2=value2"))
                        .about(place)
                })?;
                put_tag(facts, tag.trim(), value.trim(), place)?;
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// # Errors
/// Not one of the three words.
pub fn priority(text: &str, place: &str) -> Result<Priority, Problem> {
    Priority::from_word(text).ok_or_else(|| {
        Problem::invalid(format!("{place}: {text:?} is not a priority: use low, normal or high")).about(place)
    })
}

fn switch(text: &str, place: &str) -> Result<bool, Problem> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(neither(text, place)),
    }
}

fn neither(text: &str, place: &str) -> Problem {
    let text: String = text.chars().take(40).collect();
    Problem::invalid(format!("{place}: {text:?} is neither on nor off: write on or off")).about(place)
}

fn cache(text: &str, place: &str) -> Result<CacheWish, Problem> {
    CacheWish::from_word(text)
        .ok_or_else(|| Problem::invalid(format!("{place}: {text:?} is none of on, off and only")).about(place))
}

/// Adds one tag.
///
/// # Errors
/// No name, too long, or too many.
pub fn put_tag(facts: &mut Facts, name: &str, value: &str, place: &str) -> Result<(), Problem> {
    check(name, place)?;
    check(value, place)?;
    if name.is_empty() {
        return Err(Problem::invalid(format!("{place}: a tag has no name: write name=value")).about(place));
    }
    if facts.tags.len() >= TAG_LIMIT && !facts.tags.contains_key(name) {
        return Err(Problem::invalid(format!("{place}: more than {TAG_LIMIT} tags: send fewer")).about(place));
    }
    facts.tags.insert(name.to_owned(), value.to_owned());
    Ok(())
}

fn put_tags(facts: &mut Facts, tags: &serde_json::Map<String, Value>, place: &str) -> Result<(), Problem> {
    for (name, value) in tags {
        if let Some(text) = scalar(value) {
            put_tag(facts, name, &text, place)?;
        }
    }
    Ok(())
}

/// A scalar as a label's text; `None` for null, lists and objects.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn check(text: &str, place: &str) -> Result<(), Problem> {
    if text.len() > LABEL_LIMIT {
        return Err(
            Problem::invalid(format!("{place} is longer than {LABEL_LIMIT} bytes: use a shorter label")).about(place)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(metadata: Value, headers: &[(&'static str, &str)]) -> Result<Facts, Problem> {
        let Value::Object(metadata) = metadata else { panic!("metadata is an object") };
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let mut facts = Facts::default();
        from_metadata(&mut facts, &metadata)?;
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.headers = headers.collect();
        from_head(&mut facts, &head)?;
        Ok(facts)
    }

    #[test]
    fn headers_win_over_metadata_and_the_prefixed_name_over_the_plain_one() {
        let facts = read(
            json!({"lmdeck.request_type": "b", "request_type": "a", "complexity": "low", "audience": "x", "mine": "y"}),
            &[("x-lmdeck-complexity", "high"), ("x-lmdeck-tags", "privacy=high, team = a")],
        )
        .unwrap();
        assert_eq!((facts.request_type.as_str(), facts.complexity.as_str()), ("b", "high"));
        assert_eq!(facts.audience, "x");
        assert_eq!(
            facts.tags.into_iter().collect::<Vec<_>>(),
            [("privacy".to_owned(), "high".to_owned()), ("team".to_owned(), "a".to_owned())]
        );
    }

    #[test]
    fn tags_come_as_text_as_an_object_or_under_the_prefix() {
        let facts = read(json!({"tags": "a=1", "lmdeck.b": 2, "lmdeck.tags": {"c": true, "d": null}}), &[]).unwrap();
        assert_eq!(facts.tags.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn a_callers_own_metadata_is_never_an_error_but_a_wrong_label_is() {
        assert_eq!(read(json!({"priority": "P1", "tags": [1]}), &[]).unwrap().priority, Priority::Normal);
        for (metadata, headers) in [
            (json!({"lmdeck.priority": "P1"}), vec![]),
            (json!({"lmdeck.session": ["x"]}), vec![]),
            (json!({}), vec![("x-lmdeck-priority", "urgent")]),
            (json!({}), vec![("x-lmdeck-tags", "novalue")]),
            (json!({}), vec![("x-lmdeck-tags", "=novalue")]),
        ] {
            let problem = read(metadata.clone(), &headers).unwrap_err();
            assert!(problem.param.is_some(), "{metadata} {headers:?}");
        }
        assert!(read(json!({}), &[("x-lmdeck-session", &"s".repeat(300))]).is_err());
    }

    #[test]
    fn a_wish_to_stay_at_home_is_understood_or_refused_and_never_dropped() {
        for (value, at_home) in [
            (json!(true), true),
            (json!("true"), true),
            (json!("True"), true),
            (json!("ON"), true),
            (json!(" yes "), true),
            (json!("1"), true),
            (json!(1), true),
            (json!(false), false),
            (json!("False"), false),
            (json!("off"), false),
            (json!(0), false),
            (Value::Null, false),
        ] {
            for name in ["local_only", "lmdeck.local_only"] {
                if name == "lmdeck.local_only" && value.is_null() {
                    continue;
                }
                assert_eq!(read(json!({ name: value }), &[]).unwrap().local_only, at_home, "{name}: {value}");
            }
        }
        for value in [json!("maybe"), json!(""), json!(2), json!([true]), json!({"on": true})] {
            for name in ["local_only", "lmdeck.local_only"] {
                let problem = read(json!({ name: value }), &[]).unwrap_err();
                assert_eq!(problem.param, Some(format!("metadata.{name}")), "{value}");
            }
        }
        assert!(read(json!({}), &[("x-lmdeck-local-only", "Yes")]).unwrap().local_only);
        assert!(read(json!({}), &[("x-lmdeck-local-only", "perhaps")]).is_err());
    }

    #[test]
    fn the_client_is_the_user_agents_product() {
        for (agent, client) in [("DSPy/3.4.1", "DSPy"), ("OpenAI/Python 3.3.0", "OpenAI"), ("curl", "curl"), ("", "")] {
            assert_eq!(read(json!({}), &[("user-agent", agent)]).unwrap().client, client);
        }
    }
}
