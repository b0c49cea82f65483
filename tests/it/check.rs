//! `coalmine check`: what is wrong, all of it at once; or what is in force.

use std::fs;

use crate::support::coalmine::{run, run_with, text};
use crate::support::config::written;
use crate::support::process::Exit;

const GOOD: &str = "[[service]]\nname = \"web\"\n[service.stable]\nweight = 2\nbackends = [\"10.0.0.11:3002\"]\n\
                    [service.canary]\nbackends = [{ address = \"web9:3002\", name = \"nine\" }]\n";

#[test]
fn a_good_file_is_shown_with_every_default() {
    let exit = check(GOOD);
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    for shown in
        ["0.0.0.0:80", "127.0.0.1:9900", "10.0.0.11:3002", "web9:3002", "nine", "alert:web", "500ms", "round_robin"]
    {
        assert!(exit.stdout.contains(shown), "no `{shown}` in {}", exit.stdout);
    }
}

#[test]
fn all_mistakes_are_told_at_once_with_place_and_value() {
    let exit = check(
        r#"
        [listen]
        http = ["here:80"]
        header_timeout = "soon"
        trusted_proxies = ["10.0.0.0/99"]
        [admin]
        listen = "0.0.0.0:9900"
        [[service]]
        name = "Web Shop"
        hosts = ["a*b.example"]
        path_prefix = "shop"
        [service.stable]
        weight = 0
        backends = ["web1"]
        [service.canary]
        weight = 0
        backends = ["10.0.0.1:3002"]
        [[service]]
        name = "api"
        path_prefix = "/api"
        [service.stable]
        weight = 1001
        backends = ["10.0.0.1:3002", "10.0.0.1:3002"]
        [service.alert]
        compat = ["hash:alert"]
        [service.probe]
        expect_status = ["900"]
        [[service]]
        name = "api"
        path_prefix = "/other"
        [service.stable]
        backends = ["10.0.0.1:3002"]
        "#,
    );
    assert_eq!(exit.code, Some(2), "{exit:?}");
    for told in [
        "here:80",
        "soon",
        "10.0.0.0/99",
        "admin",
        "Web Shop",
        "a*b.example",
        "shop",
        "web1",
        "1001",
        "hash:alert",
        "900",
        "weight",
        "hosts",
        "path_prefix",
        "expect_status",
        "coalmine.toml",
    ] {
        assert!(exit.stderr.contains(told), "no `{told}` in:\n{}", exit.stderr);
    }
    assert!(exit.stderr.lines().count() >= 12, "{}", exit.stderr);
    assert!(!exit.stderr.contains("panicked") && exit.stdout.is_empty(), "{exit:?}");
}

#[test]
fn a_service_needs_traffic_to_go_somewhere() {
    let both_zero =
        GOOD.replace("weight = 2", "weight = 0").replace("[service.canary]", "[service.canary]\nweight = 0");
    for (text, told) in
        [(both_zero.as_str(), "weight"), ("", "service"), (&GOOD.replace("\"10.0.0.11:3002\"", ""), "backends")]
    {
        let exit = check(text);
        assert_eq!(exit.code, Some(2), "{text}\n{exit:?}");
        assert!(exit.stderr.contains(told), "{text}\n{exit:?}");
    }
}

#[test]
fn two_services_for_the_same_requests_are_refused() {
    let twin = |hosts: &str| {
        format!(
            "{GOOD}[[service]]\nname = \"twin\"\nhosts = {hosts}\n[service.stable]\nbackends = [\"10.0.0.12:3002\"]\n"
        )
    };
    let exit = check(&twin("[]"));
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(exit.stderr.contains("web") && exit.stderr.contains("twin"), "{}", exit.stderr);
    assert_eq!(check(&twin("[\"twin.example\"]")).code, Some(0));
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for (wrong, key) in [
        (format!("[listen]\nhtpp = [\"0.0.0.0:80\"]\n{GOOD}"), "htpp"),
        (format!("[lissten]\n{GOOD}"), "lissten"),
        (GOOD.replace("weight = 2", "weigth = 2"), "weigth"),
        (GOOD.replace("name = \"nine\"", "nam = \"nine\""), "nam"),
    ] {
        let exit = check(&wrong);
        assert_eq!(exit.code, Some(2), "{wrong}\n{exit:?}");
        assert!(exit.stderr.contains(key), "{exit:?}");
    }
}

