//! Envoy with one worker thread.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Job, write};

pub(super) fn configure(command: &mut Command, job: &Job<'_>, addr: SocketAddr, dir: &Path) -> Result<()> {
    let file = dir.join("envoy.yaml");
    let [a, b] = job.backends.stable;
    let endpoints: String = [a, b, job.backends.canary]
        .map(|backend| {
            format!(
                "        - {{ endpoint: {{ address: {{ socket_address: {{ address: {}, port_value: {} }} }} }} }}\n",
                backend.ip(),
                backend.port()
            )
        })
        .concat();
    write(
        &file,
        &format!(
            r#"static_resources:
  listeners:
  - name: bench
    address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          codec_type: HTTP1
          use_remote_address: true
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: bench
              domains: ["*"]
              routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: bench }} }}]
  clusters:
  - name: bench
    type: STATIC
    lb_policy: ROUND_ROBIN
    load_assignment:
      cluster_name: bench
      endpoints:
      - lb_endpoints:
{endpoints}"#,
            ip = addr.ip(),
            port = addr.port(),
        ),
    )?;
    command.arg("-c").arg(file).args(["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"]);
    Ok(())
}
