//! What whoever hosts the gateway follows: its part of the configuration in force. A snapshot has no place for it, since
//! keys stand in it.

use super::ports::{Loaded, Unusable};
use crate::domain::config::{Config, Gateway};
use tokio::sync::watch;

/// The gateway's settings; none until a configuration is in force, since nobody knows before whom to let in.
pub struct Door {
    settings: watch::Sender<Option<Gateway>>,
}

impl Door {
    pub fn of(loaded: &Result<Loaded, Unusable>) -> Self {
        let settings = loaded.as_ref().ok().map(|loaded| loaded.config.gateway.clone());
        Self { settings: watch::Sender::new(settings) }
    }

    pub fn follow(&self, config: &Config) {
        self.settings.send_if_modified(|settings| {
            let other = settings.as_ref() != Some(&config.gateway);
            if other {
                *settings = Some(config.gateway.clone());
            }
            other
        });
    }

    pub fn watched(&self) -> watch::Receiver<Option<Gateway>> {
        self.settings.subscribe()
    }
}
