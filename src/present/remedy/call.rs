//! What to do about a call that failed, told for the provider that failed it, or for the one that could not even
//! be asked.

use super::{Remedy, Subject, remedy};
use crate::domain::call::CallRecord;
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::ids::Target;
use crate::engine::protocol::ProviderView;
use crate::present::labels::what_to_do;
use std::sync::Arc;

/// Codes of rejects that speak of the provider's own trouble.
const MENDABLE: [&str; 3] = ["withheld", "unauthorized", "down"];

/// `None` when no provider is to blame, or it is gone from the configuration: the class's own advice holds then.
pub fn of_call(failure: &Failure, record: &CallRecord, providers: &[Arc<ProviderView>]) -> Option<Remedy> {
    let known = |target: &Target| providers.iter().find(|view| view.id == target.provider);
    if let Some(attempt) = record.attempts.last() {
        let subject = Subject::of(known(&attempt.target)?).with_model(Some(attempt.target.model.as_str()));
        return Some(remedy(failure, &subject));
    }
    if failure.code != ErrorCode::NoRoute {
        return None;
    }
    // Nobody was asked: what keeps the first candidate out is what there is to mend. Who is out because the
    // request or a rule leaves it out may be down as well, and that is not why.
    let mut stopped = record.rejects.iter().filter(|reject| MENDABLE.contains(&reject.code.as_ref()));
    stopped.find_map(|reject| what_to_do(known(&reject.target)?))
}

/// [`of_call`] as running text, the class's own advice where nothing finer is known.
pub fn text_of_call(failure: &Failure, record: &CallRecord, providers: &[Arc<ProviderView>]) -> String {
    if failure.code == ErrorCode::NoRoute && providers.is_empty() {
        return "lmdeck providers discover looks for servers on this machine; or add one: lmdeck providers add"
            .to_owned();
    }
    of_call(failure, record, providers).map_or_else(|| failure.code.class().advice.to_owned(), |remedy| remedy.text())
}
