//! Verbs that look: `health`, `logs`, and what is told of a whole.

use clap::{Args, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

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
pub(super) fn span(text: &str) -> Result<std::time::Duration, String> {
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

/// `127.0.0.1:4141`. Names are not looked up: what one stands for may change under a running gateway.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(4141);
        format!("wants an address in numbers and a port, as in 127.0.0.1:{port} or [::1]:{port}")
    })
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum CacheVerb {
    /// How many answers are kept, and for how long
    Stats,
    /// Forget every kept answer
    Clear,
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

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  lmdeck connect\n  lmdeck connect dspy\n  lmdeck connect curl --no-wait\n\n\
                        Exit code 0 when a call was seen, or with --no-wait.")]
pub struct ConnectArgs {
    /// The program, as in dspy; lists all when not given
    pub client: Option<String>,
    /// Print the lines and leave
    #[arg(long)]
    pub no_wait: bool,
    /// Address of the gateway, as in 127.0.0.1:4141 [default: gateway.listen of the configuration]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub at: Option<SocketAddr>,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  lmdeck report\n  lmdeck report --stdout | less\n  lmdeck report --output bug.md\n\n\
                        An existing file is never overwritten."
)]
pub struct ReportArgs {
    /// Print it instead of writing a file
    #[arg(long, conflicts_with = "output")]
    pub stdout: bool,
    /// The file to write [default: lmdeck-report-DATE.md in the working folder]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
