//! The running actuator: four tasks around one desk, and a clean end.
//!
//! Promises: the first task that cannot go on ends all of them with its error; a shutdown finishes the event at hand.
//! What it does not do: decide or act ([`crate::desk`]).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::api::{ApiState, router};
use crate::config::{IntakeKind, Plan};
use crate::desk::Desk;
use crate::error::{ActuatorError, Result};
use crate::intake::{Backoff, HttpIntake, Intake, Received};
use crate::outcome::{Delivery, HttpSender, Sender};
use crate::telemetry::Metrics;

/// Reads the wall clock; given by `main`, so that nothing else does.
pub type Clock = fn() -> Timestamp;

/// How often the freeze switch and interrupted events are looked at.
const TICK_MS: u64 = 500;

/// The desk, and what the tasks around it share.
#[derive(Debug, Clone)]
pub(crate) struct Office {
    desk: Arc<Mutex<Desk>>,
    metrics: Metrics,
    clock: Clock,
    told: Arc<Notify>,
    shutdown: watch::Receiver<bool>,
}

impl Office {
    /// What the clock says.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Work at the desk, off the threads that serve the network.
    pub(crate) async fn at_desk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk, Timestamp) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (desk, clock) = (Arc::clone(&self.desk), self.clock);
        let done = tokio::task::spawn_blocking(move || {
            let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut desk, clock())
        });
        done.await.unwrap_or(Err(ActuatorError::Stopped { step: "a task that panicked" }))
    }

    async fn over(&mut self) {
        // An error means that the sender is gone, which is the end as well.
        self.shutdown.wait_for(|over| *over).await.ok();
    }
}

/// Runs until `shutdown` holds true.
///
/// # Errors
/// What makes it unsafe to go on: a ledger that cannot be opened or written, an address that cannot be bound.
pub async fn run(plan: Plan, clock: Clock, shutdown: watch::Receiver<bool>) -> Result<()> {
    let listener = bind(&plan).await?;
    run_on(listener, plan, clock, shutdown).await
}

/// The same with an API that is bound already.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    listener: tokio::net::TcpListener,
    plan: Plan,
    clock: Clock,
    shutdown: watch::Receiver<bool>,
) -> Result<()> {
    let metrics = Metrics::new().map_err(|error| ActuatorError::Http {
        doing: "register",
        url: "/metrics".to_owned(),
        why: error.to_string(),
    })?;
    let desk = Desk::open(&plan, clock())?;
    let (intake, sender) = (intake(&plan, &desk)?, sender(&plan)?);
    let desk = Arc::new(Mutex::new(desk));
    let office = Office { desk, metrics: metrics.clone(), clock, told: Arc::new(Notify::new()), shutdown };
    let state = ApiState { metrics, data_dir: plan.data_dir.clone(), office: office.clone() };
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, state, office.clone()));
    tasks.spawn(take_in(office.clone(), intake));
    tasks.spawn(tick(office.clone()));
    tasks.spawn(send(office, sender));
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap_or(Err(ActuatorError::Stopped { step: "a task that panicked" }))?;
    }
    tracing::info!("stopped");
    Ok(())
}

fn intake(plan: &Plan, desk: &Desk) -> Result<Intake> {
    let after = desk.view().last_event_id().map(str::to_owned);
    let max = plan.limits.event_bytes;
    match plan.intake {
        IntakeKind::Http => Ok(Intake::Http(Box::new(HttpIntake::new(plan.engine.clone(), max, after)))),
        #[cfg(feature = "kafka")]
        IntakeKind::Kafka => Ok(Intake::Kafka(Box::new(crate::intake::KafkaIntake::new(&plan.kafka, max)?))),
        #[cfg(not(feature = "kafka"))]
        IntakeKind::Kafka => Err(without_kafka(plan)),
    }
}

fn sender(plan: &Plan) -> Result<Sender> {
    match plan.intake {
        IntakeKind::Http => Ok(Sender::Http(Box::new(HttpSender::new(&plan.engine.url)))),
        #[cfg(feature = "kafka")]
        IntakeKind::Kafka => Ok(Sender::Kafka(Box::new(crate::outcome::KafkaSender::new(&plan.kafka)?))),
        #[cfg(not(feature = "kafka"))]
        IntakeKind::Kafka => Err(without_kafka(plan)),
    }
}

#[cfg(not(feature = "kafka"))]
fn without_kafka(plan: &Plan) -> ActuatorError {
    let topic = plan.kafka.risk_events_topic.clone();
    ActuatorError::Kafka {
        doing: "open",
        topic,
        why: "this build has no Kafka, set intake to http".to_owned(),
    }
}

async fn bind(plan: &Plan) -> Result<tokio::net::TcpListener> {
    let bound = tokio::net::TcpListener::bind(plan.api_address).await;
    let listener = bound.map_err(|error| ActuatorError::Http {
        doing: "listen on",
        url: plan.api_address.to_string(),
        why: error.to_string(),
    })?;
    let address = listener.local_addr().unwrap_or(plan.api_address);
    tracing::info!(%address, data_dir = %plan.data_dir.display(), policy = plan.rules.revision, "started");
    Ok(listener)
}

