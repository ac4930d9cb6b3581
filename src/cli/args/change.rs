//! Verbs that can change something: `providers`, `models`, `config`.

use crate::domain::kind::Kind;
use crate::domain::routing::Strategy;
use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

const ADD_EXAMPLES: &str = "\
Examples:
  lmdeck providers add --type lm_studio
  lmdeck providers add --type z_ai_glm --id zai --key '${Z_AI_API_KEY}' --model glm-4.6
  lmdeck providers add --type llama_cpp --id workstation --name Workstation \\
         --endpoint http://192.168.1.20:8080 --local
  lmdeck providers add --type openai --key - < key.txt

The connection is tested before anything is saved.";

#[derive(Debug, Clone, Subcommand)]
pub enum ProvidersVerb {
    /// All providers with state and address
    List,
    /// Everything known of one provider
    Show {
        /// A provider
        id: String,
    },
    /// Add a provider: tests the connection, then saves
    #[command(after_help = ADD_EXAMPLES)]
    Add(Box<AddArgs>),
    /// Change the given fields of a provider
    #[command(after_help = "Examples:\n  lmdeck providers edit workstation --endpoint http://192.168.1.21:8080\n  \
                            lmdeck providers edit zai --model glm-4.6 --model glm-4.5-air --dry-run")]
    Edit(Box<EditArgs>),
    /// Take a provider out of the file (lmdeck config undo brings it back)
    Remove {
        /// A provider
        id: String,
    },
    /// Use a provider again
    Enable {
        /// A provider
        id: String,
    },
    /// Keep a provider in the file without using it
    Disable {
        /// A provider
        id: String,
    },
    /// Test a connection step by step
    #[command(after_help = "Examples:\n  lmdeck providers test lm_studio\n  \
                            lmdeck providers test zai --answer     (a cloud provider bills it: asks first)")]
    Test {
        /// A provider
        id: String,
        /// End with one small completion; cloud providers bill it, so that it is asked about first
        #[arg(long)]
        answer: bool,
        /// Do not ask before a completion that costs money
        #[arg(long)]
        yes: bool,
    },
    /// Take every step of a connection, told as it ends: address, DNS, TCP, TLS, HTTP, kind, auth, models, loaded
    #[command(after_help = "Examples:\n  lmdeck providers doctor lm_studio\n  \
                            lmdeck providers doctor zai --answer     (a cloud provider bills it: asks first)\n\n\
                            ctrl-c stops it and keeps what it found.")]
    Doctor {
        /// A provider
        id: String,
        /// End with one small completion; cloud providers bill it, so that it is asked about first
        #[arg(long)]
        answer: bool,
        /// Do not ask before a completion that costs money
        #[arg(long)]
        yes: bool,
    },
    /// Look for model servers on this machine
    Discover {
        /// Add every server that answered and is not configured yet
        #[arg(long)]
        add: bool,
    },
}

/// Fields that `add` and `edit` share.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct FieldArgs {
    /// Address, with or without /v1 [default: the kind's own]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// '${NAME}' for an environment variable, or - to read the key from standard input
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// A model to name; may be given several times, best first
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
    /// Name on the screen [default: the id]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Requests that must stay local may go there although it is another machine
    #[arg(long)]
    pub local: bool,
    /// Save without testing the connection
    #[arg(long)]
    pub no_test: bool,
    /// Save although the test fails
    #[arg(long)]
    pub save_anyway: bool,
    /// Print what would change in the file; write nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct AddArgs {
    /// What kind of server it is (required)
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<KindWord>,
    /// Its id: small letters, digits, - _ . [default: the type]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Save it switched off
    #[arg(long)]
    pub disabled: bool,
    #[command(flatten)]
    pub fields: FieldArgs,
}

