//! A new configuration, put in force while everything runs.

use std::path::Path;

use super::{App, systemd};
use crate::config;
use crate::control::admin::Reloaded;
use crate::model::Settings;

/// Loads `path` and puts it in force whole, or changes nothing.
///
/// # Errors
/// Every mistake in the configuration.
pub(super) async fn reload(app: &mut App, path: &Path) -> Result<Reloaded, String> {
    systemd::reloading();
    let path = path.to_owned();
    let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await;
    let loaded = loaded.map_err(|error| error.to_string()).and_then(|loaded| loaded.map_err(|it| it.to_string()));
    let outcome = match loaded {
        Ok(settings) => {
            let reloaded = app.apply(settings).await;
            let Reloaded { changed, needs_restart } = &reloaded;
            tracing::info!(?changed, ?needs_restart, "configuration reloaded");
            Ok(reloaded)
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
    async fn apply(&mut self, settings: Settings) -> Reloaded {
        let _addresses = self.scouts.resolve(&settings.services).await;
        self.scouts.go(&settings.services);
        self.settings = settings;
        Reloaded::default()
    }
}
