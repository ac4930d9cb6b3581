//! What of a client's own request its price depends on besides the length of its answer: its bytes, the parts whose
//! tokens do not follow from them, and what is billed beside the tokens.

use super::raw_body::Members;
use crate::domain::budget::Sizes;
use crate::domain::failure::{ErrorCode, Failure};
use serde_json::Value;

/// What a member is called that speaks of something else than the input, whatever stands below it.
const NO_INPUT: [&str; 5] = ["tools", "functions", "response_format", "metadata", "annotations"];

/// What has to stand in the text of a request that holds any part counted here, or hides its name.
const MARKS: [&str; 10] =
    ["url\"", "_uri\"", "\"file", "\"image", "\"input_", "\"video\"", "\"document", "\"pdf\"", "\"prediction\"", "\\u"];

/// The sizes of a request for a model with this context. Where it is not known, and `strict`, what may fill it is
/// refused.
///
/// # Errors
/// `invalid_request`: no JSON. `budget`: it holds a part whose tokens nobody can know.
pub fn sizes_of(json: &str, context: Option<u64>, strict: bool) -> Result<Sizes, Failure> {
    let mut found = Found {
        sizes: Sizes {
            bytes: json.len() as u64,
            writes_cache: json.contains("cache_control") || json.contains("cachePoint"),
            ..Sizes::default()
        },
        filling: None,
    };
    if MARKS.iter().any(|mark| json.contains(mark)) {
        let value: Value = serde_json::from_str(json).map_err(|error| {
            Failure::plain(ErrorCode::InvalidRequest, format!("the request is not readable: {error}"))
        })?;
        found.sizes.predicted = predicted(&value);
        found.parts(&value);
    }
    let Found { mut sizes, filling } = found;
    match (filling, context) {
        (None, _) => {}
        (Some(_), Some(context)) => sizes.filled_context = context,
        (Some(name), None) if strict => return Err(no_size(&name)),
        (Some(_), None) => sizes.hosted_inputs += 1,
    }
    Ok(sizes)
}

fn no_size(name: &str) -> Failure {
    let name: String = name.chars().take(40).collect();
    Failure::plain(
        ErrorCode::Budget,
        format!(
            "what {name} costs follows from nothing that is known here, and budget.daily_limit is set: give the model its context in its profile, which bounds it, or leave that part out"
        ),
    )
}

/// The bytes of an expected answer.
fn predicted(request: &Value) -> u64 {
    match &request["prediction"] {
        Value::Null => 0,
        prediction => prediction.to_string().len() as u64,
    }
}

struct Found {
    sizes: Sizes,
    /// The name of a part that may fill the model's context.
    filling: Option<String>,
}

/// What a part is.
enum Part {
    /// Bounded by the dearest image.
    Image,
    /// As long as it likes: a video, a document, sound at an address.
    Filling,
}

impl Part {
    /// By the name of the member that holds it, or by its own `type`.
    fn named(name: &str) -> Option<Self> {
        match name {
            "image_url" | "image" | "input_image" => Some(Self::Image),
            "file_id" | "file_data" | "video" | "input_video" | "document" | "pdf" | "input_file" => {
                Some(Self::Filling)
            }
            _ if name == "url" || name.ends_with("_url") || name.ends_with("_uri") => Some(Self::Filling),
            _ => None,
        }
    }
}

impl Found {
    fn parts(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.parts(item)),
            Value::Object(members) => {
                self.sizes.writes_cache |= members.contains_key("cache_control");
                let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
                if let Some(part) = Part::named(kind) {
                    return self.part(&part, kind, value);
                }
                for (name, member) in members.iter().filter(|(name, _)| !NO_INPUT.contains(&name.as_str())) {
                    match Part::named(name) {
                        _ if member.is_null() => {}
                        Some(part) => self.part(&part, name, member),
                        None => self.parts(member),
                    }
                }
            }
            _ => {}
        }
    }

    fn part(&mut self, part: &Part, name: &str, value: &Value) {
        match part {
            Part::Image => self.sizes.hosted_inputs += 1,
            Part::Filling => {
                self.filling.get_or_insert_with(|| name.to_owned());
            }
        }
        self.leave_out_data(value);
    }

    /// What stands in the request itself is no dearer than what is fetched, however large its text.
    fn leave_out_data(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.starts_with("data:") => {
                self.sizes.bytes = self.sizes.bytes.saturating_sub(text.len() as u64);
            }
            Value::Array(items) => items.iter().for_each(|item| self.leave_out_data(item)),
            Value::Object(members) => members.values().for_each(|member| self.leave_out_data(member)),
            _ => {}
        }
    }
}

