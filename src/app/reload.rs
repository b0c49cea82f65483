//! The configuration, read again while everything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{App, systemd};
use crate::config;
use crate::control::admin::Reloaded;
use crate::model::{ServiceName, ServiceSpec, Settings};

/// Loads `path` and checks it whole; a bad one changes nothing.
///
/// # Errors
/// Every mistake in the configuration.
pub(super) async fn reload(app: &App, path: &Path) -> Result<Reloaded, String> {
    systemd::reloading();
    let path = path.to_owned();
    let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await;
    let loaded = loaded.map_err(|error| error.to_string()).and_then(|loaded| loaded.map_err(|it| it.to_string()));
    let outcome = match loaded {
        Ok(settings) => {
            let reloaded = compare(&app.settings, &settings);
            let Reloaded { changed, needs_restart } = &reloaded;
            tracing::info!(?changed, ?needs_restart, "configuration loaded again");
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

/// What `new` would change, all of which takes a restart or a successor.
fn compare(old: &Settings, new: &Settings) -> Reloaded {
    let named = |settings: &Settings| -> BTreeMap<ServiceName, ServiceSpec> {
        settings.services.iter().map(|service| (service.name.clone(), service.clone())).collect()
    };
    let (old_services, new_services) = (named(old), named(new));
    let names: BTreeSet<_> = old_services.keys().chain(new_services.keys()).collect();
    let services = names.into_iter().filter(|name| old_services.get(*name) != new_services.get(*name));
    let services = services.map(|name| format!("service {name}"));
    let keys = config::needs_restart(old, new).into_iter().map(str::to_owned);
    Reloaded { changed: Vec::new(), needs_restart: keys.chain(services).collect() }
}
