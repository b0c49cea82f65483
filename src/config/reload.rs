//! What a reload can change, and what takes a restart.
//!
//! Services and certificates are live as a whole. Each table is taken apart by name, so that a setting that is added has to be placed.

use crate::model::{
    AdminSettings, AffinitySettings, BalancerSettings, Endpoint, LimitSettings, ListenSettings, LogSettings,
    NotifySettings, RedisPlace, RedisSettings, Settings, TlsSettings,
};

/// The keys whose change a reload from `old` to `new` does not put in force, in the order of the file. A secret is
/// named by the key of its file, but `affinity.key`; `redis` alone is a table that came or went.
pub fn needs_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let Settings { listen, tls, limits, log, admin, redis, balancer, affinity, notify, services: _ } = old;
    let redis = match (redis, &new.redis) {
        (Some(old), Some(new)) => redis_same(old, new).to_vec(),
        (old, new) => vec![("redis", old == new)],
    };
    let tables = [
        listen_same(listen, &new.listen).to_vec(),
        tls_same(tls, &new.tls).to_vec(),
        limits_same(limits, &new.limits).to_vec(),
        log_same(log, &new.log).to_vec(),
        admin_same(admin, &new.admin).to_vec(),
        balancer_same(balancer, &new.balancer).to_vec(),
        affinity_same(affinity, &new.affinity).to_vec(),
        notify_same(notify, &new.notify).to_vec(),
        redis,
    ];
    tables.into_iter().flatten().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

/// A key, and whether both settings have the same value of it.
type Same = (&'static str, bool);

fn listen_same(old: &ListenSettings, new: &ListenSettings) -> [Same; 13] {
    let ListenSettings {
        http,
        https,
        redirect_https,
        http2,
        workers,
        trusted_proxies,
        proxy_protocol,
        handshake_timeout,
        header_timeout,
        idle_timeout,
        drain,
        lame_duck,
        via,
    } = old;
    [
        ("listen.http", *http == new.http),
        ("listen.https", *https == new.https),
        ("listen.redirect_https", *redirect_https == new.redirect_https),
        ("listen.http2", *http2 == new.http2),
        ("listen.workers", *workers == new.workers),
        ("listen.trusted_proxies", *trusted_proxies == new.trusted_proxies),
        ("listen.proxy_protocol", *proxy_protocol == new.proxy_protocol),
        ("listen.handshake_timeout", *handshake_timeout == new.handshake_timeout),
        ("listen.header_timeout", *header_timeout == new.header_timeout),
        ("listen.idle_timeout", *idle_timeout == new.idle_timeout),
        ("listen.drain", *drain == new.drain),
        ("listen.lame_duck", *lame_duck == new.lame_duck),
        ("listen.via", *via == new.via),
    ]
}

/// A rate is one key.
fn limits_same(old: &LimitSettings, new: &LimitSettings) -> [Same; 10] {
    let LimitSettings {
        max_connections,
        max_requests,
        listener_connections,
        client_connections,
        headers,
        header_bytes,
        request_line,
        body_rate,
        streams,
        rate,
    } = old;
    [
        ("limits.max_connections", *max_connections == new.max_connections),
        ("limits.max_requests", *max_requests == new.max_requests),
        ("limits.listener_connections", *listener_connections == new.listener_connections),
        ("limits.client_connections", *client_connections == new.client_connections),
        ("limits.headers", *headers == new.headers),
        ("limits.header_bytes", *header_bytes == new.header_bytes),
        ("limits.request_line", *request_line == new.request_line),
        ("limits.body_rate", *body_rate == new.body_rate),
        ("limits.streams", *streams == new.streams),
        ("limits.rate", *rate == new.rate),
    ]
}

/// Certificates of files are live.
fn tls_same(old: &TlsSettings, new: &TlsSettings) -> [Same; 1] {
    let TlsSettings { certificates: _, acme } = old;
    [("tls.acme", *acme == new.acme)]
}

fn log_same(old: &LogSettings, new: &LogSettings) -> [Same; 3] {
    let LogSettings { level, format, access } = old;
    [("log.level", *level == new.level), ("log.format", *format == new.format), ("log.access", *access == new.access)]
}

fn admin_same(old: &AdminSettings, new: &AdminSettings) -> [Same; 3] {
    let AdminSettings { listen, token, metrics_listen } = old;
    [
        ("admin.listen", *listen == new.listen),
        ("admin.token_file", *token == new.token),
        ("admin.metrics_listen", *metrics_listen == new.metrics_listen),
    ]
}

fn balancer_same(old: &BalancerSettings, new: &BalancerSettings) -> [Same; 1] {
    let BalancerSettings { name } = old;
    [("balancer.name", *name == new.name)]
}

fn affinity_same(old: &AffinitySettings, new: &AffinitySettings) -> [Same; 1] {
    let AffinitySettings { key } = old;
    [("affinity.key", *key == new.key)]
}

/// A mail server and the webhooks are one key each.
fn notify_same(old: &NotifySettings, new: &NotifySettings) -> [Same; 7] {
    let NotifySettings { outbox, group, hourly, ways, ca_file, mail, webhooks } = old;
    [
        ("notify.outbox", *outbox == new.outbox),
        ("notify.group", *group == new.group),
        ("notify.hourly", *hourly == new.hourly),
        ("notify.ways", *ways == new.ways),
        ("notify.ca_file", *ca_file == new.ca_file),
        ("notify.mail", *mail == new.mail),
        ("notify.webhook", *webhooks == new.webhooks),
    ]
}

fn redis_same(old: &RedisSettings, new: &RedisSettings) -> [Same; 7] {
    let RedisSettings { place, username, password, tls, prefix } = old;
    let ((url, sentinels, master), new_place) = (parts(place), parts(&new.place));
    [
        ("redis.url", url == new_place.0),
        ("redis.sentinels", sentinels == new_place.1),
        ("redis.master", master == new_place.2),
        ("redis.username", *username == new.username),
        ("redis.password_file", *password == new.password),
        ("redis.tls", *tls == new.tls),
        ("redis.prefix", *prefix == new.prefix),
    ]
}

/// What stands for `url`, `sentinels` and `master`; one place has the first or the other two.
fn parts(place: &RedisPlace) -> (Option<(&Endpoint, i64)>, &[Endpoint], &str) {
    match place {
        RedisPlace::Server { address, database } => (Some((address, *database)), &[], ""),
        RedisPlace::Sentinel { sentinels, master } => (None, sentinels, master),
    }
}
