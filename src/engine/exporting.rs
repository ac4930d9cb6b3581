//! What is said of the export to a collector: once when it fails, once when it goes on.

use super::protocol::{Event, EventKind, ExportView, Level};
use super::supervisor::Supervisor;
use tokio::sync::watch;

/// Waits until something that is watched stands otherwise; for ever where nothing is.
pub async fn moved<T>(standing: &mut Option<watch::Receiver<T>>) {
    if let Some(standing) = standing
        && standing.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

impl Supervisor {
    /// How the export stands now.
    pub(super) fn export_view(&self) -> Option<ExportView> {
        self.ports.export.as_ref().map(|standing| standing.borrow().clone())
    }

    /// Announces that calls no longer reach the collector, or do again; what changes meanwhile is in the picture.
    pub(super) fn export_moved(&mut self) {
        let Some(ExportView { endpoint, dropped, trouble, .. }) = self.export_view() else { return };
        if trouble.is_some() == self.export_in_trouble {
            return;
        }
        self.export_in_trouble = trouble.is_some();
        let level = if trouble.is_some() { Level::Warning } else { Level::Info };
        if let Some(why) = &trouble {
            tracing::warn!("the collector {endpoint} does not get the calls: {why}");
        } else {
            tracing::info!(dropped, "the collector {endpoint} gets the calls again");
        }
        let kind = EventKind::ExportChanged { endpoint, trouble, dropped };
        self.announce(Event { at: self.ports.clock.now(), level, kind });
    }
}
