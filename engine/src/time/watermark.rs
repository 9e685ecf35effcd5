//! Event-time progress of a lane, decided from records alone.
//!
//! The watermark lies behind the log's clock by the delay with which rows were seen to come: by that clock, which may be
//! ahead of a row's stamp where it is read late. Each stream (metrics,
//! logs, spans) learns its own delay; the slowest stream that is not idle decides. While nothing speaks at all for
//! longer than usual, the watermark waits for what is held back somewhere (`time::flow`). Promises: same
//! records, same watermarks, also after a restore; a watermark never moves back, and stands still while the log's
//! clock goes on for no longer than the largest delay and the longest interruption together; old data that is sent
//! again is late and teaches nothing.
//! What this module does not do: look into batches, or drop rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::operator::Progress;
use crate::record::{NANOS_PER_SEC, RecordKind, UnixNanos};
use crate::time::flow::{Bridge, Flow};
use crate::time::peaks::Peaks;
use crate::time::window;

/// How the watermark is decided; all in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatermarkConfig {
    /// The watermark stays at least so far behind the log's clock.
    pub delay_min: UnixNanos,
    /// And at most so far; rows that are older when they arrive are late and not learned from.
    pub delay_max: UnixNanos,
    /// The delay of a stream that was not seen before.
    pub delay_start: UnixNanos,
    /// Added to the largest delay seen.
    pub margin: UnixNanos,
    /// How long a delay is remembered.
    pub memory: UnixNanos,
    /// A stream that has said nothing for so long does not count.
    pub idle_after: UnixNanos,
    /// How long the watermark waits at most while all input is interrupted.
    pub interruption_max: UnixNanos,
    /// Rows further ahead of their arrival than this are set aside.
    pub skew_max: UnixNanos,
    /// Progress is told when the watermark passes a multiple of this.
    pub step: UnixNanos,
}

impl Default for WatermarkConfig {
    fn default() -> Self {
        Self {
            delay_min: NANOS_PER_SEC,
            delay_max: 15 * NANOS_PER_SEC,
            delay_start: 5 * NANOS_PER_SEC,
            margin: NANOS_PER_SEC / 2,
            memory: 60 * NANOS_PER_SEC,
            idle_after: 90 * NANOS_PER_SEC,
            interruption_max: 60 * NANOS_PER_SEC,
            skew_max: 60 * NANOS_PER_SEC,
            step: NANOS_PER_SEC,
        }
    }
}

impl WatermarkConfig {
    /// Checks what belongs together.
    ///
    /// # Errors
    /// [`EngineError::Setting`] with the way out.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.delay_min > self.delay_max {
            return Err(EngineError::Setting(format!(
                "the smallest lateness is {} s, must be at most the largest, {} s",
                self.delay_min / NANOS_PER_SEC,
                self.delay_max / NANOS_PER_SEC
            )));
        }
        if self.interruption_max > self.idle_after {
            return Err(EngineError::Setting(format!(
                "the longest interruption that is waited for is {} s, must be at most {} s, after which silence counts",
                self.interruption_max / NANOS_PER_SEC,
                self.idle_after / NANOS_PER_SEC
            )));
        }
        if self.step < 1 || self.memory < NANOS_PER_SEC {
            return Err(EngineError::Setting(
                "step and memory of the watermark must be at least 1 ns and 1 s".to_owned(),
            ));
        }
        Ok(())
    }

    fn bridge(&self) -> Bridge {
        Bridge { longest: self.interruption_max, disorder: self.delay_max, memory: self.memory }
    }
}

/// What a data record says about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Metrics, logs or spans.
    pub stream: RecordKind,
    /// Its arrival stamp.
    pub arrived_at: UnixNanos,
    /// Event time of the oldest row that is not beyond [`Watermark::age_max`]. A metric point covers the time up to
    /// `at`, and its delay counts from there.
    pub oldest: Option<UnixNanos>,
}

/// The decider. Its state is plain values and part of the checkpoint.
///
/// # Invariants
/// `watermark` and `log_clock` never fall; `told` is a multiple of the step and at most `watermark`; a stream holds
/// at most one delay per second of its memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Watermark {
    log_clock: Option<UnixNanos>,
    watermark: Option<UnixNanos>,
    told: Option<UnixNanos>,
    streams: BTreeMap<RecordKind, Stream>,
    flow: Flow,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Stream {
    seen_at: UnixNanos,
    delays: Peaks,
}

