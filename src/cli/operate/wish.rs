//! What is asked about a service as a whole, and taken back.

use super::{By, Place};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Wish {
    pub(super) service: String,
    /// Why
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) by: By,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Recall {
    pub(super) service: String,
    #[command(flatten)]
    pub(super) by: By,
    #[command(flatten)]
    pub(super) place: Place,
}
