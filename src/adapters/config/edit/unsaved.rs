//! The rules as an edit would make them, or as another file has them, without writing: for people who look before
//! they save.

use super::super::build::Built;
use super::{refuse, refuse_new_errors};
use crate::adapters::config::store::ConfigFile;
use crate::domain::config::{Issue, Severity};
use crate::domain::routing::RuleSet;
use crate::engine::ports::ConfigEdit;
use crate::engine::protocol::{PolicyEdit, Refusal};
use serde_yaml::Value;
use std::path::Path;

impl ConfigFile {
    pub(in crate::adapters::config) fn rules_with_now(
        &self,
        edit: &PolicyEdit,
    ) -> Result<(RuleSet, Vec<Issue>), Refusal> {
        let policy = ConfigEdit::Policy(edit.clone());
        let (opened, built) = self.as_edited("the rule", |present| present.intent(&policy))?;
        refuse_new_errors(&opened, &built)?;
        let of_rules = |issue: &Issue| issue.path.starts_with("routing");
        Ok((built.config.rules, built.issues.into_iter().filter(of_rules).collect()))
    }

    pub(in crate::adapters::config) fn rules_of_now(
        &self,
        name: &str,
        text: &str,
    ) -> Result<(RuleSet, Vec<Issue>), Refusal> {
        let (document, built) = self.judge(Path::new(name), text).map_err(|issues| unusable(name, issues))?;
        let given = |key: &str| document.value.get(key).cloned();
        let rules: Vec<(&str, Value)> = RULES.iter().filter_map(|key| Some((*key, given(key)?))).collect();
        if rules.is_empty() {
            return Err(refuse(
                2,
                format!("{name} holds no rules"),
                "name a file with routing: or model_selection:, or a copy of the whole configuration",
            ));
        }
        let about_rules = |issue: &Issue| RULES.iter().any(|key| issue.path.starts_with(key));
        let errors = |built: Built| {
            let mut found = built.issues;
            found.retain(|issue| issue.severity == Severity::Error && about_rules(issue));
            found
        };
        if PROVIDERS.iter().any(|key| given(key).is_some()) {
            let (rules, issues) = (built.config.rules.clone(), built.issues.clone());
            return match errors(built) {
                errors if errors.is_empty() => Ok((rules, issues.into_iter().filter(about_rules).collect())),
                errors => Err(unusable(name, errors)),
            };
        }
        // Only rules: they stand in place of those in force. What is wrong with them is said where it stands in the
        // text; what is odd about them can only be told with the providers at hand.
        let wrong = errors(built);
        if !wrong.is_empty() {
            return Err(unusable(name, wrong));
        }
        let opened = self.open_quietly().map_err(super::unusable)?;
        let mut value = opened.document.value.clone();
        if !value.is_mapping() {
            value = Value::Mapping(serde_yaml::Mapping::new());
        }
        for (key, own) in rules {
            value[key] = own;
        }
        let whole = serde_yaml::to_string(&value)
            .map_err(|error| refuse(1, format!("{name} cannot be read: {error}"), "lmdeck config check FILE"))?;
        let (_, built) = self.judge(&opened.file, &whole).map_err(|issues| unusable(name, issues))?;
        let nowhere = |issue: Issue| Issue { file: name.to_owned(), line: None, column: None, ..issue };
        let issues = built.issues.iter().filter(|issue| about_rules(issue)).cloned().map(nowhere).collect();
        let mut rules = built.config.rules.clone();
        rules.policies.iter_mut().for_each(|policy| policy.line = None);
        match errors(built) {
            errors if errors.is_empty() => Ok((rules, issues)),
            errors => Err(unusable(name, errors.into_iter().map(nowhere).collect())),
        }
    }
}

/// The sections that rules stand in.
const RULES: [&str; 2] = ["routing", "model_selection"];
/// The sections of a whole configuration.
const PROVIDERS: [&str; 4] = ["providers", "z_ai_glm", "lm_studio", "fallback_models"];

fn unusable(name: &str, issues: Vec<Issue>) -> Refusal {
    Refusal {
        message: format!("the rules of {name} cannot be used"),
        remedy: "mend them in your editor; the rules in force stay as they are".into(),
        exit: 3,
        issues,
        difference: None,
    }
}
