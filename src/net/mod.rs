//! What touches the network but knows no HTTP.

pub mod resolve;
