//! The table of keys as a JSON Schema (draft 2020-12), for editors that complete and check YAML by one.
//!
//! It is as strict as the check itself and no stricter: a value may be a `${NAME}` or left empty, and an unknown
//! key is a warning, never an error (`deprecationMessage`, which editors underline and validators ignore).

use super::check::value_fits;
use super::schema::{Row, Shape, TABLE};
use serde_json::{Map, Value, json};

const REFERENCE: &str = r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}$";

/// The schema of a whole file.
pub fn json_schema() -> Value {
    let mut schema = object(&[]);
    let head = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("title", json!("lmdeck configuration")),
        ("description", json!("ai_models.yaml: providers, routing, budget, gateway and more")),
    ];
    if let Some(members) = schema.as_object_mut() {
        // The head first: people read this too.
        let body = std::mem::take(members);
        members.extend(head.map(|(name, value)| (name.to_owned(), value)));
        members.extend(body);
    }
    schema
}

/// A section whose keys have rows directly below `above`.
fn object(above: &[&str]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for row in TABLE {
        let steps: Vec<&str> = row.steps().collect();
        let Some((key, front)) = steps.split_last() else { continue };
        if front != above || matches!(*key, "*" | "[]") {
            continue;
        }
        properties.insert((*key).to_owned(), property(row, &steps));
        if row.required {
            required.push(*key);
        }
    }
    let mut schema = json!({
        "type": if above.is_empty() || !required.is_empty() { json!("object") } else { json!(["object", "null"]) },
        "properties": properties,
        // By custom such keys hold anchors and notes of the person.
        "patternProperties": { "^x-": true },
        "additionalProperties": {
            "description": "not known to lmdeck: it stays in the file and has no effect",
            "deprecationMessage": "not known to lmdeck: it stays in the file and has no effect",
        },
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// One key with what editors show of it.
fn property(row: &Row, steps: &[&str]) -> Value {
    let mut schema = value_of(row, steps);
    let mut about = row.help.to_owned();
    match typed_default(row) {
        Some(value) => schema["default"] = value,
        None if row.default.is_empty() => {}
        None => about = format!("{about} (default: {})", row.default),
    }
    if !row.newer.is_empty() {
        schema["deprecated"] = json!(true);
        about = format!("{about}. {} says the same and wins", row.newer);
    } else if row.original && steps.len() == 1 {
        schema["deprecated"] = json!(true);
        about =
            format!("{about}. A section of the original service: it works as it stands; new things go to new sections");
    }
    schema["description"] = json!(about);
    let examples = examples(row);
    if !examples.is_empty() {
        schema["examples"] = json!(examples);
    }
    schema
}

fn value_of(row: &Row, steps: &[&str]) -> Value {
    let below = |step: &'static str| -> Vec<&str> { steps.iter().copied().chain([step]).collect() };
    let array = |items: Value| json!({ "type": ["array", "null"], "items": items });
    match row.shape {
        Shape::Section => object(steps),
        Shape::Sections => array(object(&below("[]"))),
        Shape::Models | Shape::Secrets => array(json!({ "anyOf": [{ "type": "string" }, object(&below("[]"))] })),
        Shape::Named => {
            let inner = below("*");
            let row = TABLE.iter().find(|row| row.steps().eq(inner.iter().copied()));
            json!({
                "type": ["object", "null"],
                "additionalProperties": row.map_or(json!(true), |row| property(row, &inner)),
            })
        }
        Shape::Scalars => json!({
            "type": ["object", "null"],
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        }),
        Shape::Texts => array(json!({ "type": "string" })),
        Shape::Words(words) => array(json!({ "enum": words })),
        Shape::Text | Shape::Prompt | Shape::Secret | Shape::Address | Shape::Listen if row.required => {
            json!({ "type": "string" })
        }
        Shape::Text | Shape::Prompt | Shape::Secret | Shape::Address | Shape::Listen => {
            json!({ "type": ["string", "null"] })
        }
        Shape::Word(words) => or_reference(row, json!({ "enum": words })),
        Shape::Switch => or_reference(row, json!({ "type": "boolean" })),
        Shape::Span(low, high) => or_reference(
            row,
            json!({ "anyOf": [
                { "type": "number", "minimum": low, "maximum": high },
                { "type": "string", "pattern": r"^([0-9.]+(ms|s|m|h|d))+$" },
            ] }),
        ),
        Shape::Hours => json!({ "type": ["boolean", "string", "null"] }),
        Shape::Moments => json!({ "type": ["string", "null"] }),
        Shape::Whole(low, high) => or_reference(row, json!({ "type": "integer", "minimum": low, "maximum": high })),
        Shape::Figure(low, high) | Shape::Seconds(low, high) => {
            or_reference(row, json!({ "type": "number", "minimum": low, "maximum": high }))
        }
    }
}

/// What the environment gives is known only when the file is read.
fn or_reference(row: &Row, value: Value) -> Value {
    let mut ways = vec![value, json!({ "type": "string", "pattern": REFERENCE })];
    if !row.required {
        ways.push(json!({ "type": "null" }));
    }
    json!({ "anyOf": ways })
}

/// The default as a value, where the table's words are one.
fn typed_default(row: &Row) -> Option<Value> {
    if row.default.is_empty() {
        return None;
    }
    let value: serde_yaml::Value = serde_yaml::from_str(row.default).ok()?;
    if value_fits(&value, row).is_err() || value.is_null() {
        return None;
    }
    // Words about a default are a text as well; only one word can be meant as the value.
    if value.as_str().is_some_and(|text| text.contains(' ') || matches!(text, "none" | "always")) {
        return None;
    }
    serde_json::to_value(value).ok()
}

fn examples(row: &Row) -> Vec<Value> {
    match (row.path, row.shape) {
        ("providers[].id", _) => vec![json!("lm_studio"), json!("workstation")],
        ("routing.policies[].when", _) => vec![json!("request.type == \"prayer_generation\"")],
        ("routing.policies[].use" | "routing.request_priorities.*", _) => vec![json!(["lm_studio", "cloud"])],
        ("gateway.cors_origins", _) => vec![json!(["https://app.example", "http://localhost:3000"])],
        ("providers[].plan.window", _) => vec![json!("5h")],
        (_, Shape::Hours) => vec![json!(true), json!("mon-fri 08:00-18:00")],
        (_, Shape::Moments) => vec![json!("mon-fri 07:55")],
        ("budget.timezone", _) => vec![json!("local"), json!("Europe/Berlin")],
        (_, Shape::Secret) => vec![json!("${OPENAI_API_KEY}")],
        (_, Shape::Secrets) => vec![json!(["${LMDECK_KEY}"]), json!([{ "name": "batch", "key": "${BATCH_KEY}" }])],
        (_, Shape::Address) => {
            vec![json!("http://127.0.0.1:1234"), json!("${LM_STUDIO_BASE_URL:-http://127.0.0.1:1234}")]
        }
        (_, Shape::Listen) => vec![json!("127.0.0.1:4141")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the schema says of a place, by the steps of a row.
    fn at<'s>(schema: &'s Value, steps: &[&str]) -> Option<&'s Value> {
        let Some((step, rest)) = steps.split_first() else { return Some(schema) };
        let next = match *step {
            "[]" => {
                let items = &schema["items"];
                let section =
                    items["anyOf"].as_array().and_then(|ways| ways.iter().find(|way| way["properties"].is_object()));
                section.unwrap_or(items)
            }
            "*" => schema.get("additionalProperties")?,
            key => schema["properties"].get(key)?,
        };
        at(next, rest)
    }

    #[test]
    fn every_key_of_the_table_is_in_it_with_its_words() {
        let schema = json_schema();
        for row in TABLE {
            let steps: Vec<&str> = row.steps().collect();
            let found = at(&schema, &steps).unwrap_or_else(|| panic!("{} is not in the schema", row.path));
            let about = found["description"].as_str().unwrap_or_default();
            assert!(about.starts_with(row.help), "{}: {about}", row.path);
            assert_eq!(
                found["deprecated"] == true,
                !row.newer.is_empty() || (row.original && steps.len() == 1),
                "{}",
                row.path
            );
        }
    }

    #[test]
    fn every_default_and_example_fits_what_it_is_of() {
        for row in TABLE {
            for value in typed_default(row).into_iter().chain(examples(row)) {
                let value: serde_yaml::Value = serde_yaml::to_value(&value).unwrap();
                assert_eq!(value_fits(&value, row), Ok(()), "{}: {value:?}", row.path);
            }
        }
    }
}
