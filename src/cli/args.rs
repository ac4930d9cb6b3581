//! What may be typed after `lmdeck`: verbs, flags and their help. No behaviour; that is in `verbs`.
//!
//! Left out on purpose: `providers pause|resume`, `config reload` and `calls cancel`. They change a running
//! instance only and nothing on disk, and a one-shot process cannot reach a running instance until attaching
//! exists; `parity` states the same reason per command. And `config import`: a file of the older layout loads as it
//! is, so that there is nothing to bring over.

mod ask;
mod calls;
mod change;
mod look;
mod presets;
mod routes;

pub use ask::{AskArgs, PriorityWord, SampleArgs, SendArgs, Trait, VarArgs, WorkWord};
pub use calls::{BenchArgs, CallsVerb, FilterArgs};
pub use change::{AddArgs, ConfigVerb, EditArgs, FieldArgs, KindWord, ModelsVerb, ProvidersVerb, StrategyWord};
pub use look::{CacheVerb, ConnectArgs, HealthVerb, LevelWord, LogsArgs, ReportArgs};
pub use presets::{PresetArgs, PresetsVerb, RunArgs};
pub use routes::{MoveArgs, PolicyArgs, ReplayArgs, RoutesVerb};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  lmdeck                                   the dashboard
  lmdeck status                            where prompts go now, and what is wrong
  lmdeck ask \"Name the four noble truths.\"
  lmdeck providers add --type lm_studio
  lmdeck serve                             OpenAI-compatible gateway on 127.0.0.1:4141

Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 unavailable, 5 denied or over budget.
Every verb takes --json; data goes to standard output, words to standard error. What cannot be done is told in words
and by the exit code, with --json too.";

/// Names the folder for state, unless the flag does.
pub const STATE_VARIABLE: &str = "LMDECK_STATE_DIR";

/// Without the back-ticks that a doc comment would want.
const CONFIG_HELP: &str = "Configuration file [default: LMDECK_CONFIG, ./config/ai_models.yaml, the XDG config folder]";
const COLOR_HELP: &str = "When to colour; auto: on a terminal, unless NO_COLOR is set";

const DEMO_HELP: &str = "\
Four simulated servers run inside the process on free ports of this machine. By turns one goes down and returns, one is \
slow, one loses its key, and calls arrive. Your configuration, state and keys are not read; a temporary folder holds \
the demo's own and is removed at the end.

Examples:
  lmdeck demo
  lmdeck demo --still";

/// The whole command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "lmdeck",
    version,
    about = "The control room for language models, in a terminal",
    long_about = "Watches the model servers you run and the cloud ones you pay for, and sends every prompt where \
                  your rules say. Without a verb it opens the dashboard.",
    after_help = EXAMPLES,
    max_term_width = 100,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs"
)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// Flags that every verb and the dashboard take.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Globals {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", help = CONFIG_HELP)]
    pub config: Option<PathBuf>,
    /// Folder for ledger, logs and history [default: the XDG state folder]
    #[arg(long, global = true, value_name = "DIR", env = STATE_VARIABLE, hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
    /// Print JSON with stable field names instead of words
    #[arg(long, global = true)]
    pub json: bool,
    /// When to colour; auto: on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help = COLOR_HELP)]
    pub color: ColorWhen,
    /// Draw with ASCII characters only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// The dashboard as printed lines instead of a full screen
    #[arg(long, global = true)]
    pub plain: bool,
    /// Change no configuration and no choice
    #[arg(long, global = true)]
    pub readonly: bool,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Serve the gateway without a screen
    #[command(after_help = "Examples:\n  lmdeck serve\n  lmdeck serve --listen 127.0.0.1:5151\n  \
                            lmdeck serve --listen 127.0.0.1:0 --json     (says on standard output which port it took)\n\n\
                            Point a client at http://127.0.0.1:4141/v1 with a model of lmdeck models list, or auto.")]
    Serve(ServeArgs),
    /// Where prompts go now, what was spent, and how every provider is
    Status,
    /// The endpoints you have told lmdeck about
    #[command(arg_required_else_help = true, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Providers {
        #[command(subcommand)]
        verb: ProvidersVerb,
    },
    /// The models they offer, and the one chosen
    #[command(arg_required_else_help = true, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Models {
        #[command(subcommand)]
        verb: ModelsVerb,
    },
    /// State, latency and reason of every provider
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_value_name = "VERB",
        subcommand_help_heading = "Verbs",
        after_help = "Examples:\n  lmdeck health\n  lmdeck health --watch\n  lmdeck health incidents --since 7d\n\n\
                      Exit code 0 when the target in effect is up, else 4."
    )]
    Health {
        /// Print one line per change until ctrl-c
        #[arg(long, short)]
        watch: bool,
        #[command(subcommand)]
        verb: Option<HealthVerb>,
    },
    /// Ask providers now whether they work (free; never a completion)
    #[command(
        after_help = "What a rate limit or a used-up plan holds back may be asked again afterwards, but for --readonly.\n\n\
                      Examples:\n  lmdeck probe\n  lmdeck probe lm_studio"
    )]
    Probe {
        /// A provider; all when not given
        id: Option<String>,
    },
    /// Where prompts go and why: policies, orders, the strategy
    #[command(arg_required_else_help = true, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Routes {
        #[command(subcommand)]
        verb: RoutesVerb,
    },
    /// Send a prompt and print the answer as it comes
    Ask(Box<AskArgs>),
    /// The calls that were made
    #[command(arg_required_else_help = true, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Calls {
        #[command(subcommand)]
        verb: CallsVerb,
    },
    /// Answers kept for repeated requests
    #[command(arg_required_else_help = true, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Cache {
        #[command(subcommand)]
        verb: CacheVerb,
    },
    /// The day's limit, what was spent and where, what is left
    #[command(after_help = "Examples:\n  lmdeck budget\n  lmdeck budget --days 30\n  lmdeck budget --json")]
    Budget {
        /// So many days, today included
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
    },
    /// The application log
    Logs(LogsArgs),
    /// The configuration file
    #[command(arg_required_else_help = true, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// The lines that point another program at the gateway
    Connect(ConnectArgs),
    /// Write a report for a bug, without keys and without texts of calls
    Report(ReportArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  lmdeck completions bash > ~/.local/share/bash-completion/completions/lmdeck\n  \
                            lmdeck completions zsh > ~/.zfunc/_lmdeck\n  \
                            lmdeck completions fish > ~/.config/fish/completions/lmdeck.fish"
    )]
    Completions {
        /// The shell to complete in
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    #[command(after_help = "Examples:\n  lmdeck man | man -l -\n  lmdeck man providers add | man -l -")]
    Man {
        /// A verb; the whole program when not given
        verb: Vec<String>,
    },
    /// The dashboard on simulated providers: no keys, no money, nothing kept
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// The same 500-token job at chosen targets: time to first token, speed, total, cost
    #[command(after_help = "Examples:\n  lmdeck bench\n  lmdeck bench lm_studio zai/glm-4.6 --runs 3\n\n\
                            Targets that cost money are asked about first, unless --yes is given.")]
    Bench(BenchArgs),
    /// Named prompts with variables
    #[command(arg_required_else_help = true, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Presets {
        #[command(subcommand)]
        verb: PresetsVerb,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address to listen on, as in 127.0.0.1:4141 [default: gateway.listen of the configuration]
    #[arg(long, value_name = "ADDR", value_parser = look::address)]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Nothing happens by itself after the start: no server fails, no call arrives
    #[arg(long)]
    pub still: bool,
}