impl Watermark {
    /// The log's own clock: the newest arrival stamp.
    #[must_use]
    pub fn log_clock(&self) -> Option<UnixNanos> {
        self.log_clock
    }

    /// What was told last; a row with an earlier event time is late.
    #[must_use]
    pub fn told(&self) -> Option<UnixNanos> {
        self.told
    }

    /// Rows that are older than this when they arrive are not learned from.
    #[must_use]
    pub fn age_max(&self, config: &WatermarkConfig, arrived_at: UnixNanos) -> UnixNanos {
        let clock = self.log_clock.map_or(arrived_at, |clock| clock.max(arrived_at));
        let held_back = self.flow.stands_since(&config.bridge(), clock).map_or(0, |since| clock - since);
        config.delay_max.saturating_add(held_back).max(self.flow.backlog_age(clock))
    }

    /// Takes in a clock record, or any record without rows.
    pub fn clock(&mut self, config: &WatermarkConfig, arrived_at: UnixNanos) {
        let clock = self.log_clock.map_or(arrived_at, |clock| clock.max(arrived_at));
        self.log_clock = Some(clock);
        let candidate = self.candidate(config, clock);
        self.watermark = Some(self.watermark.map_or(candidate, |watermark| watermark.max(candidate)));
    }

    /// Takes in a data record.
    pub fn data(&mut self, config: &WatermarkConfig, seen: Seen) {
        let clock = self.log_clock.map_or(seen.arrived_at, |clock| clock.max(seen.arrived_at));
        self.flow.spoke(&config.bridge(), clock, seen.arrived_at);
        let stream = self.streams.entry(seen.stream).or_default();
        if stream.delays.is_empty() || clock.saturating_sub(stream.seen_at) > config.idle_after {
            stream.delays.see(clock, config.delay_start.saturating_sub(config.margin));
        }
        stream.seen_at = clock;
        let usual = stream.delays.largest().unwrap_or(0).min(config.delay_max);
        if let Some(delay) = seen.oldest.map(|oldest| clock.saturating_sub(oldest)) {
            self.flow.aged(&config.bridge(), clock, (delay, usual));
            if delay <= config.delay_max {
                stream.delays.see(clock, delay.max(0));
            }
        }
        self.clock(config, seen.arrived_at);
    }

    /// The progress that is due, if the watermark has passed a step since the last call.
    pub fn progress(&mut self, config: &WatermarkConfig) -> Option<Progress> {
        let (watermark, log_clock) = (self.watermark?, self.log_clock?);
        let step = window::floor(watermark, config.step);
        if self.told.is_some_and(|told| step <= told) {
            return None;
        }
        self.told = Some(step);
        Some(Progress { watermark: step, log_clock })
    }

