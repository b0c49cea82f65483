//! What `make faults ARGS="..."` may say.

use std::env;

/// Another seed for `cargo test`.
const SEED: &str = "COALMINE_FAULT_SEED";
/// The arguments of `make faults`.
const ARGUMENTS: &str = "COALMINE_FAULTS";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Whether nginx and HAProxy are played with as well.
    pub(crate) peers: bool,
    /// Part of a scenario's name; `None`: all.
    pub(crate) scenario: Option<String>,
    pub(crate) seed: Option<u64>,
}

impl Arguments {
    pub(crate) fn from_environment() -> Self {
        Self::parse(&env::var(ARGUMENTS).unwrap_or_default())
    }

    /// A scenario's name may have blanks: it goes on to the next option.
    fn parse(text: &str) -> Self {
        let mut arguments = Self { seed: seed_from_environment(), ..Self::default() };
        for option in text.split("--").map(str::trim).filter(|option| !option.is_empty()) {
            match option.split_once(' ').unwrap_or((option, "")) {
                ("peers", "") => arguments.peers = true,
                ("scenario", name) => arguments.scenario = Some(name.trim().to_lowercase()),
                ("seed", seed) => arguments.seed = Some(seed.trim().parse().expect("--seed takes a number")),
                _ => panic!("`--{option}`: known are --peers, --scenario NAME, --seed NUMBER"),
            }
        }
        arguments
    }
}

pub(crate) fn seed_from_environment() -> Option<u64> {
    env::var(SEED).ok().map(|seed| seed.parse().expect("COALMINE_FAULT_SEED is a number"))
}

#[test]
fn options_come_in_any_order() {
    let arguments = Arguments::parse("--seed 7 --scenario Canary killed --peers");
    let expected = Arguments { peers: true, scenario: Some("canary killed".to_owned()), seed: Some(7) };
    assert_eq!(arguments, expected);
}
