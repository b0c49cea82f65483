//! What is written about TLS in front.

use serde::Deserialize;

use super::RawAcme;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawTls {
    pub(crate) certificate: Vec<RawCertificate>,
    pub(crate) acme: Option<RawAcme>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawCertificate {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) hosts: Vec<String>,
}