    fn candidate(&mut self, config: &WatermarkConfig, clock: UnixNanos) -> UnixNanos {
        let (mut slowest, mut active) = (config.delay_min, false);
        let upto = self.flow.stands_since(&config.bridge(), clock).unwrap_or(clock);
        for stream in self.streams.values_mut() {
            stream.delays.forget(upto.saturating_sub(config.memory));
            if clock.saturating_sub(stream.seen_at) <= config.idle_after {
                active = true;
                slowest = slowest.max(stream.delays.largest().unwrap_or(0).saturating_add(config.margin));
            }
        }
        if !active {
            let delay = config.delay_start.clamp(config.delay_min, config.delay_max);
            return clock.saturating_sub(delay);
        }
        let delay = slowest.clamp(config.delay_min, config.delay_max).max(self.flow.backlog_age(clock));
        let last = config.interruption_max.saturating_add(config.delay_max);
        upto.saturating_sub(delay).max(clock.saturating_sub(last))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use proptest::prelude::*;

    const SEC: i64 = NANOS_PER_SEC;

    fn spans(arrived_at: i64, oldest: i64) -> Seen {
        Seen { stream: RecordKind::Spans, arrived_at, oldest: Some(oldest) }
    }

    /// Scenario: rows arrive 0.2 s after they happened, for two minutes. Guarantees: the delay begins at 5 s and
    /// ends at the smallest allowed; progress is told in whole seconds.
    #[test]
    fn delay_is_learned() {
        let (config, mut mark) = (WatermarkConfig::default(), Watermark::default());
        let mut told = Vec::new();
        for second in 1_000..1_120 {
            mark.data(&config, spans(second * SEC, second * SEC - SEC / 5));
            told.extend(mark.progress(&config));
        }
        assert_eq!(told.first().map(|progress| progress.watermark), Some(995 * SEC));
        assert_eq!(told.last().map(|progress| progress.watermark), Some(1_118 * SEC));
        assert!(told.iter().all(|progress| progress.watermark % SEC == 0));
    }

    /// Scenario: batches hold rows of up to 4 s, then one row that is hours old is sent again. Guarantees: the delay
    /// covers the batches, and the outlier changes nothing.
    #[test]
    fn old_data_sent_again_teaches_nothing() {
        let (config, mut mark) = (WatermarkConfig::default(), Watermark::default());
        for second in (1_000..1_200).step_by(4) {
            mark.data(&config, spans(second * SEC, (second - 4) * SEC));
        }
        let before = mark.clone();
        mark.data(&config, spans(1_196 * SEC, -7_200 * SEC));
        assert_eq!(mark.watermark, before.watermark);
        assert_eq!(mark.watermark, Some(1_196 * SEC - 4 * SEC - SEC / 2));
    }

    /// Scenario: a slow stream of metrics falls silent while spans go on. Guarantees: it holds the watermark back
    /// while it speaks, and no longer when it is idle.
    #[test]
    fn an_idle_stream_does_not_count() {
        let (config, mut mark) = (WatermarkConfig::default(), Watermark::default());
        mark.data(
            &config,
            Seen { stream: RecordKind::Metrics, arrived_at: 1_000 * SEC, oldest: Some(988 * SEC) },
        );
        for second in 1_000..1_200 {
            mark.data(&config, spans(second * SEC, second * SEC));
            if second == 1_080 {
                assert_eq!(mark.watermark, Some(second * SEC - 12 * SEC - SEC / 2));
            }
        }
        assert_eq!(mark.watermark, Some(1_198 * SEC));
    }

    /// Scenario: everything is silent, only clock records come. Guarantees: time waits for what may be held back
    /// somewhere, then goes on behind it, and as usual once silence counts.
    #[test]
    fn silence_does_not_stall() {
        let (config, mut mark) = (WatermarkConfig::default(), Watermark::default());
        for second in 990..=1_000 {
            mark.data(&config, spans(second * SEC, second * SEC - SEC / 5));
        }
        let mut at = |second: i64| {
            mark.clock(&config, second * SEC);
            mark.watermark.unwrap() / SEC
        };
        let held = at(1_001);
        assert_eq!(held, 996, "a second is a usual pause, and the delay is still the first one");
        assert_eq!([at(1_010), at(1_060)], [held, held]);
        assert_eq!(at(1_080), 1_080 - 60 - 5);
        assert_eq!(at(1_091), 1_086);
    }

    /// Scenario: rows of a second arrive each second, 0.2 s old. A broker is away for a while; what was held back
    /// comes after it in any order within four seconds, while new rows come on time. Guarantees: no row is late, whatever the
    /// length up to the longest interruption; half a minute later the delay is as it was.
    #[test]
    fn what_was_held_back_is_not_late() {
        for away in [2, 5, 12, 30, 60] {
            let (config, mut mark) = (WatermarkConfig::default(), Watermark::default());
            let mut give = |arrived_at: i64, event_at: i64| {
                mark.clock(&config, window::floor(arrived_at, SEC));
                mark.progress(&config);
                let late = mark.told().is_some_and(|told| event_at < told);
                assert!(!late, "{away} s away: a row of {event_at} at {arrived_at}, told {:?}", mark.told());
                let oldest = (arrived_at - event_at <= mark.age_max(&config, arrived_at)).then_some(event_at);
                mark.data(&config, Seen { stream: RecordKind::Metrics, arrived_at, oldest });
                mark.progress(&config);
            };
            for second in 1_000..1_100 {
                give(second * SEC + SEC / 5, second * SEC);
            }
            let (gone, back) = (1_100, 1_100 + away);
            give(back * SEC + SEC / 5, back * SEC);
            let mut held: Vec<i64> = (gone..back).collect();
            held.sort_by_key(|second| second * 7_919 % 101);
            let step = 4 * SEC / i64::from(i32::try_from(held.len()).unwrap());
            for (n, second) in held.iter().enumerate() {
                give(back * SEC + SEC / 2 + i64::try_from(n).unwrap() * step, second * SEC);
            }
            for second in back + 5..back + 240 {
                give(second * SEC + SEC / 5, second * SEC);
            }
            let behind = mark.log_clock().unwrap() - mark.watermark.unwrap();
            assert!(behind <= config.delay_min + SEC, "{behind}");
        }
    }

    /// Scenario: rows of a second come each second, just after or just before it is over. Once the reader falls some
    /// seconds behind while time goes on without records, and gets them all afterwards with their stamps; then everything
    /// is away for half a minute, one row of the last second that came included.
    /// Guarantees: what was held back then is not late, although the clock had already run so far ahead of the rows.
    #[test]
    fn a_slow_reader_teaches_how_old_rows_may_be() {
        let give = |mark: &mut Watermark, arrived_at: i64, second: i64| {
            let told = mark.told();
            assert!(
                told.is_none_or(|told| second * SEC >= told),
                "a row of {second} s is late, told {told:?}"
            );
            mark.data(&WatermarkConfig::default(), spans(arrived_at, second * SEC));
            mark.progress(&WatermarkConfig::default());
        };
        let wait = |mark: &mut Watermark, seconds: Range<i64>| {
            for second in seconds {
                mark.clock(&WatermarkConfig::default(), second * SEC);
                mark.progress(&WatermarkConfig::default());
            }
        };
        for (after, behind, last) in [(SEC / 5, 6, 20), (-SEC * 9 / 10, 3, 2), (-SEC * 9 / 10, 6, 3)] {
            let mut mark = Watermark::default();
            let come = |mark: &mut Watermark, seconds: Range<i64>| {
                seconds.for_each(|second| give(mark, second * SEC + after, second));
            };
            come(&mut mark, 1_000..1_100);
            wait(&mut mark, 1_100..1_100 + behind);
            come(&mut mark, 1_100..1_100 + last);
            wait(&mut mark, 1_100 + behind..1_150);
            (1_099 + last..1_150).for_each(|second| give(&mut mark, 1_150 * SEC, second));
        }
    }

    proptest! {
        /// Scenario: any records in any order, and a restore from saved state somewhere. Guarantees: the watermark
        /// never falls, stays within the bounds of the delay, memory is bounded, and the restore changes nothing.
        #[test]
        fn never_back_and_bounded(
            records in prop::collection::vec((0_u8..4, 0_i64..3_000, -100_i64..100_000), 1..300),
            cut in 0_usize..300,
        ) {
            let config = WatermarkConfig::default();
            let (mut mark, mut twin) = (Watermark::default(), Watermark::default());
            let mut last = i64::MIN;
            for (n, (kind, at, age_ms)) in records.into_iter().enumerate() {
                let arrived_at = at * SEC;
                let stream = [RecordKind::Metrics, RecordKind::Logs, RecordKind::Spans][usize::from(kind % 3)];
                for one in [&mut mark, &mut twin] {
                    if kind == 3 {
                        one.clock(&config, arrived_at);
                    } else {
                        let oldest = Some(arrived_at - age_ms * 1_000_000);
                        one.data(&config, Seen { stream, arrived_at, oldest });
                    }
                }
                let (told, other) = (mark.progress(&config), twin.progress(&config));
                prop_assert_eq!(told, other);
                if n == cut {
                    twin = postcard::from_bytes(&postcard::to_stdvec(&twin).unwrap()).unwrap();
                }
                if let Some(progress) = told {
                    prop_assert!(progress.watermark > last);
                    last = progress.watermark;
                }
                let (watermark, clock) = (mark.watermark.unwrap(), mark.log_clock.unwrap());
                prop_assert!(clock - watermark >= config.delay_min);
                prop_assert!(clock - watermark <= config.delay_max + config.interruption_max);
                prop_assert!(mark.streams.values().all(|stream| stream.delays.kept() <= 62));
            }
        }
    }
}
