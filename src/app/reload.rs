//! The configuration, read again while everything runs.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::{App, control, systemd};
use crate::config;
use crate::control::admin::Reloaded;
use crate::model::{ServiceSpec, Settings};

/// How long the controller and the bus may take to follow. They answer within moments unless something is very wrong.
const PATIENCE: Duration = Duration::from_secs(5);
/// How deep the names of changed keys go: `canary.weight`, `outlier.window`.
const DEPTH: usize = 2;

/// Loads `path`, checks it whole and puts all services in force at once; a bad one changes nothing. What takes a restart
/// stays as it was, and is named by each reload until then.
///
/// # Errors
/// Every mistake in the configuration, or that nobody puts it in force.
pub(super) async fn reload(app: &mut App, path: &Path) -> Result<Reloaded, String> {
    systemd::reloading();
    let path = path.to_owned();
    let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await;
    let loaded = loaded.map_err(|error| error.to_string()).and_then(|loaded| loaded.map_err(|it| it.to_string()));
    let outcome = match loaded {
        Ok(settings) => follow(app, settings).await,
        Err(reason) => Err(reason),
    };
    match &outcome {
        Ok(Reloaded { changed, needs_restart }) => {
            tracing::info!(?changed, ?needs_restart, "configuration loaded again");
        }
        Err(reason) => {
            tracing::error!(reason, "the configuration is refused: the one before stays in force");
            app.refused("reload_refused", "a configuration is refused: the one before stays in force", reason);
        }
    }
    app.metrics.life.reloaded(outcome.is_ok());
    systemd::ready();
    outcome
}

async fn follow(app: &mut App, new: Settings) -> Result<Reloaded, String> {
    let needs_restart = config::needs_restart(&app.settings, &new).into_iter().map(str::to_owned).collect();
    let mut changed = Vec::new();
    // Who takes `listen.https` away, or has an authority take the place of files, takes a restart for it, and until then
    // something must be shown there.
    let replaced = !new.tls.certificates.is_empty() || app.settings.tls.acme.is_some();
    if app.https.is_empty() || (!new.listen.https.is_empty() && replaced) {
        if app.certificates.load(&new.tls).await? {
            changed.push("tls.certificate".to_owned());
        }
        app.settings.tls.certificates = new.tls.certificates;
    }
    let services = new.services;
    if app.settings.services == services {
        return Ok(Reloaded { changed, needs_restart });
    }
    changed.extend(differences(&app.settings.services, &services));
    let addresses = app.scouts.resolve(&services).await;
    let swapped = timeout(PATIENCE, app.controls.reload(services.clone(), addresses)).await;
    swapped.map_err(|_| "the controller does not answer".to_owned())?.map_err(|gone| gone.to_string())?;
    app.settings.services = services;
    app.scouts.go(&app.settings.services);
    // Nobody asks for the alerts of a new service before the controller knows it. The command waits for a bus that is
    // busy, and holds then.
    let watched = app.bus.rewatch(control::watched(&app.settings.services));
    if !matches!(timeout(PATIENCE, watched).await, Ok(Ok(()))) {
        tracing::error!("the alert bus does not follow: the canaries of new services stay out until it does");
    }
    Ok(Reloaded { changed, needs_restart })
}

/// What is other in `new`, in the order of the file; what is gone comes last.
fn differences(old: &[ServiceSpec], new: &[ServiceSpec]) -> Vec<String> {
    let named = |of: &[ServiceSpec], name: &_| of.iter().find(|service| service.name == *name).cloned();
    let mut differences = Vec::new();
    for service in new {
        let name = &service.name;
        match named(old, name) {
            None => differences.push(format!("service {name}: added")),
            Some(before) if before == *service => {}
            Some(before) => {
                let mut keys = Vec::new();
                let values = [&before, service].map(|spec| serde_json::to_value(spec).unwrap_or_default());
                changed_keys(&values[0], &values[1], "", DEPTH, &mut keys);
                // A secret shows no difference.
                let keys = if keys.is_empty() { "changed".to_owned() } else { keys.join(", ") };
                differences.push(format!("service {name}: {keys}"));
            }
        }
    }
    let gone = old.iter().filter(|service| named(new, &service.name).is_none());
    differences.extend(gone.map(|service| format!("service {}: removed", service.name)));
    differences
}

fn changed_keys(old: &Value, new: &Value, at: &str, depth: usize, keys: &mut Vec<String>) {
    if old == new {
        return;
    }
    let (Value::Object(before), Value::Object(after), 1..) = (old, new, depth) else {
        keys.push(at.to_owned());
        return;
    };
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    for key in after.keys().chain(removed) {
        let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        let value = |of: &serde_json::Map<String, Value>| of.get(key).cloned().unwrap_or_default();
        changed_keys(&value(before), &value(after), &at, depth - 1, keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(text: &str) -> Vec<ServiceSpec> {
        config::parse(text).unwrap().services
    }

    fn service(name: &str, canary_weight: u16, more: &str) -> String {
        format!(
            "[[service]]\nname = \"{name}\"\nhosts = [\"{name}.test\"]\n{more}\n\
             [service.stable]\nbackends = [\"127.0.0.1:1\"]\n\
             [service.canary]\nweight = {canary_weight}\nbackends = [\"127.0.0.1:2\"]\n"
        )
    }

    #[test]
    fn what_changed_is_named_by_its_key() {
        let old = services(&(service("a", 1, "") + &service("b", 1, "") + &service("c", 1, "")));
        assert_eq!(differences(&old, &old), Vec::<String>::new());
        let new =
            services(&(service("b", 3, "balance = \"least_request\"") + &service("d", 1, "") + &service("a", 1, "")));
        let named = ["service b: balance, canary.weight", "service d: added", "service c: removed"];
        assert_eq!(differences(&old, &new), named);
    }
}
