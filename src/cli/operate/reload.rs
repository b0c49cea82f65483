//! `coalmine reload`.

use http::Method;
use serde_json::{Value, json};

use super::table::plain;
use super::{Client, Place, say};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let reloaded = Client::new(&arguments.place)?.change(Method::POST, "/api/v1/reload", json!({})).await?;
    Ok(say(&told(&reloaded))?)
}

fn told(reloaded: &Value) -> String {
    let list = |key: &str| {
        let texts = reloaded[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(plain).collect::<Vec<_>>().join(", ")
    };
    let changed = match list("changed") {
        changed if changed.is_empty() => "nothing has changed".to_owned(),
        changed => format!("in force: {changed}"),
    };
    match list("needs_restart") {
        restart if restart.is_empty() => changed,
        restart => format!("{changed}\nonly a restart brings: {restart}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_and_what_needs_a_restart_is_told() {
        assert_eq!(told(&json!({"changed": [], "needs_restart": []})), "nothing has changed");
        let both = json!({"changed": ["service web", "log.level"], "needs_restart": ["listen.http"]});
        assert_eq!(told(&both), "in force: service web, log.level\nonly a restart brings: listen.http");
    }
}
