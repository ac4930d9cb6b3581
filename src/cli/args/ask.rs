//! The flags of `ask` and of the sample request in `routes explain`.

use clap::{Args, ValueEnum};

const ASK_EXAMPLES: &str = "\
Examples:
  lmdeck ask \"Name the four noble truths.\"
  lmdeck ask -m zai/glm-4.6 --max-tokens 200 \"Explain dependent origination.\"
  lmdeck ask --type teaching_generation --tag privacy=high - < question.txt
  lmdeck ask --preset generate-prayer --var intention=\"a quiet mind\"
  lmdeck ask --dry-run \"Where would this go?\"
  lmdeck ask --dry-run --count -m claude - < long.txt";

#[derive(Debug, Clone, Args)]
#[command(after_help = ASK_EXAMPLES)]
pub struct AskArgs {
    /// The prompt; - reads it from standard input (at most 16 MiB)
    pub prompt: Option<String>,
    /// System prompt; wins over the one of the configuration
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// A preset in place of a prompt, as presets run does
    #[arg(long, value_name = "NAME", conflicts_with_all = ["prompt", "system"])]
    pub preset: Option<String>,
    #[command(flatten)]
    pub vars: VarArgs,
    #[command(flatten)]
    pub send: SendArgs,
}

/// Values of a preset's variables.
#[derive(Debug, Clone, Default, Args)]
pub struct VarArgs {
    /// The value of a variable of the preset; a value of - is read from standard input. May be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
}

/// What is said of a request beside its texts.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct SendArgs {
    /// provider/model, a provider, a model id, a preset, auto, local or cloud [default: auto, or what the preset says]
    #[arg(long, short, visible_alias = "target", value_name = "TARGET")]
    pub model: Option<String>,
    /// Request type, for the rules
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
    pub request_type: String,
    /// Most tokens the answer may have
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tokens: Option<u64>,
    /// 0 is sober, 2 is wild
    #[arg(long, value_name = "N", value_parser = temperature)]
    pub temperature: Option<f64>,
    /// Who goes first where calls wait for a slot; low waits longest, and never for ever
    #[arg(long, value_name = "PRIORITY", default_value = "normal")]
    pub priority: PriorityWord,
    /// A label for the rules; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,
    /// Name of the session; its calls keep their target while rules and health allow
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub session: String,
    /// Keep it at home, as a policy may: no cloud provider is reached, whatever fails
    #[arg(long)]
    pub local_only: bool,
    /// Say where it would go and what it may cost; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: have the target's vendor count the tokens. Only Anthropic does; it is free, no model sees the
    /// prompt, and the prompt is sent to the vendor
    #[arg(long, requires = "dry_run")]
    pub count: bool,
    /// Ask for the whole answer at once
    #[arg(long)]
    pub no_stream: bool,
    /// Neither use a kept answer nor keep this one (they outlive a call only with cache.persist)
    #[arg(long)]
    pub no_cache: bool,
}

/// A request that is only imagined.
#[derive(Debug, Clone, Args)]
pub struct SampleArgs {
    /// provider/model, a provider, a model id, auto, local or cloud
    #[arg(long, short, value_name = "TARGET", default_value = "auto")]
    pub model: String,
    /// Request type
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
    pub request_type: String,
    /// How hard it is, in the caller's words
    #[arg(long, value_name = "WORD", default_value = "", hide_default_value = true)]
    pub complexity: String,
    /// Whom it is for, in the caller's words
    #[arg(long, value_name = "WORD", default_value = "", hide_default_value = true)]
    pub audience: String,
    /// How urgent it is
    #[arg(long, value_name = "PRIORITY", default_value = "normal")]
    pub priority: PriorityWord,
    /// A provider whose targets come first
    #[arg(long, value_name = "PROVIDER", default_value = "", hide_default_value = true)]
    pub prefer: String,
    /// Length of the prompt in tokens
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub tokens: u64,
    /// Most tokens the answer may have
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_tokens: u64,
    /// Name of the caller
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub client: String,
    /// Name of the caller's session
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub session: String,
    /// A label for the rules; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,
    /// What the request carries or asks for; may be given several times
    #[arg(long = "with", value_name = "WHAT")]
    pub with: Vec<Trait>,
    /// What kind of work it is
    #[arg(long, value_name = "WORK", default_value = "chat")]
    pub work: WorkWord,
    /// The caller keeps it at home
    #[arg(long)]
    pub local_only: bool,
}

/// The kinds of work, as the gateway's routes tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum WorkWord {
    #[default]
    Chat,
    Completion,
    Embeddings,
}

/// Something a request carries or asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Trait {
    Stream,
    Tools,
    Images,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PriorityWord {
    High,
    #[default]
    Normal,
    Low,
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("a tag is written KEY=VALUE, as in privacy=high".to_owned()),
    }
}

/// As in `intention=peace`.
pub fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("a variable is written NAME=VALUE, as in intention=peace".to_owned()),
    }
}

pub fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=2.0).contains(&value) => Ok(value),
        _ => Err("a number from 0 to 2, as in 0.7".to_owned()),
    }
}
