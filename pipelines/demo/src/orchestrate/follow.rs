//! Follows the engine's risk events and hands them on.
//!
//! Promises: after a broken connection it goes on where it stopped (`after=ID`); what is not a risk event is counted
//! and passed over. It does not judge.

use std::net::SocketAddr;
use std::time::Duration;

use contract::{CloudEvent, RiskEvent};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::http_get;

/// Events that wait to be looked at.
const QUEUE_MAX: usize = 256;
/// Pause before a new connection.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts to follow; ends when the receiver is dropped.
pub(crate) fn start(api: SocketAddr) -> (mpsc::Receiver<CloudEvent<RiskEvent>>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    (receiver, tokio::spawn(follow(api, sender)))
}

async fn follow(api: SocketAddr, sender: mpsc::Sender<CloudEvent<RiskEvent>>) {
    let mut last = None;
    while !sender.is_closed() {
        let after = last.as_ref().map(|id| format!("&after={id}")).unwrap_or_default();
        let path = format!("/api/v1/risk-events?follow=true{after}");
        if let Some(mut lines) = http_get::lines(api, &path).await {
            while let Some(line) = lines.next().await {
                let Ok(event) = serde_json::from_slice::<CloudEvent<RiskEvent>>(&line) else {
                    tracing::debug!(n_bytes = line.len(), "a line of the engine's stream is no risk event");
                    continue;
                };
                last = Some(event.id.clone());
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
