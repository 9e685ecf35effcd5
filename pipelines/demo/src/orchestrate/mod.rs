//! One run: starts engine and actuator, plays the story, follows what they say, and adds it up.
//!
//! Promises: both programs run as in production, from configuration files; they are always reaped, also after an error
//! or Ctrl-C. It waits on conditions with limits, never blindly.

mod children;
mod drive;
mod follow;
mod health;
mod http_get;
mod place;

use std::time::Duration;

pub use health::Health;

use crate::cli::Plan;
use crate::output::Style;
use crate::story::{Fault, Story};
use crate::timeline::Summary;
use crate::{DemoError, Options};
use children::Children;
use drive::Stage;
use place::Place;

/// Longest wait until both programs are ready.
const READY_MAX: Duration = Duration::from_secs(30);

/// Plays one run to its end.
///
/// # Errors
/// [`DemoError`] if a program is missing, ends, or does not become ready, if git or a file fails, or on Ctrl-C.
pub async fn run(
    options: &Options,
    plan: &Plan,
    (fault, seed): (Fault, u64),
    style: Style,
) -> Result<Summary, DemoError> {
    let story = Story::write(fault, seed, plan.pace);
    let mut place = Place::make(options, fault, seed)?;
    let mut stage = Stage::build(plan, story, seed, style, &place)?;
    let mut children = Children::start(&place)?;
    let played = async {
        children.wait_ready(&place, READY_MAX).await?;
        stage.play(&place, &mut children).await
    };
    let outcome = tokio::select! {
        outcome = played => outcome,
        () = interrupted() => Err(DemoError::Interrupted),
    };
    children.stop().await;
    if matches!(outcome, Err(DemoError::Child { .. })) {
        place.keep();
    }
    outcome
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