/// What a request asks for that is billed beside its tokens, or at another price than the model's.
///
/// # Errors
/// `budget`, with the member; `invalid_request`: a list of tools in which these cannot be told.
pub fn nothing_beside(body: &Members<'_>) -> Result<(), Failure> {
    let said = |name: &str| body.get(name).map(str::trim).filter(|value| !matches!(*value, "null" | "[]" | "false"));
    let beside = |name: &str, why: &str| {
        let what = format!("{name} {why}, and budget.daily_limit is set: leave it out, or let another provider answer");
        Err(Failure::plain(ErrorCode::Budget, what))
    };
    for (name, why) in [
        ("web_search_options", "is billed by the search, which no price here tells"),
        ("plugins", "is billed beside the tokens, which no price here tells"),
        ("models", "lets other models answer at prices of their own"),
        ("audio", "asks for an answer in sound, which no price here tells"),
    ] {
        if said(name).is_some() {
            return beside(name, why);
        }
    }
    if said("modalities")
        .is_some_and(|kinds| kinds.contains("audio") || kinds.contains("image") || kinds.contains('\\'))
    {
        return beside("modalities", "asks for more than text, which no price here tells");
    }
    if let Some(tier) = said("service_tier")
        && !matches!(tier, r#""auto""# | r#""default""# | r#""flex""#)
    {
        return beside("service_tier", "may cost more than the price that is known");
    }
    let Some(tools) = said("tools") else { return Ok(()) };
    match tool_of_the_vendor(tools) {
        Ok(None) => Ok(()),
        Ok(Some(kind)) => beside(&format!("the tool {kind}"), "is the vendor's own and billed by its use"),
        Err(()) => {
            let why = "tools cannot be read: under budget.daily_limit it is a list, and each tool in it";
            Err(Failure::plain(ErrorCode::InvalidRequest, format!("{why} an object with one readable type")))
        }
    }
}

/// The first tool that is not the caller's own. `Err`: the list cannot be read as servers might.
fn tool_of_the_vendor(tools: &str) -> Result<Option<String>, ()> {
    const OWN: [&str; 2] = ["function", "custom"];
    let tools: Vec<Members<'_>> = serde_json::from_str(tools).map_err(|_| ())?;
    for tool in &tools {
        let mut untyped = true;
        // Of two types servers take the one or the other.
        for kind in tool.all("type") {
            untyped = false;
            let kind: String = serde_json::from_str(kind).map_err(|_| ())?;
            if !OWN.contains(&kind.as_str()) {
                return Ok(Some(kind.chars().take(40).collect()));
            }
        }
        if untyped && !OWN.iter().any(|own| tool.get(own).is_some()) {
            return Err(());
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(parts: &str) -> String {
        format!(r#"{{"messages":[{{"role":"user","content":[{parts}]}}]}}"#)
    }

    #[test]
    fn an_image_counts_as_the_dearest_one_and_not_by_its_bytes() {
        let data = format!("data:image/png;base64,{}", "A".repeat(100_000));
        for part in [
            format!(r#"{{"type":"image_url","image_url":{{"url":"{data}"}}}}"#),
            format!(r#"{{"type":"image_url","image_url":"{data}"}}"#),
            format!(r#"{{"im\u0061ge_url":{{"url":"{data}"}}}}"#),
            format!(r#"{{"type":"image","source":{{"type":"base64","data":"{data}"}}}}"#),
        ] {
            let sizes = sizes_of(&parts(&part), None, true).unwrap();
            assert_eq!((sizes.hosted_inputs, sizes.filled_context), (1, 0), "{part}");
            assert!(sizes.bytes < 200, "{sizes:?}");
        }
    }

    #[test]
    fn a_video_or_a_document_costs_at_most_the_context_and_without_one_nobody_knows() {
        for part in [
            r#"{"type":"video_url","video_url":{"url":"https://videos.test/long.mp4"}}"#,
            r#"{"type":"file_url","file_url":{"url":"https://files.test/long.pdf"}}"#,
            r#"{"type":"file","file":{"file_id":"file-1"}}"#,
            r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}"#,
            r#"{"type":"input_file","file":{"url":"https://files.test/long.pdf"}}"#,
        ] {
            let json = parts(part);
            assert_eq!(sizes_of(&json, Some(65_536), true).unwrap().filled_context, 65_536, "{part}");
            let refused = sizes_of(&json, None, true).unwrap_err();
            assert_eq!(refused.code, ErrorCode::Budget);
            assert!(refused.message.contains("give the model its context"), "{}", refused.message);
            assert_eq!(sizes_of(&json, None, false).unwrap().hosted_inputs, 1, "whom the limit does not stop");
        }
    }

    #[test]
    fn addresses_in_tools_labels_and_texts_are_no_input() {
        let json = r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"page_url":{}}}}}],
            "metadata":{"url":"x"},"messages":[{"role":"user","content":"look at \"image_url\": https://a.test"},
            {"role":"assistant","content":"x","annotations":[{"type":"url_citation","url_citation":{"url":"x"}}]}]}"#;
        let sizes = sizes_of(json, None, true).unwrap();
        assert_eq!((sizes.hosted_inputs, sizes.filled_context), (0, 0));
        assert_eq!(nothing_beside(&Members::read(json).unwrap()), Ok(()));
    }

    proptest! {
        /// A request without any mark is not looked into.
        #[test]
        fn whatever_counts_as_a_part_has_a_mark(
            known in prop::sample::select(vec![
                "image_url", "image", "input_image", "file_id", "file_data", "video", "input_video", "document", "pdf",
                "input_file", "url", "_url", "_uri",
            ]),
            before in "[a-z_]{0,8}",
            after in "[a-z_]{0,3}",
        ) {
            for name in [known.to_owned(), format!("{before}{known}"), format!("{before}{known}{after}")] {
                if Part::named(&name).is_some() {
                    for json in [format!(r#"{{"type":"{name}"}}"#), format!(r#"{{"{name}":"x"}}"#)] {
                        prop_assert!(MARKS.iter().any(|mark| json.contains(mark)), "{json}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_expected_answer_may_be_billed_as_written() {
        let json = r#"{"prediction":{"type":"content","content":"twelve bytes"},"messages":[]}"#;
        assert!(sizes_of(json, None, true).unwrap().predicted >= 12);
    }

    #[test]
    fn what_is_billed_beside_the_tokens_is_refused_by_its_name() {
        for (member, name) in [
            (r#""web_search_options":{}"#, "web_search_options is billed by the search"),
            (r#""plugins":[{"id":"web"}]"#, "plugins"),
            (r#""models":["other/dear"]"#, "models lets other models answer"),
            (r#""modalities":["text","audio"]"#, "modalities"),
            (r#""audio":{"voice":"x"}"#, "audio"),
            (r#""service_tier":"priority""#, "service_tier may cost more"),
            (r#""tools":[{"type":"function"},{"type":"web_search"}]"#, "the tool web_search"),
            (r#""tools":[{"type":"function","type":"web_search"}]"#, "the tool web_search"),
            (r#""tools":[{"t\u0079pe":"web_search"}]"#, "the tool web_search"),
        ] {
            let json = format!("{{{member}}}");
            let refused = nothing_beside(&Members::read(&json).unwrap()).unwrap_err();
            assert!(refused.message.contains(name) && refused.code == ErrorCode::Budget, "{}", refused.message);
        }
        for unreadable in [r#"[{"type":["web_search"]}]"#, r#"[{"google_search":{}}]"#, r#"["web_search"]"#, "{}"] {
            let json = format!(r#"{{"tools":{unreadable}}}"#);
            let refused = nothing_beside(&Members::read(&json).unwrap()).unwrap_err();
            assert!(refused.message.contains("tools") && refused.code == ErrorCode::InvalidRequest, "{unreadable}");
        }
        let own = r#"{"tools":[{"type":"custom","name":"x"},{"function":{"name":"f"}}]}"#;
        assert_eq!(nothing_beside(&Members::read(own).unwrap()), Ok(()));
        let plain = r#"{"service_tier":"flex","modalities":["text"],"plugins":[],"audio":null,"tools":[]}"#;
        assert_eq!(nothing_beside(&Members::read(plain).unwrap()), Ok(()));
    }
}
