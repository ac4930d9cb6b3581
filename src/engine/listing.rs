//! What a provider's models look like to routing and to screens. Worked out anew only when something it is made
//! of is another: a server may list thousands, and a picture is published with every call.

use super::live::reach_of;
use super::protocol::ModelView;
use super::state::Provider;
use super::traffic::{Mark, Traffic};
use crate::domain::config::{Config, ModelProfile, Profile};
use crate::domain::health::{ModelInfo, State as Health};
use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::domain::money::Price;
use crate::domain::price::price_of;
use crate::domain::quality::quality_of;
use crate::domain::reach::Reach;
use crate::domain::routing::WorldModel;
use crate::domain::shared::SharedList;
use crate::domain::time::UnixMs;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The two lists of one provider as they were last published.
#[derive(Default)]
pub struct Listing {
    made_of: Option<Source>,
    /// Without what calls left behind.
    plain: Lists,
    published: Lists,
}

#[derive(Default, Clone)]
struct Lists {
    world: SharedList<WorldModel>,
    views: SharedList<ModelView>,
}

/// What the plain lists depend on; values that are the same copy are not looked into.
struct Source {
    profile: Arc<Profile>,
    config: Arc<Config>,
    listed: SharedList<ModelInfo>,
    reach: Reach,
    down: bool,
}

impl Source {
    fn of(provider: &Provider, config: &Arc<Config>) -> Self {
        Self {
            profile: provider.profile.clone(),
            config: config.clone(),
            listed: provider.health.models.clone(),
            reach: reach_of(provider),
            down: provider.health.state == Health::Down,
        }
    }

    fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.profile, &other.profile)
            && Arc::ptr_eq(&self.config, &other.config)
            && self.listed.same(&other.listed)
            && (self.reach, self.down) == (other.reach, other.down)
    }
}

impl Provider {
    /// Brings both lists up to date.
    pub fn list(&mut self, config: &Arc<Config>, traffic: &Traffic, now: UnixMs) {
        let source = Source::of(self, config);
        if !self.listing.made_of.as_ref().is_some_and(|known| known.same(&source)) {
            self.listing.plain = plain(&source);
            self.listing.made_of = Some(source);
        }
        let marks = traffic.marks(&self.profile.id, now);
        let published = &mut self.listing.published;
        let marked = if marks.is_empty() { self.listing.plain.clone() } else { self.listing.plain.marked(&marks) };
        // What did not change stays the copy that pictures share.
        if published.world != marked.world {
            published.world = marked.world;
        }
        if published.views != marked.views {
            published.views = marked.views;
        }
        // Two equal copies are one too many.
        if published.world == self.listing.plain.world {
            self.listing.plain.world = published.world.clone();
        }
        if published.views == self.listing.plain.views {
            self.listing.plain.views = published.views.clone();
        }
    }

    /// As routing sees them, as of the last [`Provider::list`].
    pub fn world_models(&self) -> SharedList<WorldModel> {
        self.listing.published.world.clone()
    }

    /// As screens see them: named models in file order, then listed ones.
    pub fn model_views(&self) -> SharedList<ModelView> {
        self.listing.published.views.clone()
    }
}

impl Lists {
    fn marked(&self, marks: &BTreeMap<ModelId, Mark>) -> Self {
        let mut marked = self.clone();
        for model in &mut marked.world {
            if let Some(mark) = marks.get(&model.id) {
                model.breaker_until = mark.breaker_until;
                model.ttft_ms = mark.ttft_ms;
            }
        }
        for model in &mut marked.views {
            if let Some(mark) = marks.get(&model.id) {
                model.breaker_until = mark.breaker_until;
                model.calls = mark.pace.calls;
                model.tokens_per_s = mark.pace.tokens_per_s();
            }
        }
        marked
    }
}

