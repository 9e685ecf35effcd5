//! Event-time progress of a lane, decided from records alone.
//!
//! The watermark lies behind the log's clock by the delay with which rows were seen to arrive. Each stream (metrics,
//! logs, spans) learns its own delay; the slowest stream that is not idle decides. Promises: same records, same
//! watermarks, also after a restore; a watermark never moves back and never stands still while the log's clock goes
//! on for longer than the largest delay; old data that is sent again is late and teaches nothing.
//! What this module does not do: look into batches, or drop rows.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::operator::Progress;
use crate::record::{NANOS_PER_SEC, RecordKind, UnixNanos};
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
        if self.step < 1 || self.memory < NANOS_PER_SEC {
            return Err(EngineError::Setting(
                "step and memory of the watermark must be at least 1 ns and 1 s".to_owned(),
            ));
        }
        Ok(())
    }
}

/// What a data record says about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Metrics, logs or spans.
    pub stream: RecordKind,
    /// Its arrival stamp.
    pub arrived_at: UnixNanos,
    /// Event time of the oldest row that is not beyond [`WatermarkConfig::delay_max`]. A metric point covers the time
    /// up to `at`, and its delay counts from there.
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
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Stream {
    seen_at: UnixNanos,
    /// (second, largest delay in it), oldest first; delays fall, because a smaller older one can never decide.
    delays: VecDeque<(UnixNanos, UnixNanos)>,
    delay: UnixNanos,
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

    /// Takes in a clock record, or any record without rows.
    pub fn clock(&mut self, config: &WatermarkConfig, arrived_at: UnixNanos) {
        let clock = self.log_clock.map_or(arrived_at, |clock| clock.max(arrived_at));
        self.log_clock = Some(clock);
        let delay = self.delay(config, clock);
        let candidate = clock.saturating_sub(delay);
        self.watermark = Some(self.watermark.map_or(candidate, |watermark| watermark.max(candidate)));
    }

    /// Takes in a data record.
    pub fn data(&mut self, config: &WatermarkConfig, seen: Seen) {
        let clock = self.log_clock.map_or(seen.arrived_at, |clock| clock.max(seen.arrived_at));
        let stream = self.streams.entry(seen.stream).or_default();
        if stream.delays.is_empty() || clock.saturating_sub(stream.seen_at) > config.idle_after {
            stream.learn(clock, config.delay_start.saturating_sub(config.margin));
        }
        stream.seen_at = clock;
        let delay = seen.oldest.map(|oldest| seen.arrived_at.saturating_sub(oldest));
        if let Some(delay) = delay.filter(|delay| *delay <= config.delay_max) {
            stream.learn(clock, delay.max(0));
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

    fn delay(&mut self, config: &WatermarkConfig, clock: UnixNanos) -> UnixNanos {
        let (mut slowest, mut active) = (config.delay_min, false);
        for stream in self.streams.values_mut() {
            stream.forget(clock.saturating_sub(config.memory));
            if clock.saturating_sub(stream.seen_at) <= config.idle_after {
                active = true;
                slowest = slowest.max(stream.delay.saturating_add(config.margin));
            }
        }
        let delay = if active { slowest } else { config.delay_start };
        delay.clamp(config.delay_min, config.delay_max)
    }
}

impl Stream {
    fn learn(&mut self, clock: UnixNanos, delay: UnixNanos) {
        let second = window::floor(clock, NANOS_PER_SEC);
        while self.delays.back().is_some_and(|(_, smaller)| *smaller <= delay) {
            self.delays.pop_back();
        }
        if self.delays.back().is_none_or(|(newest, _)| *newest < second) {
            self.delays.push_back((second, delay));
        }
        self.decide();
    }

    /// The last delay is kept: a stream that speaks seldom still has one.
    fn forget(&mut self, before: UnixNanos) {
        while self.delays.len() > 1 && self.delays.front().is_some_and(|(second, _)| *second < before) {
            self.delays.pop_front();
        }
        self.decide();
    }

    fn decide(&mut self) {
        self.delay = self.delays.front().map_or(0, |(_, delay)| *delay);
    }
}

#[cfg(test)]
mod tests {
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

    /// Scenario: everything is silent, only clock records come. Guarantees: time goes on.
    #[test]
    fn silence_does_not_stall() {
        let (config, mut mark) = (WatermarkConfig::default(), Watermark::default());
        mark.data(&config, spans(1_000 * SEC, 999 * SEC));
        for second in 1_001..2_000 {
            mark.clock(&config, second * SEC);
        }
        assert_eq!(mark.progress(&config).map(|progress| progress.watermark), Some(1_994 * SEC));
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
                prop_assert!(clock - watermark >= config.delay_min && clock - watermark <= config.delay_max);
                prop_assert!(mark.streams.values().all(|stream| stream.delays.len() <= 62));
            }
        }
    }
}
