//! Sends batches to the engine as OTLP/HTTP or OTLP/gRPC, as an SDK does.
//!
//! Promises: requests of one pod keep their order; 429 and 503 are tried again after what the engine asks for; every
//! queue has a bound, and what is refused, given up or dropped is counted. It does not encode or decide what is due.

mod grpc;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::telemetry::{Batch, Wire};

/// Tasks that send; a pod always uses the same one.
const SENDERS: usize = 8;
/// Requests that wait for a sender.
const QUEUE_MAX: usize = 256;
/// Attempts per request.
const ATTEMPTS_MAX: u32 = 6;
/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Tally {
    accepted: AtomicU64,
    items: AtomicU64,
    retried: AtomicU64,
    refused: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

/// The tally at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct TallyView {
    /// Requests that the engine acknowledged.
    pub accepted: u64,
    /// Spans, lines and points in them.
    pub items: u64,
    /// Attempts that the engine asked to repeat.
    pub retried: u64,
    /// Requests that the engine called bad.
    pub refused: u64,
    /// Requests given up after the last attempt.
    pub given_up: u64,
    /// Requests dropped because the queue was full.
    pub dropped: u64,
}

/// The senders.
#[derive(Debug)]
pub struct Exporter {
    queues: Vec<mpsc::Sender<Batch>>,
    tasks: JoinSet<()>,
    tally: Arc<Tally>,
}

/// The engine's front doors.
#[derive(Debug, Clone)]
struct Engine {
    http: HttpClient,
    http_address: SocketAddr,
    grpc: Option<Channel>,
}

/// What an attempt led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Accepted,
    Refused,
    Later(Option<Duration>),
}

