//! Sockets: binds them, serves connections, and drains them when the process stops.
//!
//! Promises: bounded connections; no peer can hold a connection by sending headers slowly; on shutdown no request
//! that is in flight is cut off before the deadline. What this module does not do: know what is served.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::error::EngineError;
use crate::receive::check::Checks;
use crate::receive::config::ReceiveConfig;
use crate::receive::door::{Append, Door, Transport};
use crate::receive::{grpc, http as otlp_http};
use crate::telemetry::{Metric, Telemetry};
use crate::time::clock::Clock;

/// Body of every answer.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// How long an HTTP/1 peer may take to send the head of a request, pause between two requests included: longer than
/// the 60 seconds after which SDKs export metrics, so that they need not connect each time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How often a silent HTTP/2 peer is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long it may take to answer.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls that one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 256;
/// Bytes that an HTTP/2 peer may send ahead, per call and per connection.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Longest head of a request.
const HEAD_BYTES_MAX: u32 = 32 << 10;

/// Where the front door listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// OTLP/gRPC.
    pub grpc: Option<SocketAddr>,
    /// OTLP/HTTP, changes and outcomes.
    pub http: Option<SocketAddr>,
}

/// The open front door.
#[derive(Debug)]
pub struct Server {
    addresses: Addresses,
    stop: watch::Sender<bool>,
    ports: Vec<JoinHandle<usize>>,
}

impl Server {
    /// Opens the sockets and serves them until [`Server::shutdown`].
    ///
    /// # Errors
    /// [`EngineError::Setting`] for settings that cannot work, [`EngineError::Listen`] if an address cannot be bound.
    pub async fn bind<A: Append>(
        config: ReceiveConfig,
        append: A,
        checks: Checks,
        clock: Clock,
        telemetry: &Telemetry,
    ) -> Result<Self, EngineError> {
        config.check()?;
        let grpc = listen(config.grpc).await?;
        let http = listen(config.http).await?;
        let addresses = Addresses { grpc: address(grpc.as_ref()), http: address(http.as_ref()) };
        let door = Arc::new(Door::new(config, append, checks, clock, telemetry.clone()));
        let stop = watch::Sender::new(false);
        let mut ports = Vec::new();
        for (listener, transport) in [(grpc, Transport::Grpc), (http, Transport::Http)] {
            let Some(listener) = listener else { continue };
            let port = Port { door: Arc::clone(&door), transport, telemetry: telemetry.clone() };
            ports.push(tokio::spawn(port.serve(listener, stop.subscribe())));
        }
        Ok(Self { addresses, stop, ports })
    }

    /// Where it listens; the actual ports where 0 was asked for.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Stops to accept, lets requests in flight end until the deadline of the settings, then cuts them off. Gives the
    /// number of connections that were cut off.
    pub async fn shutdown(self) -> usize {
        self.stop.send_replace(true);
        let mut cut = 0;
        for port in self.ports {
            cut += port.await.unwrap_or(0);
        }
        if cut > 0 {
            tracing::warn!(cut, "connections were cut off at the deadline of the shutdown");
        }
        cut
    }
}

/// A listening port.
struct Port<A> {
    door: Arc<Door<A>>,
    transport: Transport,
    telemetry: Telemetry,
}

impl<A: Append> Port<A> {
    /// Accepts until told to stop, then drains; gives the number of connections that had to be cut off.
    async fn serve(self, listener: TcpListener, mut stop: watch::Receiver<bool>) -> usize {
        let shown = self.telemetry.gauge(Metric::Connections, &[self.transport.name()]);
        let room = Arc::new(Semaphore::new(self.door.config.connections_max));
        let mut open = JoinSet::new();
        loop {
            // Without room new peers wait in the listener's queue.
            let accepted = tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = open.join_next() => { shown.set_count(open.len() as u64); continue }
                accepted = accept(&listener, &room) => accepted,
            };
            let Some((stream, permit)) = accepted else { continue };
            let connection = connection(Arc::clone(&self.door), self.transport, stream, stop.clone());
            open.spawn(async move {
                connection.await;
                drop(permit);
            });
            shown.set_count(open.len() as u64);
        }
        drop(listener);
        let drained = async { while open.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout(self.door.config.drain_timeout, drained).await.is_ok();
        let cut = if in_time { 0 } else { open.len() };
        open.shutdown().await;
        shown.set_count(0);
        cut
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Without it small answers wait for the peer's acknowledgement.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(error = %error, "cannot set TCP_NODELAY");
            }
            Some((stream, permit))
        }
        Err(error) => {
            // Out of file descriptors, most likely: let some connections end first.
            tracing::warn!(error = %error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Serves one connection to its end, or to the end of what is in flight when told to stop.
async fn connection<A: Append>(
    door: Arc<Door<A>>,
    transport: Transport,
    stream: TcpStream,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let door = Arc::clone(&door);
        async move {
            Ok::<_, Infallible>(match transport {
                Transport::Grpc => grpc::serve(door, request).await,
                Transport::Http => otlp_http::serve(door, request).await,
            })
        }
    });
    let builder = builder(transport);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, transport = transport.name(), "a connection broke off");
    }
}

/// Waits until told to stop, or until nobody is left to tell.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn builder(transport: Transport) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(1 << 20);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX);
    match transport {
        Transport::Grpc => builder.http2_only(),
        Transport::Http => builder.http1_only(),
    }
}

async fn listen(address: Option<SocketAddr>) -> Result<Option<TcpListener>, EngineError> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|source| EngineError::Listen { address: address.to_string(), source })
}

fn address(listener: Option<&TcpListener>) -> Option<SocketAddr> {
    listener.and_then(|it| it.local_addr().ok())
}

/// A whole body.
pub(crate) fn full(bytes: Bytes) -> Full<Bytes> {
    Full::new(bytes)
}

/// An answer with a whole body.
pub(crate) fn full_reply(bytes: Bytes) -> Response<ReplyBody> {
    Response::new(full(bytes).boxed_unsync())
}
