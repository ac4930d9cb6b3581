//! The rules as an edit would make them, without writing: for people who look before they save.

use super::intent::Present;
use super::{refuse, refuse_new_errors, spoiled};
use crate::adapters::config::store::ConfigFile;
use crate::domain::config::Issue;
use crate::domain::routing::RuleSet;
use crate::engine::ports::ConfigEdit;
use crate::engine::protocol::{PolicyEdit, Refusal};

impl ConfigFile {
    pub(in crate::adapters::config) fn rules_with_now(
        &self,
        edit: &PolicyEdit,
    ) -> Result<(RuleSet, Vec<Issue>), Refusal> {
        let opened = self.open_quietly()?;
        let environment = self.environment();
        let present = Present {
            raw: &opened.document.value,
            config: &opened.built.config,
            environment: &environment,
            fresh: opened.text.is_none(),
        };
        let intent = present.intent(&ConfigEdit::Policy(edit.clone()))?;
        let mut value = opened.document.value.clone();
        for change in &intent.changes {
            value = change.applied(&value).map_err(|sentence| refuse(1, sentence, "lmdeck config check"))?;
        }
        let text = serde_yaml::to_string(&value)
            .map_err(|error| refuse(1, format!("the rule cannot be read: {error}"), "correct the fields"))?;
        let (_, built) = self.judge(&opened.file, &text).map_err(|issues| spoiled(&opened, issues))?;
        refuse_new_errors(&opened, &built)?;
        let of_rules = |issue: &Issue| issue.path.starts_with("routing");
        Ok((built.config.rules, built.issues.into_iter().filter(of_rules).collect()))
    }
}
