//! What a person's word for the active target means, the same in every front end.

use super::ActiveChoice;
use super::resolve::{Meaning, Named, Place, meaning};
use crate::domain::ids::Target;

/// Why a word is not one choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclear {
    /// A model id that all of these have.
    Several(Vec<Target>),
    /// The provider is there; it does not name or list this model.
    Unlisted(Target),
    /// Nothing here has this name.
    Unknown,
}

/// The choice that `word` stands for: `auto`, a provider, a kind (its first provider), `provider/model`, a name
/// of the original service, or a model id that one provider has. Where several have it, those count that may be
/// chosen without being named.
///
/// # Errors
/// The word stands for nothing or for more than one thing.
pub fn choice<P: Named>(word: &str, providers: &[P]) -> Result<ActiveChoice, Unclear> {
    let target = |p: usize, model| Target { provider: providers[p].id().clone(), model };
    match meaning(word, providers) {
        Meaning::Auto => Ok(ActiveChoice::Auto),
        Meaning::Providers(found) => {
            found.first().map(|&p| ActiveChoice::Provider(providers[p].id().clone())).ok_or(Unclear::Unknown)
        }
        Meaning::Models(places) => {
            let found = |&(p, m): &Place| {
                let (model, candidate) = providers[p].models().nth(m)?;
                Some((target(p, model.clone()), candidate))
            };
            let all: Vec<(Target, bool)> = places.iter().filter_map(found).collect();
            let mut candidates = all.iter().filter(|(_, candidate)| *candidate);
            match (candidates.next(), candidates.next(), all.as_slice()) {
                (Some((only, _)), None, _) | (None, None, [(only, _)]) => Ok(ActiveChoice::Target(only.clone())),
                _ => Err(Unclear::Several(all.into_iter().map(|(target, _)| target).collect())),
            }
        }
        Meaning::Unlisted(p, model) => Err(Unclear::Unlisted(target(p, model))),
        Meaning::Local | Meaning::Cloud | Meaning::Fastest | Meaning::Strategy(_) | Meaning::Nothing => {
            Err(Unclear::Unknown)
        }
    }
}
