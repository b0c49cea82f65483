//! A new configuration, put in force while everything runs.

use std::path::Path;

use super::{App, systemd};
use crate::config;
use crate::model::Settings;

/// Loads `path` and puts it in force whole, or changes nothing.
///
/// # Errors
/// Every mistake in the configuration.
pub(super) async fn reload(app: &mut App, path: &Path) -> Result<(), String> {
    systemd::reloading();
    let path = path.to_owned();
    let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await;
    let loaded = loaded.map_err(|error| error.to_string()).and_then(|loaded| loaded.map_err(|it| it.to_string()));
    let outcome = match loaded {
        Ok(settings) => {
            app.apply(settings).await;
            tracing::info!("configuration reloaded");
            Ok(())
        }
        Err(reason) => {
            tracing::error!(reason, "the configuration is refused: the one before stays in force");
            Err(reason)
        }
    };
    app.metrics.life.reloaded(outcome.is_ok());
    systemd::ready();
    outcome
}

impl App {
    /// Probes of backends that stay as they are go on with what they have seen.
    async fn apply(&mut self, settings: Settings) {
        let _addresses = self.scouts.resolve(&settings.services).await;
        self.scouts.go(&settings.services);
        self.settings = settings;
    }
}