async fn serve(listener: tokio::net::TcpListener, state: ApiState, mut office: Office) -> Result<()> {
    let url = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let served =
        axum::serve(listener, router(state)).with_graceful_shutdown(async move { office.over().await });
    served.await.map_err(|error| ActuatorError::Http { doing: "serve", url, why: error.to_string() })
}

async fn take_in(mut office: Office, mut intake: Intake) -> Result<()> {
    let mut shutdown = office.clone();
    loop {
        let received = tokio::select! {
            () = shutdown.over() => return Ok(()),
            received = intake.next() => received?,
        };
        match received {
            Received::Connected => {
                office.metrics.set_ready(true);
                tracing::info!("connected to the source of risk events");
            }
            Received::Event(event) => {
                office.metrics.set_ready(true);
                let id = contract::revision_id(&event.incident_id, event.revision);
                handle(&mut office, event).await?;
                intake.settle(Some(&id))?;
            }
            Received::Refused(refusal) => {
                office.metrics.note_refused(refusal.code);
                tracing::warn!(
                    event_id = refusal.event_id,
                    reason = refusal.code,
                    "event refused: {}",
                    refusal.text
                );
                intake.settle(None)?;
            }
            Received::Interrupted(why) => {
                office.metrics.note_interruption();
                office.metrics.set_ready(false);
                tracing::info!("waiting for the source of risk events: {why}");
            }
        }
    }
}

async fn handle(office: &mut Office, event: Box<contract::RiskEvent>) -> Result<()> {
    let (incident_id, scope) = (event.incident_id.clone(), event.scope.key());
    let handled = office.at_desk(move |desk, now| desk.handle(&event, now)).await?;
    office.metrics.note_handled(&handled);
    let (decision, reason) = (format!("{:?}", handled.verb).to_lowercase(), &handled.reason.text);
    if handled.reason.code != "duplicate" && handled.reason.code != "level" {
        tracing::info!(incident_id, scope, decision, reason, "decided");
    }
    if let Some(outcome) = &handled.outcome {
        tell(office, outcome);
    }
    Ok(())
}

fn tell(office: &Office, outcome: &contract::Outcome) {
    let (incident_id, status) = (&outcome.incident_id, format!("{:?}", outcome.status));
    tracing::info!(incident_id, status, commit = outcome.commit, "outcome: {}", outcome.reason);
    office.told.notify_one();
}

async fn tick(mut office: Office) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut shutdown = office.clone();
    loop {
        tokio::select! {
            () = shutdown.over() => return Ok(()),
            _ = ticks.tick() => look_again(&mut office).await?,
        }
    }
}

async fn look_again(office: &mut Office) -> Result<()> {
    let work = |desk: &mut Desk, now| {
        let outcomes = desk.resume(now)?;
        let view = desk.view();
        Ok((outcomes, view.unsent().len(), view.unfinished().len(), view.frozen().is_some()))
    };
    let (outcomes, n_unsent, n_unfinished, frozen) = office.at_desk(work).await?;
    office.metrics.set_backlog(n_unsent, n_unfinished, frozen);
    for outcome in &outcomes {
        office.metrics.note_outcome(outcome.status);
        tell(office, outcome);
    }
    Ok(())
}

async fn send(mut office: Office, sender: Sender) -> Result<()> {
    let (mut backoff, mut shutdown) = (Backoff::default(), office.clone());
    // What an earlier run left behind goes first.
    let mut wait = Duration::ZERO;
    loop {
        let told = Arc::clone(&office.told);
        tokio::select! {
            () = shutdown.over() => return Ok(()),
            () = told.notified(), if wait.is_zero() => {}
            () = tokio::time::sleep(wait.max(Duration::from_millis(TICK_MS))) => {}
        }
        wait = if send_all(&mut office, &sender).await? {
            backoff.succeed();
            Duration::ZERO
        } else {
            backoff.fail()
        };
    }
}

/// True if nothing is left to send.
async fn send_all(office: &mut Office, sender: &Sender) -> Result<bool> {
    let unsent = office.at_desk(|desk, _| Ok(desk.view().unsent().to_vec())).await?;
    for outcome in unsent {
        let accepted = match sender.send(&outcome).await {
            Delivery::Accepted => true,
            Delivery::Rejected(why) => {
                tracing::error!(outcome_id = outcome.id, "the engine will not take an outcome: {why}");
                false
            }
            Delivery::Later(why) => {
                office.metrics.note_sent("later");
                tracing::info!(outcome_id = outcome.id, "outcome will be sent again: {why}");
                return Ok(false);
            }
        };
        office.metrics.note_sent(if accepted { "accepted" } else { "rejected" });
        let id = outcome.id.clone();
        office.at_desk(move |desk, now| desk.note_sent(&id, accepted, now)).await?;
    }
    Ok(true)
}
