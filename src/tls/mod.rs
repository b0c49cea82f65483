//! TLS: whom it trusts and how it is spoken. The one provider is aws-lc-rs.

pub mod client;
