//! From what was written to [`Settings`]: every value parsed, every default filled in, every mistake noted.
//!
//! A function here returns `None` exactly when it has noted a problem; it reads all its parts before it gives up.

use std::path::Path;

use crate::model::Settings;

use super::key::Key;
use super::problem::Problems;
use super::raw::Raw;

mod acme;
mod address;
mod affinity;
mod alert;
mod backend;
mod balancer;
mod choice;
mod differ;
mod limits;
mod listen;
mod log;
mod monitor;
pub(super) mod notify;
mod outlier;
mod probe;
mod redis;
mod retry;
mod scalar;
mod secret;
mod service;
mod status;
mod tls;
mod token;
mod track;
mod upstream;

pub(super) use monitor::monitor;
pub(super) use tls::out_of_date;

/// `directory` is where relative paths of secrets begin. `complete` tells that nothing was left out of `raw` for its
/// shape; otherwise services are not compared with each other, since a default may stand where something else was
/// meant.
pub(super) fn settings(problems: &mut Problems<'_>, raw: &Raw, directory: &Path, complete: bool) -> Option<Settings> {
    let listen = listen::listen(problems, &raw.listen);
    let doors = tls::Doors { https: !raw.listen.https.is_empty(), http: !raw.listen.http.is_empty() };
    let tls = tls::tls(problems, &raw.tls, doors, directory);
    let limits = limits::limits(problems, &raw.limits);
    let log = log::log(problems, &raw.log);
    let admin = listen::admin(problems, &raw.admin, directory);
    listen::doors_differ(problems, listen.as_ref(), admin.as_ref());

    let redis = raw.redis.as_ref().map(|raw| redis::redis(problems, raw, directory));
    let prefix = raw.redis.as_ref().map(|redis| redis.prefix.as_str());
    let balancer = balancer::balancer(problems, &raw.balancer);
    let affinity = affinity::affinity(problems, &raw.affinity, directory);
    let notify = notify::notify(problems, &raw.notify, directory);
    let key = Key::top("service");
    let around = service::Surroundings { directory, redis_prefix: prefix };
    if raw.service.is_empty() {
        let remedy = "add a [[service]] with a name and stable backends; config/minimal.toml is a start";
        problems.miss::<()>(&key, "there is no service", remedy);
    }
    let services: Vec<_> = raw
        .service
        .iter()
        .enumerate()
        .map(|(index, raw)| service::service(problems, &key.index(index), raw, &around))
        .collect();
    if complete {
        differ::services_differ(problems, &key, &services);
    }

    let services = services.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Settings {
        listen: listen?,
        tls: tls?,
        limits: limits?,
        log: log?,
        admin: admin?,
        redis: redis.map_or(Some(None), |redis| redis.map(Some))?,
        balancer: balancer?,
        affinity: affinity?,
        notify: notify?,
        services,
    })
}
