//! The configuration is read again while the program runs.

use crate::support::{Backend, Config, eventually};

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut open = coalmine.connect();
    assert_eq!(open.get("/").text(), "a");
    coalmine.rewrite("nonsense = true");
    let refused = coalmine.ask("POST", "/api/v1/reload");
    assert!(refused.status() == 422 && refused.text().contains("nonsense"), "{refused:?}");
    assert!(coalmine.metric("coalmine_reloads_total", &[("result", "refused")]) > 0.0);
    coalmine.process.signal("HUP");
    let log = coalmine.process.stderr.clone();
    eventually("the log says why", || log.text().matches("the configuration is refused").count() == 2);
    assert_eq!(open.get("/").head.get("connection"), None, "serving as before");
}

#[test]
fn a_good_file_is_loaded_and_what_takes_a_restart_is_named() {
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]);
    let coalmine = config.clone().start();
    let loaded = || coalmine.metric("coalmine_config_loaded_timestamp_seconds", &[]);
    let before = loaded();
    assert!(before > 0.0);
    coalmine.rewrite(&config.listen("drain = \"7s\"").text());
    let answer = coalmine.ask("POST", "/api/v1/reload");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["needs_restart"], serde_json::json!(["listen.drain"]));
    assert!(loaded() > before);
    coalmine.process.signal("HUP");
    eventually("it is loaded once more", || coalmine.metric("coalmine_reloads_total", &[("result", "applied")]) >= 2.0);
}
