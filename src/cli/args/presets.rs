//! `presets`: looking at them, running one, changing them.

use super::ask::{SendArgs, VarArgs, temperature, variable};
use clap::{Args, Subcommand};

const RUN_EXAMPLES: &str = "\
Examples:
  lmdeck presets run generate-prayer --var intention=\"a quiet mind\"
  lmdeck presets run summarise --var text=- < report.txt
  lmdeck presets run generate-prayer --var intention=peace --model local --dry-run

The answer streams as that of lmdeck ask; --json prints the members that POST /api/v1/llm/NAME answers.";

const ADD_EXAMPLES: &str = "\
Examples:
  lmdeck presets add generate-prayer --type prayer_generation \\
         --system 'Create {{tradition}} style prayers.' --prompt 'Generate a prayer for {{intention}}.' \\
         --default tradition=universal --max-tokens 300 --answer-field prayer
  lmdeck presets add summarise --prompt - < prompt.txt

{{name}} in the prompt or the system prompt is a variable; \\{{ is a plain {{.";

#[derive(Debug, Clone, Subcommand)]
pub enum PresetsVerb {
    /// All presets with their variables
    List,
    /// Everything about one preset
    Show {
        /// A preset
        name: String,
    },
    /// Fill a preset's variables, send it, and print the answer as it comes
    Run(Box<RunArgs>),
    /// Add a preset
    #[command(after_help = ADD_EXAMPLES)]
    Add {
        /// Its name: letters, digits, - _ .
        name: String,
        #[command(flatten)]
        fields: Box<PresetArgs>,
    },
    /// Change the given fields of a preset
    #[command(after_help = "Examples:\n  lmdeck presets edit generate-prayer --max-tokens 200\n  \
                            lmdeck presets edit generate-prayer --default tradition=zen --clear temperature --dry-run")]
    Edit {
        /// A preset
        name: String,
        /// A field to take away, as in temperature; may be given several times
        #[arg(long, value_name = "FIELD")]
        clear: Vec<String>,
        #[command(flatten)]
        fields: Box<PresetArgs>,
    },
    /// Copy a preset
    Copy {
        /// A preset
        name: String,
        /// The copy's name
        to: String,
    },
    /// Take a preset out of the file (lmdeck config undo brings it back)
    Remove {
        /// A preset
        name: String,
    },
}

#[derive(Debug, Clone, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArgs {
    /// A preset
    pub name: String,
    #[command(flatten)]
    pub vars: VarArgs,
    #[command(flatten)]
    pub send: SendArgs,
}

/// The fields of a preset.
#[derive(Debug, Clone, Default, Args)]
pub struct PresetArgs {
    /// The prompt; - reads it from standard input
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// The system prompt
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Request type, for the rules
    #[arg(long = "type", value_name = "TYPE")]
    pub request_type: Option<String>,
    /// What stands in for a variable that is left out; may be given several times
    #[arg(long = "default", value_name = "NAME=VALUE", value_parser = variable)]
    pub defaults: Vec<(String, String)>,
    /// The target it asks for
    #[arg(long, short, value_name = "TARGET")]
    pub model: Option<String>,
    /// Most tokens the answer may have
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tokens: Option<u64>,
    /// 0 is sober, 2 is wild
    #[arg(long, value_name = "N", value_parser = temperature)]
    pub temperature: Option<f64>,
    /// The name of the text in the HTTP answer
    #[arg(long, value_name = "NAME")]
    pub answer_field: Option<String>,
    /// Print what would change in the file; write nothing
    #[arg(long)]
    pub dry_run: bool,
}
