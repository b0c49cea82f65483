//! `[redis]`: one server by URL, or a primary that sentinels name.

use std::path::Path;

use super::address::{endpoint, parse_endpoint};
use super::secret::secret;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawRedis;
use crate::model::{RedisPlace, RedisSettings};

const PORT: u16 = 6379;
const URL_REMEDY: &str = "write \"redis://host:port/database\", or \"rediss://...\" for TLS";

pub(super) fn redis(problems: &mut Problems<'_>, raw: &RawRedis, directory: &Path) -> Option<RedisSettings> {
    let key = Key::top("redis");
    let place = place(problems, &key, raw);
    let password = secret(problems, &key.field("password_file"), &raw.password_file, directory);
    let username_works = raw.username.is_empty() || !raw.password_file.is_empty();
    if !username_works {
        let remedy = "name the file with the password in redis.password_file, or remove the name";
        problems.refuse::<()>(&key.field("username"), &raw.username, "a name without a password is never sent", remedy);
    }
    let prefix_key = key.field("prefix");
    let prefix = match raw.prefix.as_str() {
        "" => problems.refuse(&prefix_key, "", "every key of the database would be watched", "write \"coalmine:\""),
        text if !is_key(text) => {
            problems.refuse(&prefix_key, text, "has a space or a control character", "write \"coalmine:\"")
        }
        text => Some(text.to_owned()),
    };
    let (place, url_tls) = place?;
    Some(RedisSettings {
        place,
        username: username_works.then(|| raw.username.clone())?,
        password: password?,
        tls: raw.tls || url_tls,
        prefix: prefix?,
    })
}

/// Whether `text` is usable as a key or a part of one.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// With whether the URL asks for TLS.
fn place(problems: &mut Problems<'_>, key: &Key, raw: &RawRedis) -> Option<(RedisPlace, bool)> {
    let sentinels_key = key.field("sentinels");
    if raw.sentinels.is_empty() && raw.master.is_empty() {
        return server(problems, &key.field("url"), if raw.url.is_empty() { RawRedis::URL } else { &raw.url });
    }
    if !raw.url.is_empty() {
        let why = "both a server and sentinels are named";
        problems.refuse::<()>(&key.field("url"), masked(&raw.url), why, "keep url, or sentinels and master");
    }
    if raw.sentinels.is_empty() {
        problems.miss::<()>(&sentinels_key, "a master without sentinels", "name the sentinels, or write url instead");
    }
    if raw.master.is_empty() {
        let remedy = "write the name that the sentinels know the primary by";
        problems.miss::<()>(&key.field("master"), "sentinels without a master", remedy);
    }
    let sentinels: Vec<_> = raw
        .sentinels
        .iter()
        .enumerate()
        .map(|(index, text)| endpoint(problems, &sentinels_key.index(index), text))
        .collect();
    let sentinels = sentinels.into_iter().collect::<Option<Vec<_>>>()?;
    let complete = raw.url.is_empty() && !sentinels.is_empty() && !raw.master.is_empty();
    complete.then(|| (RedisPlace::Sentinel { sentinels, master: raw.master.clone() }, false))
}

fn server(problems: &mut Problems<'_>, key: &Key, url: &str) -> Option<(RedisPlace, bool)> {
    let (rest, tls) = match (url.strip_prefix("redis://"), url.strip_prefix("rediss://")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return problems.refuse(key, masked(url), "does not begin with redis:// or rediss://", URL_REMEDY),
    };
    if rest.contains('@') {
        let remedy = "write the name into redis.username, and the password into a file for redis.password_file";
        return problems.refuse(key, masked(url), "has credentials in it", remedy);
    }
    let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
    let address = match parse_endpoint(address, Some(PORT)) {
        Ok(address) => address,
        Err(why) => return problems.refuse(key, url, why, URL_REMEDY),
    };
    let database = if database.is_empty() { Some(0) } else { database.parse::<u16>().ok() };
    match database {
        Some(database) => Some((RedisPlace::Server { address, database: database.into() }, tls)),
        None => problems.refuse(key, url, "the part after the slash is not a database number", URL_REMEDY),
    }
}

fn masked(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://***@{after}")
        }
        None => url.to_owned(),
    }
}
