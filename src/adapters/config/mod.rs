//! The configuration file: finding, reading, checking, editing and watching it. Implements
//! `engine::ports::ConfigStore`.
//!
//! On the way in: `source` (which file) → `document` (text, values, places) → `expand` (`${…}`) → `check`
//! (against `schema`) → `build` (`profiles`, `finish`, `strangers`, `sections`). On the way out: `edit`, `save`, `history`.
//! For a file that cannot be used: `good`, `last_good`. For people and editors: `in_force`, `masked`,
//! `json_schema`.
//! What comes out lives in `domain::config`; nothing here knows how a provider is called.

mod build;
mod check;
mod collector;
mod conditions;
mod document;
mod dotenv;
mod edit;
mod endpoint;
mod environment;
mod expand;
mod findings;
mod finish;
mod gate_keys;
mod good;
mod guards;
mod history;
mod in_force;
mod inside;
mod json_schema;
mod last_good;
mod lint;
mod masked;
mod origins;
mod path;
mod policies;
mod presets;
mod profiles;
mod save;
mod schema;
mod schema_table;
mod secrets;
mod sections;
mod source;
mod store;
mod strangers;
mod suggest;
mod tree;
mod trust;
mod warmth;
mod watch;

pub use json_schema::json_schema;
pub use source::Source;
pub use store::ConfigFile;

use crate::domain::config::{Issue, Journey, Profile};
use crate::domain::ids::ProviderId;
use crate::domain::routing::RuleSet;
use crate::engine::ports::{ConfigEdit, ConfigStore, Loaded, Unusable};
use crate::engine::protocol::{ConditionCheck, EditReport, PolicyEdit, ProviderDraft, Refusal};

impl ConfigStore for ConfigFile {
    fn load(&self) -> Result<Loaded, Unusable> {
        self.load_now()
    }

    fn edit(&self, edit: &ConfigEdit, dry_run: bool) -> Result<EditReport, Refusal> {
        self.edit_now(edit, dry_run)
    }

    fn undo(&self) -> Result<EditReport, Refusal> {
        self.undo_now()
    }

    fn trust(&self, asked: &[Journey]) -> Result<EditReport, Refusal> {
        self.trust_now(asked)
    }

    fn profile_of(&self, base: Option<&ProviderId>, draft: &ProviderDraft) -> Result<Profile, Refusal> {
        self.profile_now(base, draft)
    }

    fn last_good(&self) -> Option<Loaded> {
        self.last_good_now()
    }

    fn compare_last_good(&self) -> Result<EditReport, Refusal> {
        self.compare_now()
    }

    fn put_last_good_back(&self) -> Result<EditReport, Refusal> {
        self.put_back_now()
    }

    fn masked(&self) -> Result<Option<String>, String> {
        self.masked_now()
    }

    fn redact(&self, text: &str) -> String {
        self.redact_now(text)
    }

    fn check_condition(&self, text: &str) -> ConditionCheck {
        conditions::examine(text)
    }

    fn rules_with(&self, edit: &PolicyEdit) -> Result<(RuleSet, Vec<Issue>), Refusal> {
        self.rules_with_now(edit)
    }

    fn rules_of(&self, name: &str, text: &str) -> Result<(RuleSet, Vec<Issue>), Refusal> {
        self.rules_of_now(name, text)
    }

    fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.watched()
    }
}
