//! Whether input flows, or something before us has stopped it.
//!
//! A broker, a collector or a network that is away for a while holds rows back and delivers them later, in any order.
//! Their event time is then older than rows were ever seen to be, and a watermark that had gone on by the clock would
//! have closed their windows. So while nothing at all speaks for longer than usual, event time stands still, and after
//! an unusual pause rows may be as old as the pause was long, and somewhat more, until that backlog has passed.
//!
//! Promises: the same records, the same answers; event time stands still for no longer than the limit that is passed
//! in, so that a system in which everything died is noticed after it; a pause costs no more waiting than it was long,
//! unless rows that are older than usual go on to come.
//! What this module does not do: look at single streams; one that falls silent beside others is no interruption.

use serde::{Deserialize, Serialize};

use crate::record::{NANOS_PER_SEC, UnixNanos};
use crate::time::peaks::Peaks;

/// A pause that exceeds the usual one by its half and this is an interruption.
const UNUSUAL: UnixNanos = NANOS_PER_SEC / 2;
/// A backlog takes at most so many times the longest interruption that is bridged.
const BACKLOG_TIMES: i64 = 3;

/// How interruptions are bridged; in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bridge {
    /// Longest pause for which event time stands still.
    pub(crate) longest: UnixNanos,
    /// By how much rows of a backlog may come out of order.
    pub(crate) disorder: UnixNanos,
    /// How long a pause between two records counts as usual.
    pub(crate) memory: UnixNanos,
}

/// The pauses between records.
///
/// # Invariants
/// `spoke_at` never falls. A backlog ends at the latest [`BACKLOG_TIMES`] times the longest pause after it began.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Flow {
    spoke_at: Option<UnixNanos>,
    stamp: Option<UnixNanos>,
    pauses: Peaks,
    backlog: Option<Backlog>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Backlog {
    began_at: UnixNanos,
    until: UnixNanos,
    settle: UnixNanos,
    age: UnixNanos,
}

impl Flow {
    /// Takes in that a data record with this stamp came. A pause of those who send is one between stamps: the clock may
    /// have gone on because the reader was slow.
    pub(crate) fn spoke(&mut self, bridge: &Bridge, clock: UnixNanos, stamp: UnixNanos) {
        if let Some((spoke_at, before)) = self.spoke_at.zip(self.stamp) {
            let pause = clock.saturating_sub(spoke_at);
            if self.usual().is_some_and(|usual| pause > usual + usual / 2 + UNUSUAL) {
                self.came_back(bridge, clock, pause);
            }
            self.pauses.see(clock, stamp.saturating_sub(before).max(0));
        }
        self.spoke_at = Some(clock);
        self.stamp = self.stamp.max(Some(stamp));
        self.pauses.forget(clock.saturating_sub(bridge.memory));
        self.backlog = self.backlog.filter(|backlog| clock < backlog.until);
    }

    /// Takes in how old the oldest row of a record was; one that is older than `usual` says that the backlog goes on.
    pub(crate) fn aged(&mut self, bridge: &Bridge, clock: UnixNanos, (age, usual): (UnixNanos, UnixNanos)) {
        if let Some(backlog) = self.backlog.as_mut().filter(|backlog| age > usual && age <= backlog.age) {
            let last = backlog.began_at.saturating_add(bridge.longest.saturating_mul(BACKLOG_TIMES));
            backlog.until = clock.saturating_add(backlog.settle).min(last).max(backlog.until);
        }
    }

    /// How old rows of a backlog may be now; 0 without one.
    pub(crate) fn backlog_age(&self, clock: UnixNanos) -> UnixNanos {
        self.backlog.filter(|backlog| clock < backlog.until).map_or(0, |backlog| backlog.age)
    }

    /// Since when event time stands still, if it does: rows are as old as at that moment.
    pub(crate) fn stands_since(&self, bridge: &Bridge, clock: UnixNanos) -> Option<UnixNanos> {
        let since = self.spoke_at?.saturating_add(self.usual()?);
        (since < clock).then(|| since.max(clock.saturating_sub(bridge.longest)))
    }

    fn usual(&self) -> Option<UnixNanos> {
        self.pauses.largest()
    }

    fn came_back(&mut self, bridge: &Bridge, clock: UnixNanos, pause: UnixNanos) {
        let settle = pause.min(bridge.disorder);
        let age = pause.min(bridge.longest).saturating_add(settle);
        let before = self.backlog.map_or(0, |backlog| backlog.age);
        let until = clock.saturating_add(settle);
        self.backlog = Some(Backlog { began_at: clock, until, settle, age: age.max(before) });
    }
}
