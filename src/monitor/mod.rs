//! The agent that watches one host: samples it, holds the samples against rules, and says what breaks them.
//!
//! - `sample`: what the host is at a moment. `check`: numbers that take their time.
//! - `rule`: when a rule is broken, pure. `ledger`: what has to stand in the store, with `alert`, its text. `notice`:
//!   what people are told, with `wording`.
//! - [`Agent`]: the loop that joins them. [`survey()`]: one look at everything, for people.

mod agent;
mod alert;
mod check;
mod ledger;
mod notice;
mod rule;
mod sample;
#[cfg(test)]
mod specimen;
mod survey;
#[cfg(test)]
mod tests;
mod wording;

pub use agent::Agent;
pub use survey::{Finding, missing, survey};
