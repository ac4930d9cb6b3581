//! The configuration file: finding, reading, checking, editing and watching it. Implements
//! `engine::ports::ConfigStore`.
//!
//! On the way in: `source` (which file) → `document` (text, values, places) → `expand` (`${…}`) → `check`
//! (against `schema`) → `build` (`profiles`, `finish`, `sections`). On the way out: `edit`, `save`, `history`.
//! What comes out lives in `domain::config`; nothing here knows how a provider is called.

mod build;
mod check;
mod conditions;
mod document;
mod edit;
mod endpoint;
mod environment;
mod expand;
mod findings;
mod finish;
mod history;
mod inside;
mod lint;
mod path;
mod policies;
mod profiles;
mod save;
mod schema;
mod schema_table;
mod sections;
mod source;
mod store;
mod suggest;
mod tree;
mod trust;
mod watch;

pub use source::Source;
pub use store::ConfigFile;

use crate::domain::config::Profile;
use crate::domain::ids::ProviderId;
use crate::engine::ports::{ConfigEdit, ConfigStore, Loaded, Unusable};
use crate::engine::protocol::{EditReport, ProviderDraft, Refusal};

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

    fn trust(&self) -> Result<(), Refusal> {
        self.trust_now()
    }

    fn profile_of(&self, base: Option<&ProviderId>, draft: &ProviderDraft) -> Result<Profile, Refusal> {
        self.profile_now(base, draft)
    }

    fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.watched()
    }
}
