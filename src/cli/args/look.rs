//! Verbs that look: `routes`, `calls`, `logs`. (Strategy and orders are set here too, where one reads them.)

use super::{SampleArgs, StrategyWord};
use clap::{Args, Subcommand, ValueEnum};

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  lmdeck routes explain
  lmdeck routes explain --type teaching_generation --tokens 25800
  lmdeck routes explain --call c1214";

#[derive(Debug, Clone, Subcommand)]
pub enum RoutesVerb {
    /// The chosen target, the strategy and the orders by request type
    List,
    /// Where a request would go, and why
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// A call that was made, instead of a sample
        #[arg(long, value_name = "CALL", conflicts_with_all = ["model", "request_type", "complexity", "audience",
            "priority", "prefer", "tokens", "max_tokens", "client", "session", "tags", "with"])]
        call: Option<String>,
        #[command(flatten)]
        sample: Box<SampleArgs>,
    },
    /// Show or set the order used when nothing else decides
    #[command(after_help = "Examples:\n  lmdeck routes strategy\n  lmdeck routes strategy prefer_cloud")]
    Strategy {
        /// The new strategy; shows the present one when not given
        strategy: Option<StrategyWord>,
    },
    /// Show or set the order of targets for a request type
    #[command(after_help = "Examples:\n  lmdeck routes order teaching_generation\n  \
                            lmdeck routes order teaching_generation zai lm_studio\n  \
                            lmdeck routes order teaching_generation --remove")]
    Order {
        /// A request type, as callers label their work
        request_type: String,
        /// Targets in order: provider/model, a provider, local, cloud or a strategy
        items: Vec<String>,
        /// Remove the order
        #[arg(long, conflicts_with = "items")]
        remove: bool,
    },
}

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

#[derive(Debug, Clone, Subcommand)]
pub enum HealthVerb {
    /// Who was in trouble, why, how long, and what to do; open ones first
    #[command(after_help = "Examples:\n  lmdeck health incidents\n  lmdeck health incidents --since 7d\n  \
                            lmdeck health incidents lm_studio --open")]
    Incidents {
        /// A provider; all when not given
        id: Option<String>,
        /// So far back, as in 30m, 24h, 7d
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = span)]
        since: std::time::Duration,
        /// Only those that are not over
        #[arg(long)]
        open: bool,
        /// At most so many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
}

/// `30m`, `24h`, `7d`.
fn span(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "wants a number and a unit, as in 30m, 24h, 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let minutes: u64 = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(std::time::Duration::from_secs(u64::from(number) * minutes * 60))
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
