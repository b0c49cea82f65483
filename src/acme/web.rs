//! How the authority is spoken to: over TLS, each request within a time, each answer within a size.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::tls::client;

/// For one request and its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of an answer, in bytes: a chain of certificates has some thousand.
const LARGEST: usize = 1024 * 1024;

pub(super) struct Web(Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl Web {
    /// Trusts what the host trusts and the certificates of `ca_file`. Blocks on the files.
    ///
    /// # Errors
    /// The file can't be read.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let mut roots = client::host_roots();
        if let Some(file) = ca_file {
            roots.add_parsable_certificates(client::certificates(file)?);
        }
        let config = client::config(roots, None).map_err(|error| error.to_string())?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)))
    }
}

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let answer = self.0.request(request);
        Box::pin(async move {
            let whole = async {
                let (head, body) = answer.await.map_err(|error| Error::Other(Box::new(error)))?.into_parts();
                let body = Limited::new(body, LARGEST).collect().await.map_err(Error::Other)?;
                Ok(BytesResponse::from(Response::from_parts(head, Full::new(body.to_bytes()))))
            };
            let late = |_| Error::Str("the authority does not answer in time");
            tokio::time::timeout(PATIENCE, whole).await.map_err(late)?
        })
    }
}
