//! A model on a simulated server.

/// What a server says of one of its models.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that some server tells")]
pub struct SimModel {
    pub id: String,
    pub loaded: bool,
    /// The window it is loaded with; of a vendor's model the whole one.
    pub context: u64,
    pub embedding: bool,
    /// Ollama's remote models.
    pub remote: bool,
    /// The name for people.
    pub display: String,
    pub publisher: String,
    pub architecture: String,
    /// As in `Q4_K_M`.
    pub quantization: String,
    pub size_bytes: u64,
    /// As in `8B`.
    pub parameters: String,
    /// The most it could be loaded with.
    pub max_context: u64,
    pub vision: bool,
    pub tools: bool,
    /// It thinks before it answers.
    pub thinks: bool,
    /// OpenRouter's prices, dollars per single token, in and out, as decimal texts.
    pub price: (String, String),
}

impl SimModel {
    /// Loaded, with a window of 4096.
    pub fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            loaded: true,
            context: 4096,
            embedding: false,
            remote: false,
            display: "Demo".into(),
            publisher: "acme".into(),
            architecture: "llama".into(),
            quantization: "Q4_K_M".into(),
            size_bytes: 4_900_000_000,
            parameters: "8B".into(),
            max_context: 131_072,
            vision: false,
            tools: true,
            thinks: false,
            price: ("0.0000012".into(), "0.000006".into()),
        }
    }

    pub fn unloaded(id: &str) -> Self {
        Self { loaded: false, ..Self::named(id) }
    }

    /// An embedding model, loaded.
    pub fn embedding(id: &str) -> Self {
        Self { embedding: true, context: 2048, max_context: 2048, tools: false, ..Self::named(id) }
    }
}

/// A further copy of a model in memory (LM Studio).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimInstance {
    /// `key:2` and so on.
    pub id: String,
    /// The model it is a copy of.
    pub model: String,
    pub context: u64,
}
