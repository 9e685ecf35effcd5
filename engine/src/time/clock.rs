//! The clock as a value: the wall, or a hand that a test moves.
//!
//! Promises: a reading is never earlier than the one before, whatever the machine's clock does; when the machine's
//! clock falls back, time goes on at half speed until it has been caught up, so that nothing that waits on time stops.
//! What this module does not do: decide anything from the time. It is the only reader of the wall clock in this crate.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use crate::record::{NANOS_PER_SEC, UnixNanos};

/// Longest single sleep towards a moment of the wall clock, so that a step of that clock is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Gives the time. Cheap to clone; all clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    System(Arc<Mutex<SystemState>>),
    Simulated(watch::Receiver<UnixNanos>),
}

#[derive(Debug)]
struct SystemState {
    started: Instant,
    rising: Rising,
}

/// Moves a simulated [`Clock`]; when it is dropped, that clock stands still for ever.
#[derive(Debug)]
pub struct ClockHand(watch::Sender<UnixNanos>);

impl Clock {
    /// The wall clock of this machine.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn system() -> Self {
        let state = SystemState { started: Instant::now(), rising: Rising::default() };
        Self(Kind::System(Arc::new(Mutex::new(state))))
    }

    /// A clock that shows `start` until its hand is moved.
    #[must_use]
    pub fn simulated(start: UnixNanos) -> (Self, ClockHand) {
        let (sender, receiver) = watch::channel(start);
        (Self(Kind::Simulated(receiver)), ClockHand(sender))
    }

    /// The time; never earlier than any reading before.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now(&self) -> UnixNanos {
        match &self.0 {
            Kind::Simulated(receiver) => *receiver.borrow(),
            Kind::System(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let since_start = nanos(state.started.elapsed());
                let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanos);
                state.rising.advance(wall, since_start)
            }
        }
    }

    /// Waits until [`Clock::now`] is `moment` or later.
    pub async fn sleep_until(&self, moment: UnixNanos) {
        match &self.0 {
            Kind::Simulated(receiver) => {
                let reached = receiver.clone().wait_for(|now| *now >= moment).await.is_ok();
                if !reached && self.now() < moment {
                    std::future::pending::<()>().await;
                }
            }
            Kind::System(_) => loop {
                let left = moment.saturating_sub(self.now());
                let Ok(left) = u64::try_from(left) else { return };
                if left == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_nanos(left).min(SLEEP_MAX)).await;
            },
        }
    }

    /// Waits for `length` of this clock's time.
    pub async fn sleep(&self, length: Duration) {
        self.sleep_until(self.now().saturating_add(nanos(length))).await;
    }
}

impl ClockHand {
    /// Moves the clock to `moment`, but never back.
    pub fn advance_to(&self, moment: UnixNanos) {
        self.0.send_if_modified(|now| {
            let later = moment > *now;
            *now = moment.max(*now);
            later
        });
    }

    /// Moves the clock on by whole seconds.
    pub fn advance_secs(&self, secs: u32) {
        let now = *self.0.borrow();
        self.advance_to(now.saturating_add(i64::from(secs) * NANOS_PER_SEC));
    }
}

/// Makes a rising sequence of stamps out of readings that may fall back.
///
/// # Invariants
/// A stamp is never earlier than the one before. While the reading lies behind, stamps rise at half the speed of
/// the steady time, so that they meet again after twice the step.
#[derive(Debug, Default, Clone, Copy)]
pub struct Rising {
    last: UnixNanos,
    last_steady: UnixNanos,
    behind: bool,
}

impl Rising {
    /// Goes on after `last`; `steady` is the present reading of the steady time.
    #[must_use]
    pub fn after(last: UnixNanos, steady: UnixNanos) -> Self {
        Self { last, last_steady: steady, behind: false }
    }

    /// The next stamp for a reading `now`, at a moment of a time that never steps (`steady`).
    pub fn advance(&mut self, now: UnixNanos, steady: UnixNanos) -> UnixNanos {
        let passed = steady.saturating_sub(self.last_steady).max(0);
        let slow = self.last.saturating_add(passed / 2);
        self.behind = now < slow;
        self.last = now.max(slow);
        self.last_steady = steady;
        self.last
    }

    /// The newest stamp.
    #[must_use]
    pub fn last(&self) -> UnixNanos {
        self.last
    }

    /// Whether the newest reading lay behind the stamps.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind
    }
}

fn nanos(length: Duration) -> UnixNanos {
    UnixNanos::try_from(length.as_nanos()).unwrap_or(UnixNanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Scenario: readings step back by an hour and go on. Guarantees: stamps go on rising and meet the readings
    /// again after twice the step.
    #[test]
    fn a_clock_that_falls_back_neither_stops_nor_reverses_the_stamps() {
        let hour = 3_600 * NANOS_PER_SEC;
        let mut rising = Rising::after(10 * hour, 0);
        let mut last = rising.last();
        for step in 1..=3 * 3_600 {
            let steady = step * NANOS_PER_SEC;
            let stamp = rising.advance(9 * hour + steady, steady);
            assert!(stamp > last, "stamps must rise: {stamp} after {last}");
            last = stamp;
            assert_eq!(rising.is_behind(), step < 2 * 3_600, "at step {step}");
        }
        assert_eq!(last, 12 * hour);
    }

    proptest! {
        /// Scenario: any readings at all. Guarantees: the sequence of stamps never falls.
        #[test]
        fn stamps_never_fall(readings in prop::collection::vec((any::<i64>(), 0_i64..1_000_000_000_000), 1..200)) {
            let mut rising = Rising::default();
            let (mut steady, mut last) = (0_i64, 0_i64);
            for (now, passed) in readings {
                steady += passed;
                let stamp = rising.advance(now, steady);
                prop_assert!(stamp >= last);
                last = stamp;
            }
        }
    }

    /// Scenario: a task waits for a moment of a simulated clock. Guarantees: it waits until the hand is there, and
    /// the hand never goes back.
    #[tokio::test]
    async fn a_simulated_clock_wakes_sleepers() {
        let (clock, hand) = Clock::simulated(5);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(2 * NANOS_PER_SEC).await;
                clock.now()
            }
        });
        hand.advance_to(NANOS_PER_SEC);
        hand.advance_to(7);
        assert_eq!(clock.now(), NANOS_PER_SEC);
        assert!(!sleeper.is_finished());
        hand.advance_secs(1);
        assert_eq!(sleeper.await.unwrap(), 2 * NANOS_PER_SEC);
    }

    /// Scenario: the system clock is read twice and slept on. Guarantees: it rises and a sleep ends at its moment.
    #[tokio::test]
    async fn the_system_clock_rises() {
        let clock = Clock::system();
        let first = clock.now();
        clock.sleep(Duration::from_millis(2)).await;
        assert!(clock.now() >= first + 2_000_000);
    }
}
