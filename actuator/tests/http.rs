//! The running actuator against a real HTTP server in the engine's place.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use actuator::ledger::Ledger;
use actuator::run::run_on;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use contract::{CloudEvent, OUTCOME_TYPE, Outcome, OutcomeStatus, RiskEvent, incident_id, revision_id};
use hyper::body::Frame;
use support::{World, at, event, event_with};
use tokio::sync::{mpsc, watch};

const LIMIT: Duration = Duration::from_secs(60);

/// A body that goes on for as long as somebody sends into it.
struct Live(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Live {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// The engine's side of the contract, and what it was asked.
#[derive(Clone)]
struct Engine {
    answers: Arc<Mutex<VecDeque<mpsc::Receiver<Bytes>>>>,
    asked: mpsc::Sender<String>,
    outcomes: mpsc::Sender<CloudEvent<Outcome>>,
    refusals: Arc<Mutex<VecDeque<StatusCode>>>,
}

async fn risk_events(State(engine): State<Engine>, RawQuery(query): RawQuery) -> (StatusCode, Body) {
    engine.asked.send(query.unwrap_or_default()).await.ok();
    match engine.answers.lock().unwrap().pop_front() {
        Some(chunks) => (StatusCode::OK, Body::new(Live(chunks))),
        None => (StatusCode::GONE, Body::empty()),
    }
}

async fn outcomes(State(engine): State<Engine>, body: Bytes) -> StatusCode {
    if let Some(refusal) = engine.refusals.lock().unwrap().pop_front() {
        return refusal;
    }
    engine.outcomes.send(serde_json::from_slice(&body).unwrap()).await.ok();
    StatusCode::ACCEPTED
}

/// The actuator and the engine, running.
struct Stage {
    chunks: Vec<mpsc::Sender<Bytes>>,
    asked: mpsc::Receiver<String>,
    outcomes: mpsc::Receiver<CloudEvent<Outcome>>,
    api: String,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<actuator::error::Result<()>>,
}

async fn stage(world: &World, n_answers: usize, refusals: &[StatusCode], overrides: &[&str]) -> Stage {
    let (mut chunks, mut answers) = (Vec::new(), VecDeque::new());
    for _ in 0..n_answers {
        let (sender, receiver) = mpsc::channel(16);
        chunks.push(sender);
        answers.push_back(receiver);
    }
    let ((asked, asked_of), (told, outcomes_told)) = (mpsc::channel(64), mpsc::channel(64));
    let refusals = Arc::new(Mutex::new(refusals.iter().copied().collect()));
    let engine = Engine { answers: Arc::new(Mutex::new(answers)), asked, outcomes: told, refusals };
    let routes = Router::new()
        .route("/api/v1/risk-events", get(risk_events))
        .route("/v1/outcomes", post(outcomes))
        .with_state(engine);
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("engine.url=http://{}", server.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(server, routes).await });
    let plan = world.plan(&[overrides, &[url.as_str()]].concat());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = listener.local_addr().unwrap().to_string();
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(run_on(listener, plan, || at(5), shutdown));
    Stage { chunks, asked: asked_of, outcomes: outcomes_told, api, stop, running }
}

impl Stage {
    async fn asked(&mut self) -> String {
        tokio::time::timeout(LIMIT, self.asked.recv()).await.unwrap().unwrap()
    }

    async fn outcome(&mut self) -> CloudEvent<Outcome> {
        tokio::time::timeout(LIMIT, self.outcomes.recv()).await.unwrap().unwrap()
    }

    async fn get(&self, path: &str) -> String {
        use http_body_util::BodyExt;
        let client =
            hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let url = format!("http://{}{path}", self.api);
        let request = http::Request::get(url).body(http_body_util::Empty::<Bytes>::new()).unwrap();
        let answer = client.request(request).await.unwrap();
        String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        // The engine's connections have to end as well, or the client keeps them.
        drop(self.chunks);
        tokio::time::timeout(LIMIT, self.running).await.unwrap().unwrap().unwrap();
    }
}

fn line(event: RiskEvent) -> Vec<u8> {
    let mut line = serde_json::to_vec(&event.into_cloud_event("bellwether")).unwrap();
    line.push(b'\n');
    line
}

/// Scenario: an event comes in pieces between lines that are none, forged, or endless; the first two posts of the outcome
/// are refused for now. Guarantees: one revert, one outcome with the right envelope, every refused line counted by reason.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_over_http_becomes_a_revert_and_an_outcome() {
    let world = World::new();
    let guilty = world.bad_deploy();
    let later = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::NOT_FOUND];
    let mut stage = stage(&world, 1, &later, &["limits.event_bytes=4096"]).await;
    assert_eq!(stage.asked().await, "follow=true");
    let mut forged = event();
    forged.explanation = "other words".into();
    forged.evidence[0].observed = 0.9;
    let mut wrong_id = event().into_cloud_event("bellwether");
    wrong_id.id = "0".repeat(32);
    let mut bytes = b"\nnot json\n".to_vec();
    bytes.extend(line(forged));
    bytes.extend(serde_json::to_vec(&wrong_id).unwrap());
    bytes.extend(b"\n");
    bytes.extend(vec![b'x'; 10_000]);
    bytes.extend(b"\n");
    bytes.extend(line(event()));
    for piece in bytes.chunks(1500) {
        stage.chunks[0].send(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let told = stage.outcome().await;
    told.check().unwrap();
    assert_eq!((told.kind.as_str(), &told.id), (OUTCOME_TYPE, &told.data.id));
    assert_eq!((told.data.status, &told.data.target), (OutcomeStatus::Acted, &guilty));
    assert_eq!(told.data.commit.as_deref(), Some(world.head().as_str()));
    let metrics = stage.get("/metrics").await;
    for reason in ["not_a_cloud_event", "content", "id", "too_long"] {
        let expected = format!("bellwether_actuator_refused_events_total{{reason=\"{reason}\"}} 1");
        assert!(metrics.contains(&expected), "{expected} in\n{metrics}");
    }
    assert!(metrics.contains("bellwether_actuator_outcomes_total{status=\"acted\"} 1"), "{metrics}");
    assert_eq!(stage.get("/livez").await.trim(), "ok");
    assert_eq!(stage.get("/readyz").await.trim(), "ok");
    let ledger: serde_json::Value = serde_json::from_str(&stage.get("/api/v1/ledger?after=1").await).unwrap();
    assert_eq!(ledger[0]["record"]["kind"], "intent", "{ledger}");
    stage.end().await;
}

/// Scenario: the connection ends in the middle of an event; then the engine does not know the last event any more.
/// Guarantees: resumed after the last event that the ledger holds; taken from the beginning where that is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_resumed_after_the_last_event() {
    let world = World::new();
    world.bad_deploy();
    let mut stage = stage(&world, 2, &[], &[]).await;
    assert_eq!(stage.asked().await, "follow=true");
    let first = event_with(|e| e.assessment.level = contract::Level::Alert);
    let id = revision_id(&first.incident_id, 1);
    let second = line(event_with(|e| e.revision = 2));
    let mut bytes = line(first);
    bytes.extend_from_slice(&second[..second.len() / 2]);
    stage.chunks[0].send(Bytes::from(bytes)).await.unwrap();
    stage.chunks.remove(0);
    assert_eq!(stage.asked().await, format!("follow=true&after={id}"));
    stage.chunks[0].send(Bytes::from(second)).await.unwrap();
    let told = stage.outcome().await;
    assert_eq!(told.data.status, OutcomeStatus::Acted);
    let second_id = told.data.event_id;
    stage.chunks.remove(0);
    assert_eq!(stage.asked().await, format!("follow=true&after={second_id}"));
    assert_eq!(stage.asked().await, "follow=true", "after 410 Gone");
    stage.end().await;
}

/// Scenario: the process ended before its outcome was sent, and is started again. Guarantees: the outcome is sent by the
/// new process, once.
#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_survives_a_restart() {
    let world = World::new();
    world.bad_deploy();
    let mut desk = actuator::desk::Desk::open(&world.plan(&[]), at(5)).unwrap();
    let made = desk.handle(&event(), at(5)).unwrap().outcome.unwrap();
    drop(desk);
    let mut stage = stage(&world, 1, &[], &[]).await;
    assert!(stage.asked().await.contains("&after="), "the intake goes on behind the event");
    assert_eq!(stage.outcome().await.data, made);
    let other = event_with(|e| e.incident_id = incident_id(&e.scope, at(0), "slo"));
    stage.chunks[0].send(Bytes::from(line(other))).await.unwrap();
    assert_eq!(stage.outcome().await.data.status, OutcomeStatus::AlreadyDone, "and nothing in between");
    stage.end().await;
    let ledger = Ledger::open(&world.data_dir(), at(9)).unwrap();
    assert!(ledger.view().unfinished().is_empty());
}