#[test]
fn a_syntax_error_and_a_wrong_type_are_told_with_the_file() {
    for wrong in ["[listen\n", "[listen]\nworkers = \"many\"\n"] {
        let exit = check(wrong);
        assert_eq!(exit.code, Some(2), "{wrong}\n{exit:?}");
        assert!(exit.stderr.contains("coalmine.toml") && !exit.stderr.contains("panicked"), "{exit:?}");
    }
}

#[test]
fn secrets_are_masked() {
    let directory = tempfile::tempdir().unwrap();
    let [token, password] = ["token", "password"].map(|name| directory.path().join(name));
    fs::write(&token, "s3cr3t-token-s3cr3t-token\n").unwrap();
    fs::write(&password, "s3cr3t-password\n").unwrap();
    let exit = check(&format!(
        "[admin]\ntoken_file = \"{}\"\n[redis]\nurl = \"redis://127.0.0.1:6379/0\"\npassword_file = \"{}\"\n{GOOD}",
        token.display(),
        password.display()
    ));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.stdout.contains("***") && !format!("{exit:?}").contains("s3cr3t"), "{exit:?}");
}

#[test]
fn the_environment_comes_after_the_file() {
    let (_directory, path) = written(&format!("[listen]\nhttp = [\"127.0.0.1:1081\"]\ndrain = \"17s\"\n{GOOD}"));
    let check = |variables: &[(&str, &str)]| run_with(&["check", "-c", text(&path)], variables);
    assert!(check(&[]).stdout.contains("17s"));
    let exit = check(&[("COALMINE_LISTEN__DRAIN", "23s"), ("COALMINE_LOG__FORMAT", "json")]);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.stdout.contains("23s") && !exit.stdout.contains("17s") && exit.stdout.contains("json"), "{exit:?}");
    let exit = check(&[("COALMINE_LISTEN__DRIAN", "23s")]);
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(exit.stderr.to_lowercase().contains("drian"), "{exit:?}");
}

#[test]
fn probes_of_a_track_come_before_those_of_the_service_before_the_defaults() {
    let intervals = |lines: &str, time: &str| {
        let exit = check(&format!("{GOOD}{lines}"));
        assert_eq!(exit.code, Some(0), "{exit:?}");
        exit.stdout.matches(&format!("interval = \"{time}\"")).count()
    };
    assert_eq!((intervals("", "2s"), intervals("", "500ms")), (1, 1));
    let service = "[service.probe]\ninterval = \"7s\"\n";
    assert_eq!((intervals(service, "7s"), intervals(service, "500ms")), (2, 0));
    let canary = format!("{service}[service.canary.probe]\ninterval = \"9s\"\n");
    assert_eq!((intervals(&canary, "7s"), intervals(&canary, "9s")), (1, 1));
}

#[test]
fn redis_is_one_server_or_sentinels() {
    let redis = |lines: &str| check(&format!("[redis]\n{lines}\n{GOOD}"));
    assert_eq!(redis("url = \"redis://127.0.0.1:6379/0\"").code, Some(0));
    assert_eq!(redis("sentinels = [\"10.0.0.1:26379\"]\nmaster = \"coalmine\"").code, Some(0));
    for wrong in [
        "url = \"redis://127.0.0.1:6379/0\"\nsentinels = [\"10.0.0.1:26379\"]\nmaster = \"coalmine\"",
        "sentinels = [\"10.0.0.1:26379\"]",
        "url = \"redis://:secret@127.0.0.1:6379/zero\"",
    ] {
        let exit = redis(wrong);
        assert_eq!(exit.code, Some(2), "{wrong}\n{exit:?}");
        assert!(!exit.stderr.contains(":secret@"), "{exit:?}");
    }
}

#[test]
fn a_wrong_command_line_is_exit_2() {
    for arguments in [&["check"][..], &["serve", "--nonsense"], &["fly"]] {
        let exit = run(arguments);
        assert_eq!(exit.code, Some(2), "{arguments:?} {exit:?}");
    }
    let exit = run(&["--help"]);
    assert_eq!(exit.code, Some(0));
    for command in ["serve", "check", "demo"] {
        assert!(exit.stdout.contains(command), "{}", exit.stdout);
    }
}

#[track_caller]
fn check(config: &str) -> Exit {
    let (_directory, path) = written(config);
    run(&["check", "-c", text(&path)])
}