fn plain(source: &Source) -> Lists {
    let profile = &source.profile;
    let named: HashMap<&ModelId, &ModelProfile> = profile.models.iter().rev().map(|model| (&model.id, model)).collect();
    let listed: HashMap<&ModelId, &ModelInfo> = source.listed.iter().rev().map(|model| (&model.id, model)).collect();
    let tags = profile.kind == Kind::Ollama;
    let about = |id: &ModelId| About {
        named: named.get(id).copied(),
        listed: listed.get(id).copied(),
        latest: if tags { listed.get(&ModelId::from(format!("{id}:latest"))).copied() } else { None },
    };

    let mut world = Vec::with_capacity(profile.models.len() + source.listed.len());
    let mut known: HashSet<&ModelId> = HashSet::new();
    // A preferred model that its server does not list is a wish, not a candidate.
    let preferred = profile.preferred_models.iter().filter(|id| listed.contains_key(id));
    for id in profile.models.iter().map(|model| &model.id) {
        known.insert(id);
        world.push(about(id).for_world(id, source, true));
    }
    for id in preferred {
        if known.insert(id) {
            world.push(about(id).for_world(id, source, true));
        }
    }
    for model in &source.listed {
        if known.insert(&model.id) {
            let candidate = source.reach.is_local() && !model.remote;
            world.push(about(&model.id).for_world(&model.id, source, candidate));
        }
    }
    let first = profile.models.iter().map(|model| &model.id);
    let rest = source.listed.iter().map(|model| &model.id).filter(|id| !named.contains_key(id));
    // Servers have listed one model twice, and a file can name one twice.
    let mut shown: HashSet<&ModelId> = HashSet::new();
    let views = first.chain(rest).filter(|id| shown.insert(id)).map(|id| about(id).for_screens(id, source)).collect();
    Lists { world: world.into(), views }
}

/// Where one model stands: in the profile, in its server's list, or in both.
struct About<'a> {
    named: Option<&'a ModelProfile>,
    listed: Option<&'a ModelInfo>,
    /// Listed with the tag that Ollama adds to a name without one.
    latest: Option<&'a ModelInfo>,
}

impl About<'_> {
    /// Whether its server runs it elsewhere; `None` before the server has listed it.
    fn remote(&self) -> Option<bool> {
        self.listed.or(self.latest).map(|model| model.remote)
    }

    fn context(&self) -> Option<u64> {
        let written = || self.named.and_then(|model| model.context);
        self.listed.and_then(|model| model.context).or_else(written)
    }

    /// What a near server runs elsewhere is somebody's cloud: its price is known only when the profile names it.
    fn price(&self, id: &ModelId, source: &Source) -> Option<Price> {
        if self.remote() == Some(true) {
            return self.named.and_then(|model| model.price);
        }
        // What the vendor's own list says, where nothing nearer does.
        price_of(&source.profile, id, &source.config.money).or_else(|| self.listed.and_then(|model| model.price))
    }

    fn for_world(&self, id: &ModelId, source: &Source, candidate: bool) -> WorldModel {
        WorldModel {
            id: id.clone(),
            candidate,
            chat: self.listed.is_none_or(|model| model.chat),
            loaded: self.listed.and_then(|model| model.loaded),
            remote: self.remote().or((!source.profile.kind.may_run_elsewhere()).then_some(false)),
            context: self.context(),
            capabilities: self.named.and_then(|model| model.capabilities.clone()),
            quality: self.named.and_then(|model| model.quality).or_else(|| quality_of(id)),
            price: self.price(id, source),
            breaker_until: None,
            ttft_ms: None,
        }
    }

    fn for_screens(&self, id: &ModelId, source: &Source) -> ModelView {
        let mut view = ModelView::of(id.clone());
        view.named = self.named.is_some();
        view.listed = self.listed.is_some();
        view.chat = self.listed.is_none_or(|model| model.chat);
        view.context = self.context();
        view.price = self.price(id, source);
        view.remote = self.remote() == Some(true);
        if let Some(model) = self.listed {
            // What was loaded when it last answered says nothing of now.
            view.loaded = model.loaded.filter(|_| !source.down);
            view.quantization.clone_from(&model.quantization);
            view.size_bytes = model.size_bytes;
            view.display_name.clone_from(&model.display_name);
            view.max_context = model.max_context;
            view.instances.clone_from(&model.instances);
            view.parameters.clone_from(&model.parameters);
            view.format.clone_from(&model.format);
            view.can = model.can;
            view.memory_bytes = model.memory_bytes;
            view.expires = model.expires;
        }
        view
    }
}
