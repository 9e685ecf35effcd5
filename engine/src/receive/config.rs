//! Settings of the front door, checked.
//!
//! What this module does not do: open sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::EngineError;

/// Settings of the front door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveConfig {
    /// Where OTLP/gRPC listens; `None` for not at all.
    pub grpc: Option<SocketAddr>,
    /// Where OTLP/HTTP, changes and outcomes listen; `None` for not at all.
    pub http: Option<SocketAddr>,
    /// Whose data it is.
    pub tenant: Arc<str>,
    /// Largest OTLP request, packed and unpacked.
    pub request_bytes_max: usize,
    /// Largest change or outcome.
    pub event_bytes_max: usize,
    /// Body bytes of all requests that may be in memory at a time.
    pub in_flight_bytes_max: usize,
    /// Requests that may be unpacked and looked through at a time.
    pub checks_max: usize,
    /// Open connections per port.
    pub connections_max: usize,
    /// How long a client may take to send its request.
    pub read_timeout: Duration,
    /// How long a request may wait until it is durable.
    pub append_timeout: Duration,
    /// How long requests in flight have when the process stops.
    pub drain_timeout: Duration,
}

impl Default for ReceiveConfig {
    fn default() -> Self {
        Self {
            grpc: Some(SocketAddr::from(([127, 0, 0, 1], 4317))),
            http: Some(SocketAddr::from(([127, 0, 0, 1], 4318))),
            tenant: "default".into(),
            request_bytes_max: 64 << 20,
            event_bytes_max: 1 << 20,
            in_flight_bytes_max: 256 << 20,
            checks_max: 4,
            connections_max: 1_024,
            read_timeout: Duration::from_secs(30),
            append_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl ReceiveConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`EngineError::Setting`] naming all that cannot work.
    pub fn check(&self) -> Result<(), EngineError> {
        let mut faults = Vec::new();
        for (name, value) in [
            ("request_bytes_max", self.request_bytes_max),
            ("event_bytes_max", self.event_bytes_max),
            ("checks_max", self.checks_max),
            ("connections_max", self.connections_max),
        ] {
            if value == 0 {
                faults.push(format!("{name} is 0, must be at least 1"));
            }
        }
        let largest = self.request_bytes_max.max(self.event_bytes_max);
        if self.in_flight_bytes_max < largest {
            faults.push(format!(
                "in_flight_bytes_max is {}, must be at least the largest request ({largest})",
                self.in_flight_bytes_max
            ));
        }
        if self.tenant.is_empty() || self.tenant.len() > 255 {
            faults.push(format!("tenant has {} bytes, must have 1 to 255", self.tenant.len()));
        }
        if faults.is_empty() { Ok(()) } else { Err(EngineError::Setting(faults.join("; "))) }
    }
}
