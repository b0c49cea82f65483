//! `coalmine weight`.

use std::str::FromStr;

use http::Method;
use serde_json::{Value, json};

use super::client::path;
use super::{By, Client, Place, say};
use crate::model::Weight;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    service: String,
    /// The shares of the two tracks, each 0 to 1000
    #[arg(value_name = "STABLE:CANARY", required_unless_present = "reset", conflicts_with = "reset")]
    weights: Option<Weights>,
    /// End the override: the weights of the file hold again
    #[arg(long)]
    reset: bool,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

/// The shares of the two tracks, not both 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weights {
    stable: Weight,
    canary: Weight,
}

impl FromStr for Weights {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let weight = |text: &str| Weight::new(text.parse().ok()?);
        let wrong = "write two numbers from 0 to 1000, such as 9:1";
        let (stable, canary) = text.split_once(':').ok_or(wrong)?;
        let weights = Self { stable: weight(stable).ok_or(wrong)?, canary: weight(canary).ok_or(wrong)? };
        if weights.stable.get() + weights.canary.get() == 0 {
            return Err("0:0 leaves no track for a request");
        }
        Ok(weights)
    }
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { service, weights, by, place, .. } = arguments;
    let (method, body) = match weights {
        Some(Weights { stable, canary }) => {
            (Method::PUT, json!({ "stable": stable.get(), "canary": canary.get(), "by": by.by }))
        }
        None => (Method::DELETE, by.saying(None)),
    };
    let standing = Client::new(place)?.change(method, &path(service, "/weights"), body).await?;
    Ok(say(&format!("{service}: {}", told(&standing)))?)
}

fn told(standing: &Value) -> String {
    let split = |weights: &Value| match &weights["canary"] {
        Value::Null => weights["stable"].to_string(),
        canary => format!("{}:{canary}", weights["stable"]),
    };
    let (file, mark) = (split(&standing["configured"]), &standing["marks"]["weights"]);
    if mark.is_null() {
        format!("weights {file}, as in the file")
    } else {
        format!("weights {} until --reset; the file says {file}", split(mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_two_numbers_with_a_colon() {
        let parsed: Weights = "9:1".parse().unwrap();
        assert_eq!((parsed.stable.get(), parsed.canary.get()), (9, 1));
        assert!("0:1000".parse::<Weights>().is_ok());
        for wrong in ["", "9", "9:", ":1", "9:1:0", "-1:2", "1001:1", "0:0", "a:b", "9/1", "0.5:1"] {
            assert!(wrong.parse::<Weights>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_override_is_told_beside_the_file() {
        let configured = json!({"stable": 2, "canary": 1});
        let over = json!({"configured": configured, "marks": {"weights": {"stable": 9, "canary": 1}}});
        assert_eq!(told(&over), "weights 9:1 until --reset; the file says 2:1");
        let none = json!({"configured": configured, "marks": {"weights": null}});
        assert_eq!(told(&none), "weights 2:1, as in the file");
    }
}
