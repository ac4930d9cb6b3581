//! Embeddings: a few numbers made of the text, as a list or in base64.

use super::not_json;
use crate::sim::scene::{Answer, Scene};
use serde_json::{Value, json};

/// Numbers of each embedding.
const DIMENSIONS: usize = 8;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(in crate::sim) fn respond(scene: &Scene) -> Answer {
    let asked = scene.seen.json();
    let inputs = match asked.get("input") {
        Some(Value::String(text)) => vec![text.clone()],
        // A list of numbers is one text in tokens already.
        Some(Value::Array(items)) if items.iter().all(Value::is_number) => vec![Value::from(items.clone()).to_string()],
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
        }
        _ => return not_json(),
    };
    let packed = asked.get("encoding_format") == Some(&json!("base64"));
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let numbers = numbers(text);
            let embedding = if packed { json!(base64(&numbers)) } else { json!(numbers) };
            json!({"object": "embedding", "embedding": embedding, "index": index})
        })
        .collect();
    let name = asked.get("model").and_then(Value::as_str).unwrap_or_default();
    let lm_studio = scene.kind().is_lm_studio();
    let quantization = scene.settings().model(name).map(|model| model.quantization.to_lowercase());
    // LM Studio counts nothing here, and may name the build it used.
    let model = match quantization.filter(|_| lm_studio) {
        Some(quantization) => format!("{name}@{quantization}"),
        None => name.to_owned(),
    };
    let tokens = if lm_studio { 0 } else { inputs.iter().map(|text| text.len().div_ceil(4)).sum() };
    Answer::json(&json!({"object": "list", "data": data, "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}))
}

/// The same text has the same numbers, between -1 and 1.
fn numbers(text: &str) -> Vec<f32> {
    let mut sums = [0_u16; DIMENSIONS];
    for (at, byte) in text.bytes().enumerate() {
        let place = at % DIMENSIONS;
        sums[place] = (sums[place] * 31 + u16::from(byte)) % 257;
    }
    sums.iter().map(|sum| (f32::from(*sum) - 128.0) / 128.0).collect()
}

/// Little-endian single floats, as the official clients ask for.
fn base64(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let group = (0..3).fold(0_u32, |group, at| group << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for place in 0..4 {
            let digit = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= three.len() { char::from(ALPHABET[digit as usize]) } else { '=' });
        }
    }
    text
}
