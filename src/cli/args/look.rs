//! Verbs that look: `calls`, `logs`.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Clone, Subcommand)]
pub enum CallsVerb {
    /// Calls, newest first
    #[command(after_help = "Examples:\n  lmdeck calls list --limit 4\n  \
                            lmdeck calls list --filter \"status:error since:2h\"\n  lmdeck calls list --before c1211")]
    List {
        /// At most so many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Only calls older than this one
        #[arg(long, value_name = "CALL")]
        before: Option<String>,
        /// Words, and conditions as in provider:zai status:error since:2h
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        filter: String,
    },
    /// Everything recorded of one call
    Show {
        /// A call, as in c1214
        id: String,
    },
    /// Calls as they end, until ctrl-c
    Tail {
        /// Words, and conditions as in provider:zai status:error
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        filter: String,
    },
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  lmdeck logs --level warn\n  lmdeck logs --follow")]
pub struct LogsArgs {
    /// Print new lines as they come, until ctrl-c
    #[arg(long, short)]
    pub follow: bool,
    /// This level and worse
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<LevelWord>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Only lines that hold this text
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LevelWord {
    Error,
    Warn,
    Info,
    Debug,
}

impl LevelWord {
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}
