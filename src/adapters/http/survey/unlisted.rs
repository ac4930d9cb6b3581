//! Servers that take calls and have no list of models, as some proxies and mocks are. They are asked instead,
//! free of charge, whether the address for calls is theirs; what the profile names is then used.

use super::super::fetch::Asker;
use crate::adapters::wire::lists::Listed;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::ProbeFound;

/// What a survey calls the interface of such a server.
const INTERFACE: &str = "no list";

impl Asker<'_> {
    /// Goes on from a list that was not there. `calls` is where requests are posted: that a GET is refused there
    /// for its method shows that the address is right.
    ///
    /// # Errors
    /// `missing`, unless the server is one of those; or it does not answer any more.
    pub(super) async fn unlisted(&mut self, missing: Failure, calls: &str) -> Result<ProbeFound, Failure> {
        let absent = matches!(missing.cause, Cause::WrongPath { .. }) && matches!(self.status, Some(404 | 405 | 501));
        let profile = self.profile;
        let own_host = profile.kind.vendor_hosts().contains(&profile.endpoint.host.as_str());
        if !absent || own_host || profile.models.is_empty() {
            return Err(missing);
        }
        let document = self.get(calls).await?;
        match document.status {
            405 => Ok(ProbeFound { authenticated: None, ..self.found(Listed::default(), Some(INTERFACE)) }),
            401 | 403 => Err(self.read(&document).err().unwrap_or_else(|| {
                Failure::new(ErrorCode::Auth, Cause::KeyRefused { status: document.status }, "the key was refused")
            })),
            _ => Err(missing),
        }
    }
}
