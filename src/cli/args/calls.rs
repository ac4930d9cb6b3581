//! Verbs about recorded calls, and `bench`, which makes some.

use crate::engine::protocol::{ExportFormat, GroupBy};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

const LANGUAGE: &str = "\
Filter: words match anything, key:value one thing, -key:value all but that; every condition must hold.
  provider:zai  model:qwen  target:=zai/glm-4.6  client:dspy  type:quick_responses  policy:private  session:night
  error:rate_limit  status:failed  status:ok,cancelled  cache:hit  tag.team:red  since:2h  cost>0.01  ttft>1s
  duration>2s  tokens_in>8000  tokens_out>500  tries>1  \"two words\"  provider:= (calls without one)";

/// Without the back-ticks that a doc comment would want.
const TARGETS_HELP: &str =
    "Targets, as in lm_studio/qwen2.5:7b, or providers for their best model [default: every provider]";

#[derive(Debug, Clone, Subcommand)]
pub enum CallsVerb {
    /// Calls, newest first
    #[command(after_help = format!("Examples:\n  lmdeck calls list --limit 4\n  \
                            lmdeck calls list status:error since:2h\n  lmdeck calls list --before c1211\n\n{LANGUAGE}"))]
    List {
        /// At most so many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Only calls older than this one
        #[arg(long, value_name = "CALL")]
        before: Option<String>,
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Everything recorded of one call
    Show {
        /// A call, as in c1214
        id: String,
    },
    /// Calls as they end, until ctrl-c
    #[command(after_help = format!("Example:\n  lmdeck calls tail status:failed\n\n{LANGUAGE}"))]
    Tail {
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// How many, how fast, how dear: sums by provider, model, day and the like
    #[command(after_help = format!("Examples:\n  lmdeck calls stats\n  lmdeck calls stats --by model --since 7d\n  \
                            lmdeck calls stats --by day,provider --since 30d client:dspy\n\n{LANGUAGE}"))]
    Stats {
        /// One or two of provider, model, policy, type, client, status, day, hour, error
        #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = group, default_value = "provider")]
        by: Vec<GroupBy>,
        /// So far back, as in 30m, 24h, 7d [default: today]
        #[arg(long, value_name = "TIME", value_parser = super::look::span)]
        since: Option<std::time::Duration>,
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Recorded calls as text for other programs; all days unless the filter says since
    #[command(after_help = format!("Examples:\n  lmdeck calls export --format csv --output calls.csv\n  \
                            lmdeck calls export since:7d type:quick_responses | jq .cost_usd\n\n{LANGUAGE}"))]
    Export {
        /// What each call becomes
        #[arg(long, value_name = "FORMAT", value_enum, default_value = "jsonl")]
        format: FormatWord,
        /// A new file in place of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        filter: FilterArgs,
    },
}

/// A filter as words of the command line, or as one text.
#[derive(Debug, Clone, Args)]
pub struct FilterArgs {
    /// Words, and conditions as in provider:zai status:error; after -- when one begins with a dash
    #[arg(value_name = "FILTER")]
    words: Vec<String>,
    /// The same as one text
    #[arg(long = "filter", value_name = "TEXT", default_value = "", hide_default_value = true)]
    text: String,
}

impl FilterArgs {
    /// All of it in the filter's language.
    pub fn text(&self) -> String {
        let words = self.words.iter().map(String::as_str).chain([self.text.as_str()]);
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatWord {
    /// One JSON object per line, as the call log has them
    Jsonl,
    /// A head row and one row per call, without texts
    Csv,
}

impl From<FormatWord> for ExportFormat {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Jsonl => Self::Jsonl,
            FormatWord::Csv => Self::Csv,
        }
    }
}

fn group(word: &str) -> Result<GroupBy, String> {
    let words: Vec<&str> = GroupBy::ALL.iter().map(|by| by.word()).collect();
    GroupBy::from_word(word).ok_or_else(|| format!("is one of {}", words.join(", ")))
}

#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Targets or providers
    #[arg(value_name = "TARGET", help = TARGETS_HELP)]
    pub targets: Vec<String>,
    /// So many times each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Do not ask before calls that may cost money
    #[arg(long, short)]
    pub yes: bool,
}
