use std::path::PathBuf;

use tempfile::TempDir;

use super::SERVICE;
use crate::config::{ConfigError, load_with};
use crate::model::{RedisPlace, Settings};

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let (_directory, file) = write(text);
    load_with(&file, variables.iter().map(|(name, value)| (String::from(*name), String::from(*value))))
}

fn write(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.toml");
    std::fs::write(&file, text).unwrap();
    (directory, file)
}

#[test]
fn a_variable_goes_before_the_file() {
    let text = format!("[listen]\ndrain = '9s'\nidle_timeout = '8s'\n{SERVICE}");
    let settings = load(
        &text,
        &[
            ("COALMINE_LISTEN__DRAIN", "5s"),
            ("COALMINE_LISTEN__HTTP", r#"["127.0.0.1:8080", "[::1]:8080"]"#),
            ("COALMINE_LISTEN__WORKERS", "3"),
            ("COALMINE_LISTEN__VIA", "false"),
            ("COALMINE_REDIS__URL", "redis://cache:6380/4"),
            ("COALMINE_LOG", "{level=debug}"),
            ("COALMINE_BALANCER", "{name=lb7}"),
        ],
    )
    .unwrap();
    assert_eq!(settings.listen.drain.as_secs(), 5);
    assert_eq!(settings.listen.idle_timeout.as_secs(), 8);
    assert_eq!(settings.listen.http.len(), 2);
    assert_eq!((settings.listen.workers, settings.listen.via), (3, false));
    assert_eq!((settings.log.level.as_str(), settings.balancer.name.as_str()), ("debug", "lb7"));
    let RedisPlace::Server { address, database } = settings.redis.unwrap().place else { panic!("no server") };
    assert_eq!((address.to_string().as_str(), database), ("cache:6380", 4));
}

#[test]
fn services_can_come_from_a_variable_as_a_whole() {
    let service = r#"[{name="api",stable={backends=["10.0.0.9:80"]}}]"#;
    let settings = load(SERVICE, &[("COALMINE_SERVICE", service)]).unwrap();
    assert_eq!(settings.services.len(), 1);
    assert_eq!(settings.services[0].name.as_str(), "api");
}

#[test]
fn a_variable_of_another_purpose_is_left_alone() {
    let foreign = [("COALMINE_CONFIG", "/etc/x.toml"), ("COALMINE_PORT_80_TCP", "tcp://x"), ("PATH", "/bin")];
    assert!(load(SERVICE, &foreign).is_ok());
}

#[test]
fn a_wrong_variable_is_named_in_full() {
    let cases = [
        (("COALMINE_LISTEN__DRAIM", "5s"), "listen.draim", "`drain`"),
        (("COALMINE_LISTEN__DRAIN", "soon"), "listen.drain", "unit"),
        (("COALMINE_REDIS__MASTER", "7"), "redis.master", r#"COALMINE_REDIS__MASTER='"..."'"#),
        (("COALMINE_BALANCER__NAME", "7"), "balancer.name", r#"COALMINE_BALANCER__NAME='"..."'"#),
        (("COALMINE_AFFINITY", "none"), "affinity", "a table"),
        (("COALMINE_LISTEN__HTTP", "127.0.0.1:80"), "listen.http", "COALMINE_LISTEN__HTTP='[...]'"),
        (("COALMINE_SERVICE__0__NAME", "x"), "service", "COALMINE_SERVICE='[...]'"),
        (("COALMINE_LISTENER__DRAIN", "5s"), "listener", "`listen`"),
        (("COALMINE_LISTEN__", "5s"), "listen.", "known here"),
    ];
    for ((name, value), key, remedy) in cases {
        let problems = load(SERVICE, &[(name, value)]).unwrap_err().problems;
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert_eq!(
            (problems[0].origin.as_str(), problems[0].key.as_str()),
            (&*format!("environment variable `{name}`"), key)
        );
        assert!(problems[0].remedy.contains(remedy), "{name}: {}", problems[0]);
    }
}

#[test]
fn a_secret_is_read_beside_the_file_and_never_shown() {
    let (directory, file) = write(&format!("[admin]\nlisten='0.0.0.0:9900'\ntoken_file='token'\n{SERVICE}"));
    std::fs::write(directory.path().join("token"), "hunter2\n").unwrap();
    let settings = load_with(&file, []).unwrap();
    assert_eq!(settings.admin.token.as_ref().unwrap().reveal(), "hunter2");
    let text = crate::config::render(&settings);
    assert!(text.contains("token = \"***\"") && !text.contains("hunter2"), "{text}");

    std::fs::write(directory.path().join("token"), " \n").unwrap();
    let problems = load_with(&file, []).unwrap_err().problems;
    assert_eq!((problems.len(), problems[0].key.as_str()), (1, "admin.token_file"));
}

#[test]
fn a_missing_file_and_a_syntax_error_are_told_with_the_file() {
    let (directory, file) = write("[listen\n");
    let syntax = load_with(&file, []).unwrap_err().to_string();
    assert!(syntax.contains("test.toml") && syntax.contains("line 1"), "{syntax}");
    let missing = load_with(&directory.path().join("none.toml"), []).unwrap_err().to_string();
    assert!(missing.contains("none.toml") && missing.contains("cannot be read"), "{missing}");
}
