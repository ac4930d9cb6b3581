//! What the state folder holds of a provider by its id, and how it follows where an edit gives it another one: the
//! person's choice, and what is counted of its plan.

use super::active;
use super::ports::{ConfigEdit, Ports};
use crate::domain::ids::ProviderId;
use crate::domain::routing::ActiveChoice;

/// The old id and the new one, where an edit changes it.
pub fn ids(edit: &ConfigEdit) -> Option<(ProviderId, ProviderId)> {
    let ConfigEdit::EditProvider { id, draft } = edit else { return None };
    let new = draft.id.trim();
    (!new.is_empty() && new != id.as_str()).then(|| (id.clone(), ProviderId::from(new)))
}

/// Takes it along, and says what a person may want to know of it. Blocks on the disk.
pub fn follow(ports: &Ports, old: &ProviderId, new: &ProviderId) -> Vec<String> {
    let mut counted = None;
    let mut carried = ports.budget.plan_use(old, &mut |used| {
        counted = used;
        None
    });
    if let (Ok(()), Some(used)) = (&carried, counted) {
        carried = ports.budget.plan_use(new, &mut |_| Some(used.clone()));
    }
    if let Err(sentence) = carried {
        tracing::warn!(%old, %new, "what is counted of the plan begins anew under the new id: {sentence}");
    }
    let choice = match active::kept(ports.ledger.as_ref()) {
        Some(ActiveChoice::Provider(id)) if id == *old => ActiveChoice::Provider(new.clone()),
        Some(ActiveChoice::Target(mut target)) if target.provider == *old => {
            target.provider = new.clone();
            ActiveChoice::Target(target)
        }
        _ => return Vec::new(),
    };
    active::keep(ports.ledger.as_ref(), &choice);
    vec![format!("the active target now is {choice}")]
}
