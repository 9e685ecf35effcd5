//! Asks everything to come to an end.
//!
//! What this module does not do: listen to signals of the operating system; the program does, and calls
//! [`StopHandle::stop`].

use tokio::sync::watch;

/// Asks for the end; so does dropping it.
#[derive(Debug)]
pub struct StopHandle(watch::Sender<bool>);

/// Tells whether the end was asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A handle and what it asks.
#[must_use]
pub fn stop_signal() -> (StopHandle, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopHandle(sender), Stop(receiver))
}

impl StopHandle {
    /// Asks for the end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Returns when the end was asked for.
    pub async fn wait(&mut self) {
        // An error means that the handle is gone, which is a request as well.
        self.0.wait_for(|stop| *stop).await.ok();
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}
