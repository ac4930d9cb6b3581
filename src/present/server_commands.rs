//! The commands that start, load and look into each kind of server, as a person would type them.

use crate::domain::kind::Kind;

/// How a server is started so that it listens on `port`; `elsewhere` when other machines must reach it.
/// `None` where lmdeck cannot know (vendors, unknown servers).
pub fn start(kind: Kind, port: u16, elsewhere: bool, model: Option<&str>) -> Option<String> {
    Some(match kind {
        Kind::LmStudio if elsewhere => format!("lms server start --port {port} --bind 0.0.0.0"),
        Kind::LmStudio => format!("lms server start --port {port}"),
        Kind::LlamaCpp => {
            let host = if elsewhere { " --host 0.0.0.0" } else { "" };
            format!("llama-server -m {}{host} --port {port}", gguf(model))
        }
        Kind::Ollama if elsewhere => format!("OLLAMA_HOST=0.0.0.0:{port} ollama serve"),
        Kind::Ollama if port == 11434 => "ollama serve".to_owned(),
        Kind::Ollama => format!("OLLAMA_HOST=127.0.0.1:{port} ollama serve"),
        Kind::Vllm => {
            let host = if elsewhere { " --host 0.0.0.0" } else { "" };
            format!("vllm serve {}{host} --port {port}", named(model))
        }
        Kind::ZAiGlm | Kind::Openai | Kind::Anthropic | Kind::Openrouter | Kind::OpenaiCompatible => return None,
    })
}

/// What makes a running server listen for other machines too.
pub fn open_to_network(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::LmStudio => Some("add --bind 0.0.0.0, or switch on Developer > Server Settings > Serve on Local Network"),
        Kind::LlamaCpp | Kind::Vllm => Some("add --host 0.0.0.0"),
        Kind::Ollama => Some("set OLLAMA_HOST=0.0.0.0 for it"),
        Kind::ZAiGlm | Kind::Openai | Kind::Anthropic | Kind::Openrouter | Kind::OpenaiCompatible => None,
    }
}

/// How a model gets into a server's memory.
pub fn load(kind: Kind, port: u16, elsewhere: bool, model: Option<&str>) -> Option<String> {
    match kind {
        Kind::LmStudio => Some(format!("lms load {} --ttl 3600", named(model))),
        Kind::Ollama => Some(format!("ollama run {} \"\"", named(model))),
        Kind::LlamaCpp | Kind::Vllm => start(kind, port, elsewhere, model),
        Kind::ZAiGlm | Kind::Openai | Kind::Anthropic | Kind::Openrouter | Kind::OpenaiCompatible => None,
    }
}

/// How a model gets onto a server's disk.
pub fn fetch(kind: Kind, model: Option<&str>) -> Option<String> {
    match kind {
        Kind::LmStudio => Some(format!("lms get {}", named(model))),
        Kind::Ollama => Some(format!("ollama pull {}", named(model))),
        _ => None,
    }
}

/// Where a server says what went wrong.
pub fn log(kind: Kind) -> (&'static str, Option<&'static str>) {
    match kind {
        Kind::LmStudio => ("LM Studio's log says more", Some("lms log stream -s server")),
        Kind::Ollama => ("Ollama's log says more (~/.ollama/logs, or the journal)", Some("journalctl -u ollama -n 50")),
        Kind::LlamaCpp => ("the terminal that runs llama-server says more", None),
        Kind::Vllm => ("the terminal that runs vllm serve says more", None),
        Kind::ZAiGlm => ("Z.AI may have trouble of its own; lmdeck logs has the details", None),
        Kind::Openai => ("trouble on their side is told at status.openai.com", None),
        Kind::Anthropic => ("trouble on their side is told at status.anthropic.com", None),
        Kind::Openrouter => ("trouble on their side is told at status.openrouter.ai", None),
        Kind::OpenaiCompatible => ("the server's own log says more", None),
    }
}

/// Where a key of this kind is made.
pub fn key_page(kind: Kind) -> &'static str {
    match kind {
        Kind::ZAiGlm => "z.ai/manage-apikey/apikey-list",
        Kind::Openai => "platform.openai.com/api-keys",
        Kind::Anthropic => "console.anthropic.com/settings/keys",
        Kind::Openrouter => "openrouter.ai/settings/keys",
        Kind::LmStudio => "Developer > Server Settings > Require Authentication",
        Kind::LlamaCpp | Kind::Vllm => "the --api-key it was started with",
        Kind::Ollama => "the proxy in front of it: Ollama itself asks for none",
        Kind::OpenaiCompatible => "the server's own settings",
    }
}

/// A model as an argument; a word to fill in where none is known or the name is not safe to paste.
fn named(model: Option<&str>) -> &str {
    model.filter(|model| pastes_safely(model)).unwrap_or("MODEL")
}

fn gguf(model: Option<&str>) -> String {
    match model.filter(|model| pastes_safely(model)) {
        Some(path) if path.to_ascii_lowercase().ends_with(".gguf") => path.to_owned(),
        Some(name) => format!("{name}.gguf"),
        None => "MODEL.gguf".to_owned(),
    }
}

/// Names come from servers: what a shell could read as more than a name is never part of a command.
pub fn pastes_safely(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('-')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@+".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_port_and_bind_as_they_are_needed() {
        assert_eq!(start(Kind::LmStudio, 1234, false, None).unwrap(), "lms server start --port 1234");
        assert_eq!(
            start(Kind::LlamaCpp, 8080, true, Some("qwen3-32b-Q4_K_M")).unwrap(),
            "llama-server -m qwen3-32b-Q4_K_M.gguf --host 0.0.0.0 --port 8080"
        );
        assert_eq!(start(Kind::Ollama, 11434, false, None).unwrap(), "ollama serve");
        assert_eq!(start(Kind::Openai, 443, true, None), None);
    }

    #[test]
    fn a_models_name_cannot_smuggle_a_command() {
        for bad in ["x; rm -rf ~", "$(id)", "`id`", "-rf", "a b", "x\nid", "x|y", "x>y", ""] {
            assert_eq!(load(Kind::LmStudio, 1234, false, Some(bad)).unwrap(), "lms load MODEL --ttl 3600", "{bad:?}");
        }
    }
}
