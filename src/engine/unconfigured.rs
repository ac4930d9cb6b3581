//! While there is neither a file nor a provider from the environment, the local servers that discovery finds
//! are used as they are, so that the first question needs no form. Nothing is written; the first saved provider
//! ends this state.

use super::ports::Ports;
use super::protocol::{Found, ProviderDraft};
use super::supervisor::{Input, Supervisor};
use crate::domain::config::{Config, Origin, Profile};
use crate::domain::ids::ProviderId;
use std::sync::Arc;

/// What is known of this machine's servers while there is no configuration.
#[derive(Default)]
pub enum Unconfigured {
    /// There is a configuration, or nothing was looked for.
    #[default]
    No,
    /// Looking; calls wait for it as for a first probe.
    Looking,
    Found(Vec<Profile>),
}

impl Unconfigured {
    pub fn looking(&self) -> bool {
        matches!(self, Self::Looking)
    }
}

impl Supervisor {
    /// Starts looking when there is nothing configured.
    pub(super) fn look_around(&mut self) {
        if !self.views.nothing_configured(&self.state.config) {
            return;
        }
        self.unconfigured = Unconfigured::Looking;
        let ports = self.ports.clone();
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let found = ports.upstream.discover(Vec::new()).await;
            let _ = inputs.send(Input::Found(profiles(&ports, found).await)).await;
        });
    }

    /// Puts the servers found in force beside those found before, unless a configuration appeared meanwhile.
    pub(super) fn found(&mut self, profiles: Vec<Profile>) {
        self.use_found(profiles);
        for (probe, asker) in std::mem::take(&mut self.early_probes) {
            self.command(probe, asker);
        }
    }

    fn use_found(&mut self, profiles: Vec<Profile>) {
        if !self.views.nothing_configured(&self.state.config) {
            return;
        }
        let (mut known, looked) = match std::mem::take(&mut self.unconfigured) {
            Unconfigured::Found(known) => (known, true),
            Unconfigured::Looking | Unconfigured::No => (Vec::new(), false),
        };
        let before = known.len();
        for profile in profiles {
            if known.iter().all(|other| other.endpoint.origin != profile.endpoint.origin) {
                let id = free_id(&profile, &known);
                known.push(Profile { id, ..profile });
            }
        }
        let nothing_new = looked && known.len() == before;
        self.unconfigured = Unconfigured::Found(known.clone());
        if nothing_new {
            return;
        }
        let mut config = Config::clone(&self.state.config);
        config.providers = known;
        self.put_in_force(Arc::new(config), self.ports.clock.now());
        self.publish();
    }

    /// A configuration as read: with the servers found while it still holds no provider and no file.
    pub(super) fn with_found(&mut self, config: Arc<Config>) -> Arc<Config> {
        if !self.views.nothing_configured(&config) {
            self.unconfigured = Unconfigured::No;
            return config;
        }
        match &self.unconfigured {
            Unconfigured::Found(profiles) => {
                let mut config = Config::clone(&config);
                config.providers.clone_from(profiles);
                Arc::new(config)
            }
            Unconfigured::No | Unconfigured::Looking => config,
        }
    }
}

/// The profile's own id, or the first with a number that no other has.
fn free_id(profile: &Profile, known: &[Profile]) -> ProviderId {
    let taken = |id: &ProviderId| known.iter().any(|other| other.id == *id);
    let numbered = (2..known.len() + 3).map(|n| ProviderId::from(format!("{}_{n}", profile.kind.word())));
    let free = std::iter::once(profile.id.clone()).chain(numbered).find(|id| !taken(id));
    free.unwrap_or_else(|| profile.id.clone())
}

/// Profiles of the servers that answered and are not used yet.
pub(super) async fn profiles(ports: &Ports, found: Vec<Found>) -> Vec<Profile> {
    let config = ports.config.clone();
    let drafts: Vec<ProviderDraft> = found
        .into_iter()
        .filter(|found| found.answered && found.configured_as.is_none())
        .map(|found| ProviderDraft {
            id: found.kind.word().into(),
            kind: Some(found.kind),
            endpoint: found.endpoint,
            enabled: Some(true),
            ..ProviderDraft::default()
        })
        .collect();
    let work = tokio::task::spawn_blocking(move || {
        let mut profiles: Vec<Profile> = Vec::new();
        for draft in drafts {
            match config.profile_of(None, &draft) {
                Ok(profile) => profiles.push(Profile { origin: Origin::Discovery, ..profile }),
                Err(refusal) => tracing::warn!("a server found cannot be used: {}", refusal.message),
            }
        }
        profiles
    });
    work.await.unwrap_or_default()
}
