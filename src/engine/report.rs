//! What only the engine can tell for a bug report: the file without its secrets, the ledger's condition. The
//! caller's own part comes back without any key.

use super::command::{Asker, crashed, later};
use super::protocol::{Reply, ReportParts};
use super::supervisor::Supervisor;

impl Supervisor {
    pub(super) fn report(&self, draft: String, asker: Asker) {
        let ports = self.ports.clone();
        let system = self.options.system.clone();
        later(asker, async move {
            let checked = ports.ledger.check().await;
            let config = ports.config.clone();
            let read = tokio::task::spawn_blocking(move || (config.redact(&draft), config.masked())).await;
            let Ok((draft, masked)) = read else { return crashed() };
            let (config, config_trouble) = match masked {
                Ok(text) => (text, None),
                Err(sentence) => (None, Some(sentence)),
            };
            let (ledger, ledger_trouble) = match checked {
                Ok(check) => (Some(check), None),
                Err(sentence) => (None, Some(sentence)),
            };
            Reply::Report(Box::new(ReportParts { system, draft, config, config_trouble, ledger, ledger_trouble }))
        });
    }
}
