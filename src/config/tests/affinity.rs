use std::fs;

use super::{SERVICE, parse};
use crate::config::{ConfigError, load_with, render};
use crate::model::{Settings, TesterSpec};

const KEY: &str = "hunter2-hunter2-hunter2";

/// Loads `text` beside a file `key` that has the key in it, with the environment's word for `affinity.key`.
fn load(text: &str, key: Option<&str>) -> Result<Settings, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.toml");
    fs::write(&file, format!("{text}\n{SERVICE}")).unwrap();
    fs::write(directory.path().join("key"), format!("{KEY}\n")).unwrap();
    load_with(&file, key.map(|key| ("COALMINE_AFFINITY__KEY".to_owned(), key.to_owned())))
}

fn key(settings: &Settings) -> Option<&str> {
    settings.affinity.key.as_ref().map(|key| key.reveal())
}

#[test]
fn the_key_of_cookies_comes_from_a_file_or_the_environment() {
    assert_eq!(key(&load("", None).unwrap()), None);
    assert_eq!(key(&load("[affinity]\nkey_file = 'key'", None).unwrap()), Some(KEY));
    assert_eq!(key(&load("", Some(&format!(" {KEY} "))).unwrap()), Some(KEY));
    assert_eq!(key(&load("[affinity]\nkey = 'of the file, long enough'", Some(KEY)).unwrap()), Some(KEY));
}

#[test]
fn the_key_is_never_shown_not_even_by_a_mistake() {
    let settings = load("", Some(KEY)).unwrap();
    let printed = render(&settings);
    assert!(printed.contains("\n[affinity]\nkey = \"***\"\n") && !printed.contains("hunter2"), "{printed}");
    assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");

    let misspelt = format!("[affinity]\nkye = '{KEY}'");
    let list = format!("[affinity]\nkey = ['{KEY}']");
    let whole = format!("affinity = '{KEY}'");
    for (text, variable, place) in [
        ("[affinity]\nkey_file = 'key'", Some(KEY), "affinity.key"),
        ("", Some("hunter2"), "affinity.key"),
        ("", Some("12345678901234567"), "affinity.key"),
        (&*misspelt, None, "affinity.kye"),
        (&*list, None, "affinity.key"),
        (&*whole, None, "affinity"),
    ] {
        let error = load(text, variable).unwrap_err();
        assert_eq!((error.problems.len(), &*error.problems[0].key), (1, place), "{error}");
        let told = error.to_string();
        assert!(told.contains("***") && !told.contains("hunter2") && !told.contains("1234"), "{told}");
    }
    // The key of an alert is not one of these.
    let told = parse(&format!("{SERVICE}alert.key = 77777")).unwrap_err().to_string();
    assert!(told.contains("77777"), "{told}");
}

#[test]
fn a_key_that_could_be_guessed_is_refused_where_it_is_written() {
    let short = load("[affinity]\nkey = 'fifteen letters'", None).unwrap_err();
    assert!(short.to_string().contains("test.toml: affinity.key: `***`: the key is shorter than 16"), "{short}");
    let empty = load("", Some("                  ")).unwrap();
    assert_eq!(key(&empty), None);
    let file = load("[affinity]\nkey_file = 'test.toml.not'", None).unwrap_err();
    assert!(file.to_string().contains("affinity.key_file: `test.toml.not`: "), "{file}");
    let both = load("[affinity]\nkey_file = 'key'", Some(KEY)).unwrap_err();
    assert_eq!(both.problems[0].origin, "environment variable `COALMINE_AFFINITY__KEY`");
    assert!(both.problems[0].remedy.contains("keep one"), "{both}");
}

#[test]
fn a_secret_of_testers_is_read_beside_the_file_and_has_to_fit_a_cookie() {
    let load = |secret: &str, keys: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("test.toml");
        fs::write(directory.path().join("secret"), secret).unwrap();
        fs::write(&file, format!("{SERVICE}tester = {{ secret_file = 'secret'{keys} }}")).unwrap();
        load_with(&file, [])
    };
    let settings = load("hunter2\n", ", header = 'X-Canary'").unwrap();
    let printed = render(&settings);
    assert!(printed.contains("secret = \"***\"") && !printed.contains("hunter2"), "{printed}");
    let TesterSpec { header, cookie, secret } = &settings.services[0].tester;
    assert_eq!((header.as_ref().unwrap().as_str(), cookie), ("x-canary", &None));
    assert!(secret.as_ref().unwrap().matches(b"hunter2"));
    for (secret, keys, remedy) in [
        ("hunter2", "", "tester.header or tester.cookie"),
        ("hunter2; x", ", cookie = 'canary'", "visible ASCII"),
        (" ", ", cookie = 'canary'", "into the file"),
    ] {
        let error = load(secret, keys).unwrap_err();
        assert_eq!((error.problems.len(), &*error.problems[0].key), (1, "service[0].tester.secret_file"), "{error}");
        assert!(error.problems[0].remedy.contains(remedy) && !error.to_string().contains("hunter2"), "{error}");
    }
}
