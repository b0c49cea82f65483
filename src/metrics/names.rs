//! Every metric name, and nothing else.
//!
//! To add one: a base unit in the name (`_seconds`, `_bytes`), `_total` for a counter, labels with a bounded set of
//! values, a line in the README's table. Names are an interface: a change goes into the changelog.

pub(super) const BUILD_INFO: &str = "coalmine_build_info";

pub(super) const REQUESTS: &str = "coalmine_requests_total";
pub(super) const REQUEST_SECONDS: &str = "coalmine_request_duration_seconds";
pub(super) const REQUESTS_IN_FLIGHT: &str = "coalmine_requests_in_flight";
pub(super) const REQUESTS_UNROUTED: &str = "coalmine_requests_unrouted_total";
pub(super) const TUNNELS: &str = "coalmine_tunnels";
pub(super) const BACKEND_CONNECTIONS: &str = "coalmine_backend_connections";
pub(super) const BACKEND_FAILURES: &str = "coalmine_backend_failures_total";
pub(super) const RESENDS: &str = "coalmine_resends_total";
pub(super) const RETRIES: &str = "coalmine_retries_total";
pub(super) const RETRIES_REFUSED: &str = "coalmine_retries_refused_total";
pub(super) const QUEUE_LENGTH: &str = "coalmine_queue_length";
pub(super) const CIRCUIT_REFUSED: &str = "coalmine_circuit_refused_total";
pub(super) const CLIENT_CONNECTIONS: &str = "coalmine_client_connections";
pub(super) const REFUSED: &str = "coalmine_refused_total";
pub(super) const ACCEPT_ERRORS: &str = "coalmine_accept_errors_total";

pub(super) const TLS_HANDSHAKES: &str = "coalmine_tls_handshakes_total";
pub(super) const TLS_CERTIFICATE_EXPIRY: &str = "coalmine_tls_certificate_expiry_timestamp_seconds";

pub(super) const PROBES: &str = "coalmine_probes_total";
pub(super) const BACKEND_UP: &str = "coalmine_backend_up";
pub(super) const GATE_ADMITTED: &str = "coalmine_gate_admitted";
pub(super) const GATE_REASON: &str = "coalmine_gate_reason";
pub(super) const CANARY_SHARE: &str = "coalmine_canary_share";
pub(super) const SERVICE_DEGRADED: &str = "coalmine_service_degraded";
pub(super) const BACKEND_EJECTED: &str = "coalmine_backend_ejected";
pub(super) const BACKEND_EJECTIONS: &str = "coalmine_backend_ejections_total";
pub(super) const HEARTBEAT: &str = "coalmine_control_heartbeat_timestamp_seconds";
pub(super) const EJECTIONS: &str = "coalmine_ejections_total";
pub(super) const EJECT_SECONDS: &str = "coalmine_eject_seconds";
pub(super) const TABLE_GENERATION: &str = "coalmine_table_generation";

pub(super) const BUS_CONNECTED: &str = "coalmine_bus_connected";
pub(super) const BUS_AGE: &str = "coalmine_bus_age_seconds";

pub(super) const ACME_ORDERS: &str = "coalmine_acme_orders_total";

pub(super) const NOTICES: &str = "coalmine_notices_total";
pub(super) const NOTICES_PENDING: &str = "coalmine_notices_pending";

pub(super) const RELOADS: &str = "coalmine_reloads_total";
pub(super) const CONFIG_LOADED: &str = "coalmine_config_loaded_timestamp_seconds";
pub(super) const TASK_RESTARTS: &str = "coalmine_task_restarts_total";
