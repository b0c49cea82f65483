//! `[[check]]`.

use std::time::Duration;

use http::Uri;
use http::uri::Scheme;

use super::{name, names_differ};
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawCheck;
use crate::config::resolve::address::parse_endpoint;
use crate::config::resolve::scalar::duration;
use crate::config::resolve::status::{ALL, statuses};
use crate::model::{CheckKind, CheckSpec, StatusRanges};

const MOST: usize = 64;
const HOUR: Duration = Duration::from_secs(3600);
const URL_REMEDY: &str = "write \"http://host:port/path\", such as \"http://127.0.0.1:3002/healthz\"";

pub(super) fn checks(problems: &mut Problems<'_>, raw: &[RawCheck]) -> Option<Vec<CheckSpec>> {
    let key = Key::top("check");
    if raw.len() > MOST {
        return problems.refuse(&key, raw.len(), format!("more than {MOST} checks"), "keep the checks that matter");
    }
    let checks: Vec<_> = raw.iter().enumerate().map(|(index, raw)| check(problems, &key.index(index), raw)).collect();
    names_differ(problems, &key, raw.iter().map(|raw| raw.name.as_deref())).then_some(())?;
    checks.into_iter().collect()
}

fn check(problems: &mut Problems<'_>, key: &Key, raw: &RawCheck) -> Option<CheckSpec> {
    let name = name(problems, &key.field("name"), raw.name.as_deref());
    let kind = kind(problems, key, raw);
    let range = Duration::from_millis(1)..=HOUR;
    let timeout = duration(problems, &key.field("timeout"), &raw.timeout, range);
    let interval = duration(problems, &key.field("interval"), &raw.interval, Duration::from_millis(50)..=HOUR);
    Some(CheckSpec { name: name?.into(), kind: kind?, timeout: timeout?, interval: interval? })
}

fn kind(problems: &mut Problems<'_>, key: &Key, raw: &RawCheck) -> Option<CheckKind> {
    let (exec_key, http_key, status_key) = (key.field("exec"), key.field("http"), key.field("expect_status"));
    match (raw.exec.first(), raw.http.as_str()) {
        (None, "") => problems.miss(&exec_key, "the check does nothing", "write exec or http"),
        (Some(_), url) if !url.is_empty() => {
            problems.refuse(&http_key, url, "the check has exec as well", "make two checks of it")
        }
        (Some(program), _) => {
            let program = program.starts_with('/').then_some(()).or_else(|| {
                let remedy = "write the absolute path of the program, and each argument as a text of its own";
                problems.refuse(&exec_key.index(0), program, "not an absolute path", remedy)
            });
            let odd = raw.exec.iter().position(|word| word.contains('\0'));
            let words = odd.is_none().then_some(()).or_else(|| {
                let index = odd.unwrap_or_default();
                problems.refuse(&exec_key.index(index), &raw.exec[index], "has a zero in it", "remove it")
            });
            let status = raw.expect_status.as_ref().is_none_or(|status| {
                let written = format!("[{}]", status.join(", "));
                problems.refuse::<()>(&status_key, written, "a program has no status", "remove it").is_some()
            });
            (program.is_some() && words.is_some() && status).then(|| CheckKind::Exec(raw.exec.clone()))
        }
        (None, url) => {
            let place = url_parts(problems, &http_key, url);
            let default = ["200-399".to_owned()];
            let texts = raw.expect_status.as_deref().unwrap_or(&default);
            let expect_status = expected(problems, &status_key, texts);
            let (endpoint, path) = place?;
            Some(CheckKind::Http { endpoint, path, expect_status: expect_status? })
        }
    }
}

fn expected(problems: &mut Problems<'_>, key: &Key, texts: &[String]) -> Option<StatusRanges> {
    if texts.is_empty() {
        return problems.refuse(key, "[]", "no status would be good", ALL.remedy);
    }
    statuses(problems, key, texts, &ALL)
}

fn url_parts(problems: &mut Problems<'_>, key: &Key, url: &str) -> Option<(crate::model::Endpoint, String)> {
    let Ok(uri) = url.parse::<Uri>() else { return problems.refuse(key, url, "not a URL", URL_REMEDY) };
    if uri.scheme() != Some(&Scheme::HTTP) {
        return problems.refuse(key, url, "does not begin with http://", URL_REMEDY);
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return problems.refuse(key, "***", "has credentials in it", URL_REMEDY);
    }
    match parse_endpoint(authority, Some(80)) {
        Ok(endpoint) => Some((endpoint, uri.path_and_query().map_or("/", |path| path.as_str()).to_owned())),
        Err(why) => problems.refuse(key, url, why, URL_REMEDY),
    }
}
