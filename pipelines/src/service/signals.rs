//! Waits for the operating system to ask for the end.

use tokio::signal::unix::{SignalKind, signal};

/// Returns at SIGTERM or SIGINT. A signal that cannot be listened to is as good as never sent.
pub(crate) async fn asked_to_stop() {
    let wait = |kind: SignalKind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    let signal = tokio::select! {
        () = wait(SignalKind::terminate()) => "SIGTERM",
        () = wait(SignalKind::interrupt()) => "SIGINT",
    };
    tracing::info!(signal, "stops: takes no more, finishes what it has");
}
