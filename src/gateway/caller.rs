//! Who calls: the client that a key belongs to, else the product that a request's User-Agent tells.

use http::request::Parts;
use http::{HeaderMap, header};
use std::sync::Arc;

/// Characters of a User-Agent's product that are kept.
const PRODUCT_LIMIT: usize = 64;

/// What the key of a request tells, where keys have names.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Its key's name: nothing that the request says of itself counts.
    Named(Arc<str>),
    /// It says its name itself, but not one that belongs to a key.
    Nameless { taken: Arc<[Arc<str>]> },
}

/// The name that rules, limits and records use; empty when nobody told one.
pub fn client(parts: &Parts) -> String {
    match parts.extensions.get::<Caller>() {
        None => product(&parts.headers),
        Some(Caller::Named(name)) => name.to_string(),
        Some(Caller::Nameless { taken }) => {
            let product = product(&parts.headers);
            if taken.iter().any(|name| **name == *product) { String::new() } else { product }
        }
    }
}

/// The product of the User-Agent, as in `DSPy` of `DSPy/3.4.1`.
fn product(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let product = agent.split(['/', ' ', '(']).next().unwrap_or_default();
    product.chars().take(PRODUCT_LIMIT).collect()
}
