//! `routes`: looking at the rules, changing them, trying them out.

use super::{SampleArgs, StrategyWord};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  lmdeck routes explain
  lmdeck routes explain --type teaching_generation --tokens 25800
  lmdeck routes explain --call c1214";

const ADD_EXAMPLES: &str = "\
Examples:
  lmdeck routes add private-stays-here --priority 100 \\
         --when 'request.tags.privacy == \"high\"' --use local --local-only
  lmdeck routes add long-prompts --when 'request.prompt_tokens > 24000' \\
         --use zai/glm-4.6 --use workstation --fallback strategy
  lmdeck routes add no-images --when 'request.has_images' --deny 'Images are not accepted.'

A condition is CEL over these facts:
  request.type, complexity, audience, priority, model, client, session (texts), prompt_tokens,
  max_tokens (numbers), stream, has_tools, has_images, wants_json (true or false), tags.NAME
  provider[\"ID\"].up, loaded, p50_ms, in_flight
  budget.used, remaining, fraction (US dollars)    time.hour, weekday (local; Sunday is 0)
with == != < <= > >= && || ! in [...] ? : + - * / % and startsWith, endsWith, contains,
matches, size, has. An absent text is \"\", an absent number 0.";

const TEST_HELP: &str = "\
FILE is YAML: a list of tests, each a request and what is expected of it.

  tests:
    - name: private prompts stay here
      request: { type: prayer_generation, tags: { privacy: high } }
      expect: { target: lm_studio/qwen3-8b, policy: private-stays-here, local_only: true }
    - name: a dead local model falls back
      request: { type: quick_responses }
      world: { down: [lm_studio] }
      expect: { chain: [openai/gpt-4o-mini, z_ai_glm/glm-4.6] }
    - name: no images from batch jobs
      request: { client: batch, has_images: true }
      expect: { denied: true }

request  type, complexity, audience, priority, model, prompt_tokens, max_tokens, stream,
         has_tools, has_images, wants_json, client, session, tags, prefer, local_only
world    everything configured is up, at noon on a Monday, with nothing spent; unless:
         down, loaded (lists), active, pinned, hour, weekday, spent, limit
expect   target, provider, chain, policy, denied, local_only, max_tokens; at least one.
         target: none means that nobody can take it

Nobody is asked and nothing is sent. Exit code 1 when a test fails, 2 when FILE cannot be read.

Examples:
  lmdeck routes test routes.yaml
  lmdeck --config ai_models.yaml routes test routes.yaml --json";

const REPLAY_HELP: &str = "\
FILE is a copy of the configuration with other rules, or only its routing: and model_selection:,
which then stand in place of those in force. Without FILE the rules in force are held against
calls that others decided. Nothing is sent and nothing is written.

Each call is decided anew by the facts recorded with it, in the world recorded with it: who was
up, rate-limited, out of money, at what hour. What no record holds is taken from today, and each
row says where that matters. A target that failed then fails again. Cost is the tokens of then at
today's prices; the time to the first token is what that target took in these calls.

Examples:
  lmdeck routes replay
  lmdeck routes replay edited.yaml --since 7d
  lmdeck routes replay edited.yaml client:dspy type:quick_responses --limit 200 --json";

#[derive(Debug, Clone, Subcommand)]
pub enum RoutesVerb {
    /// The chosen target, the policies, the orders by request type and the strategy
    List,
    /// Everything about one policy
    Show {
        /// A policy
        name: String,
    },
    /// Add a policy
    #[command(after_help = ADD_EXAMPLES)]
    Add {
        /// Its name
        name: String,
        #[command(flatten)]
        fields: Box<PolicyArgs>,
    },
    /// Change the given fields of a policy
    #[command(after_help = "Examples:\n  lmdeck routes edit long-prompts --when 'request.prompt_tokens > 32000'\n  \
                            lmdeck routes edit long-prompts --mode observe --clear fallback --dry-run")]
    Edit {
        /// A policy
        name: String,
        /// Its new name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// A field to take away, as in fallback; may be given several times
        #[arg(long, value_name = "FIELD")]
        clear: Vec<String>,
        #[command(flatten)]
        fields: Box<PolicyArgs>,
    },
    /// Copy a policy; the copy is switched off until you enable it
    Copy {
        /// A policy
        name: String,
        /// The copy's name
        to: String,
    },
    /// Move a policy in the order policies apply
    #[command(after_help = "Examples:\n  lmdeck routes move long-prompts --up\n  \
                            lmdeck routes move long-prompts --before private-stays-here")]
    Move {
        /// A policy
        name: String,
        #[command(flatten)]
        place: MoveArgs,
    },
    /// Use a policy again
    Enable {
        /// A policy
        name: String,
    },
    /// Keep a policy in the file without using it
    Disable {
        /// A policy
        name: String,
    },
    /// Take a policy out of the file (lmdeck config undo brings it back)
    Remove {
        /// A policy
        name: String,
    },
    /// Where a request would go, and why
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// A call that was made, instead of a sample
        #[arg(long, value_name = "CALL", conflicts_with_all = ["model", "request_type", "complexity", "audience",
            "priority", "prefer", "tokens", "max_tokens", "client", "session", "tags", "with",
            "work", "local_only"])]
        call: Option<String>,
        #[command(flatten)]
        sample: Box<SampleArgs>,
    },
    /// Read a condition: the facts it looks at, or what is wrong and where
    #[command(after_help = "Examples:\n  lmdeck routes check 'request.prompt_tokens > 24000'\n\n\
                            Exit code 1 when it cannot be read. lmdeck routes add --help lists the facts.")]
    Check {
        /// A condition, in quotes
        #[arg(value_name = "EXPR")]
        text: String,
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
        /// Targets in order: provider/model, a provider, local, cloud, fastest or a strategy
        items: Vec<String>,
        /// Remove the order
        #[arg(long, conflicts_with = "items")]
        remove: bool,
    },
    /// What other rules would have made of recorded calls
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
    /// What is odd about the rules: never reached, targets nobody has, chains that end nowhere
    #[command(after_help = "Exit code 1 when there is something to say, 0 when there is nothing.")]
    Lint,
    /// Try the rules out on a table of requests and expected targets
    #[command(after_help = TEST_HELP)]
    Test {
        /// The table, in YAML; - reads it from standard input
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// A file with rules, then a filter: words, and conditions as in client:dspy; after -- when one begins with a dash
    #[arg(value_name = "FILE|FILTER")]
    words: Vec<String>,
    /// So far back, as in 2h, 7d [default: all that is recorded]
    #[arg(long, value_name = "TIME", value_parser = super::look::span)]
    pub since: Option<std::time::Duration>,
    /// At most so many calls, the newest
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Print every call, also those that would go where they went
    #[arg(long)]
    pub all: bool,
}