impl Exporter {
    /// Starts the senders towards the engine's two front doors.
    #[must_use]
    pub fn start(http_address: SocketAddr, grpc_address: SocketAddr) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        let engine = Engine { http, http_address, grpc: grpc::channel(grpc_address) };
        let (mut queues, mut tasks, tally) = (Vec::new(), JoinSet::new(), Arc::new(Tally::default()));
        for _ in 0..SENDERS {
            let (sender, receiver) = mpsc::channel(QUEUE_MAX);
            queues.push(sender);
            tasks.spawn(send_all(engine.clone(), receiver, Arc::clone(&tally)));
        }
        Self { queues, tasks, tally }
    }

    /// Hands a batch over; if its sender's queue is full it is dropped and counted.
    pub fn send(&self, batch: Batch) {
        let queue = self.queues.get(batch.pod as usize % SENDERS);
        if queue.is_none_or(|queue| queue.try_send(batch).is_err()) {
            self.tally.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of the requests so far.
    #[must_use]
    pub fn tally(&self) -> TallyView {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TallyView {
            accepted: read(&self.tally.accepted),
            items: read(&self.tally.items),
            retried: read(&self.tally.retried),
            refused: read(&self.tally.refused),
            given_up: read(&self.tally.given_up),
            dropped: read(&self.tally.dropped),
        }
    }

    /// Lets the senders finish what they hold, within `limit`.
    pub async fn finish(mut self, limit: Duration) -> TallyView {
        self.queues.clear();
        let drain = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(limit, drain).await.ok();
        self.tally()
    }
}

async fn send_all(engine: Engine, mut queue: mpsc::Receiver<Batch>, tally: Arc<Tally>) {
    while let Some(batch) = queue.recv().await {
        send(&engine, batch, &tally).await;
    }
}

async fn send(engine: &Engine, batch: Batch, tally: &Tally) {
    let message = Bytes::from(batch.message);
    for attempt in 0..ATTEMPTS_MAX {
        let message = message.clone();
        let attempted = async {
            match (batch.wire, &engine.grpc) {
                (Wire::Grpc, Some(channel)) => grpc::call(channel.clone(), batch.kind, message).await,
                _ => post(engine, batch.kind.path(), message).await,
            }
        };
        match tokio::time::timeout(ANSWER_MAX, attempted).await.unwrap_or(Attempt::Later(None)) {
            Attempt::Accepted => {
                tally.accepted.fetch_add(1, Ordering::Relaxed);
                tally.items.fetch_add(batch.n_items as u64, Ordering::Relaxed);
                return;
            }
            Attempt::Refused => {
                tally.refused.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Attempt::Later(asked) => {
                tally.retried.fetch_add(1, Ordering::Relaxed);
                let own = Duration::from_millis(100 << attempt.min(6));
                tokio::time::sleep(asked.unwrap_or(own).min(PAUSE_MAX)).await;
            }
        }
    }
    tally.given_up.fetch_add(1, Ordering::Relaxed);
}

async fn post(engine: &Engine, path: &str, message: Bytes) -> Attempt {
    let uri = format!("http://{}{path}", engine.http_address);
    let request =
        Request::post(uri).header(header::CONTENT_TYPE, "application/x-protobuf").body(Full::new(message));
    let Ok(request) = request else { return Attempt::Refused };
    let Ok(response) = engine.http.request(request).await else { return Attempt::Later(None) };
    let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|secs| secs.parse().ok()).map(Duration::from_secs);
    let status = response.status();
    // The body is read to the end, so that the connection can be used again.
    let body = response.into_body().collect().await;
    judge(status, asked, body.is_ok())
}

fn judge(status: StatusCode, asked: Option<Duration>, is_complete: bool) -> Attempt {
    match status.as_u16() {
        200..=299 if is_complete => Attempt::Accepted,
        200..=299 | 429 | 502 | 503 | 504 => Attempt::Later(asked),
        _ => Attempt::Refused,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use http::Response;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::net::TcpListener;

    use super::*;
    use crate::telemetry::SignalKind;

    /// Scenario: a server asks for patience twice, then takes one batch, then calls the next one bad.
    /// Guarantees: the first batch arrives unchanged at the path of its signal after two repeats; the bad one is
    /// counted and not repeated.
    #[tokio::test]
    async fn patience_and_refusal_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let log = Arc::clone(&log);
                let serve = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let log = Arc::clone(&log);
                    async move {
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let n = {
                            let mut log = log.lock().unwrap();
                            log.push((path, body));
                            log.len()
                        };
                        let answer = Response::builder();
                        let answer = match n {
                            1 => answer.status(429).header("retry-after", "0"),
                            2 => answer.status(503),
                            3 => answer.status(200),
                            _ => answer.status(400),
                        };
                        Ok::<_, Infallible>(answer.body(Full::new(Bytes::new())).unwrap())
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve),
                );
            }
        });
        let exporter = Exporter::start(address, address);
        let batch = |message: &[u8]| Batch {
            pod: 3,
            kind: SignalKind::Logs,
            wire: Wire::Http,
            message: message.to_vec(),
            n_items: 7,
        };
        exporter.send(batch(b"good"));
        exporter.send(batch(b"bad"));
        let tally = exporter.finish(Duration::from_secs(20)).await;
        assert_eq!((tally.accepted, tally.items, tally.retried, tally.refused), (1, 7, 2, 1));
        let seen = seen.lock().unwrap();
        let bodies: Vec<&[u8]> = seen.iter().map(|(_, body)| body.as_ref()).collect();
        assert_eq!(bodies, [b"good".as_slice(), b"good", b"good", b"bad"]);
        assert!(seen.iter().all(|(path, _)| path == "/v1/logs"));
    }

    /// Scenario: nobody listens, and more is handed over than a queue holds.
    /// Guarantees: handing over never blocks; what does not fit is counted.
    #[tokio::test]
    async fn a_full_queue_drops_and_counts() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let exporter = Exporter::start(free, free);
        for _ in 0..QUEUE_MAX + 10 {
            exporter.send(Batch {
                pod: 0,
                kind: SignalKind::Traces,
                wire: Wire::Http,
                message: Vec::new(),
                n_items: 1,
            });
        }
        assert!(exporter.tally().dropped >= 9);
    }

    /// Scenario: a gRPC server that is busy once, for a pod that speaks gRPC.
    /// Guarantees: the message arrives unchanged at the method of its signal, after one repeat.
    #[tokio::test]
    async fn grpc_carries_the_same_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let log = Arc::clone(&log);
                let serve = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let log = Arc::clone(&log);
                    async move {
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let n = {
                            let mut log = log.lock().unwrap();
                            log.push((path, body));
                            log.len()
                        };
                        // A frame with an empty message, then the status as trailers.
                        let mut trailers = http::HeaderMap::new();
                        trailers.insert("grpc-status", if n == 1 { "14" } else { "0" }.parse().unwrap());
                        let body = Full::new(Bytes::from_static(&[0; 5]))
                            .with_trailers(std::future::ready(Some(Ok::<_, Infallible>(trailers))));
                        let answer = Response::builder().header("content-type", "application/grpc");
                        Ok::<_, Infallible>(answer.body(body).unwrap())
                    }
                });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(TokioIo::new(stream), serve));
            }
        });
        let exporter = Exporter::start(address, address);
        let (kind, wire) = (SignalKind::Traces, Wire::Grpc);
        exporter.send(Batch { pod: 1, kind, wire, message: b"spans".to_vec(), n_items: 2 });
        let tally = exporter.finish(Duration::from_secs(20)).await;
        assert_eq!((tally.accepted, tally.items, tally.retried), (1, 2, 1));
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        for (path, body) in seen.iter() {
            assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
            assert!(body.ends_with(b"spans"));
        }
    }
}
