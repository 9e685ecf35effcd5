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

/// How often the programs are started before a port that is taken is an error.
const STARTS_MAX: usize = 3;
/// What a program says when it cannot have its port.
const PORT_TAKEN: &str = "Address already in use";

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
        ready(&mut children, &mut place).await?;
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

/// Waits until both programs are ready; starts them anew elsewhere if another program was faster to take a port.
async fn ready(children: &mut Children, place: &mut Place) -> Result<(), DemoError> {
    for _ in 1..STARTS_MAX {
        match children.wait_ready(place, READY_MAX).await {
            Err(DemoError::Child { log, .. }) if log.contains(PORT_TAKEN) => {
                children.stop().await;
                place.move_ports()?;
                *children = Children::start(place)?;
            }
            outcome => return outcome,
        }
    }
    children.wait_ready(place, READY_MAX).await
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use clap::Parser;

    use super::*;

    fn script(path: &std::path::Path, text: &str) -> String {
        std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// Scenario: an engine that finds its port taken twice and then fails for another reason; one that never gets a port.
    /// Guarantees: each start has other ports in its configuration; the other reason is told at once, and after three
    /// starts the port is.
    #[tokio::test]
    async fn a_port_that_was_taken_is_tried_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let actuator = script(&dir.path().join("a"), "exec sleep 60");
        let note = "grep grpc_address \"$3\" >> ports; ";
        let other =
            "[ $(wc -l < ports) -lt 3 ] && echo 'Address already in use' || echo 'out of cheese'; exit 1";
        let never = "echo 'Address already in use'; exit 1";
        for (rest, last) in [(other, "out of cheese"), (never, "already in use")] {
            let engine = script(&dir.path().join("e"), &format!("{note}{rest}"));
            let options = Options::parse_from(["demo", "--engine", &engine, "--actuator", &actuator]);
            let mut place = Place::make(&options, Fault::None, 1).unwrap();
            let mut children = Children::start(&place).unwrap();
            let why = ready(&mut children, &mut place).await.unwrap_err().to_string();
            children.stop().await;
            let ports = std::fs::read_to_string(place.dir().join("ports")).unwrap();
            let ports: std::collections::BTreeSet<&str> = ports.lines().collect();
            assert!(why.contains(last) && ports.len() == STARTS_MAX, "{why} {ports:?}");
        }
    }
}