impl ReplayArgs {
    /// The file with the rules, and the filter. The first word names a file where it ends like one, is one, or is -.
    pub fn parts(&self) -> (Option<PathBuf>, String) {
        let file = self.words.first().map(PathBuf::from).filter(|path| {
            let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
            yaml || path.as_os_str() == "-" || path.is_file()
        });
        let filter = &self.words[usize::from(file.is_some())..];
        (file, filter.join(" "))
    }
}

/// Fields that `add` and `edit` share.
#[derive(Debug, Clone, Default, Args)]
pub struct PolicyArgs {
    /// The condition; always true when not given
    #[arg(long, value_name = "CONDITION")]
    pub when: Option<String>,
    /// A target: provider/model, a provider, local, cloud, fastest or a strategy; in order, may be given several times
    #[arg(long = "use", value_name = "TARGET")]
    pub targets: Vec<String>,
    /// What follows when none of its targets is left
    #[arg(long, value_name = "WHAT")]
    pub fallback: Option<FallbackWord>,
    /// The higher comes first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=1_000_000))]
    pub priority: Option<i64>,
    /// observe traces what it would do on live traffic, without doing it
    #[arg(long, value_name = "MODE")]
    pub mode: Option<ModeWord>,
    /// Refuse such requests, with this message
    #[arg(long, value_name = "MESSAGE")]
    pub deny: Option<String>,
    /// Such requests reach no cloud provider, whatever fails
    #[arg(long)]
    pub local_only: bool,
    /// The answer may be no longer than this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tokens: Option<u64>,
    /// 0 is sober, 2 is wild
    #[arg(long, value_name = "N")]
    pub temperature: Option<f64>,
    /// System prompt; takes the place of the caller's
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Seconds for the whole call
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// Print what would change in the file; write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Where a policy goes.
#[derive(Debug, Clone, Default, Args)]
#[group(required = true, multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct MoveArgs {
    /// One place earlier
    #[arg(long)]
    pub up: bool,
    /// One place later
    #[arg(long)]
    pub down: bool,
    /// Before all others
    #[arg(long)]
    pub first: bool,
    /// Behind all others
    #[arg(long)]
    pub last: bool,
    /// Directly before this policy
    #[arg(long, value_name = "POLICY")]
    pub before: Option<String>,
    /// Directly behind this policy
    #[arg(long, value_name = "POLICY")]
    pub after: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FallbackWord {
    None,
    Strategy,
}

impl FallbackWord {
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Strategy => "strategy",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeWord {
    Enforce,
    Observe,
}

impl ModeWord {
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}