#[derive(Debug, Clone, Default, Args)]
pub struct EditArgs {
    /// The provider to change
    pub id: String,
    /// What kind of server it is
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<KindWord>,
    /// Remove the key
    #[arg(long, conflicts_with = "key")]
    pub no_key: bool,
    /// Name no models
    #[arg(long, conflicts_with = "models")]
    pub no_models: bool,
    /// Requests that must stay local may no longer go there
    #[arg(long, conflicts_with = "local")]
    pub no_local: bool,
    #[command(flatten)]
    pub fields: FieldArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ModelsVerb {
    /// Models of all providers, or of one
    List {
        /// A provider
        id: Option<String>,
    },
    /// Choose the target that stands first: provider/model, a provider, or auto
    #[command(after_help = "Examples:\n  lmdeck models use lm_studio/openai_gpt-oss-120b-neo\n  \
                            lmdeck models use zai\n  lmdeck models use auto")]
    Use {
        /// provider/model, a provider, a model id or auto
        target: String,
    },
    /// Have its server load a model now, and wait until it is there
    #[command(after_help = "Examples:\n  lmdeck models load lm_studio/acme/demo-8b\n  \
                            lmdeck models load lm_studio/acme/demo-8b --context 16384\n\n\
                            ctrl-c stops the waiting only: the server goes on by itself.")]
    Load {
        /// provider/model, or a model id that one provider has
        target: String,
        /// Tokens of context to load it with [default: the server's own choice]
        #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
        context: Option<u64>,
    },
    /// Have its server give a model's memory back
    #[command(after_help = "Examples:\n  lmdeck models unload lm_studio/acme/demo-8b\n  \
                            lmdeck models unload lm_studio/acme/demo-8b:2    one loaded copy of several")]
    Unload {
        /// provider/model, or a model id that one provider has; the name of one loaded copy works too
        target: String,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub enum ConfigVerb {
    /// Where the configuration is read from and written to
    Path,
    /// Read a file and say what is wrong with it
    #[command(after_help = "Examples:\n  lmdeck config check\n  lmdeck config check --strict ai_models.yaml\n\n\
                            Exit code 3 when the file cannot be used; with --strict also for warnings.")]
    Check {
        /// Warnings count as errors
        #[arg(long)]
        strict: bool,
        /// A file [default: the one in use]
        file: Option<PathBuf>,
    },
    /// The configuration in force with every default, as a file could say it, without secrets
    Show,
    /// Set one value; the rest of the file stays as it is
    #[command(after_help = "Examples:\n  lmdeck config set model_selection.strategy prefer_cloud\n  \
                            lmdeck config set providers.zai.enabled false\n  \
                            lmdeck config set fallback_models.1.model claude-3-5-haiku-20241022")]
    Set {
        /// Place of the value, as in providers.zai.endpoint
        path: String,
        /// The value, as in YAML
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Take back the last change that lmdeck made to the file
    #[command(after_help = "Examples:\n  lmdeck config undo\n  lmdeck config undo --last-good --dry-run\n  \
                            lmdeck config undo --last-good\n\n\
                            With --last-good the file as it is stays beside it as .broken.")]
    Undo {
        /// For a file that cannot be used: put the last version back that could
        #[arg(long)]
        last_good: bool,
        /// Show what would change, and write nothing
        #[arg(long, requires = "last_good")]
        dry_run: bool,
    },
    /// Allow this file, as it is now, to send keys where it says
    Trust,
    /// Print a JSON Schema of the file, for editors
    #[command(after_help = "Example:\n  lmdeck config schema > ~/.config/lmdeck/schema.json\n\n\
                            As the first line of ai_models.yaml, for the YAML language server:\n  \
                            # yaml-language-server: $schema=schema.json")]
    Schema,
}

/// [`Kind`] by its word in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindWord(pub Kind);

impl ValueEnum for KindWord {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [KindWord; 9] = {
            let mut all = [KindWord(Kind::LmStudio); 9];
            let mut place = 0;
            while place < Kind::ALL.len() {
                all[place] = KindWord(Kind::ALL[place]);
                place += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.word()))
    }
}

/// [`Strategy`] by its word in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrategyWord(pub Strategy);

impl ValueEnum for StrategyWord {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [StrategyWord; 4] = [
            StrategyWord(Strategy::PreferLocal),
            StrategyWord(Strategy::PreferCloud),
            StrategyWord(Strategy::CostOptimized),
            StrategyWord(Strategy::QualityOptimized),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.word()))
    }
}
