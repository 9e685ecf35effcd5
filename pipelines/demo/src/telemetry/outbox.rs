//! What every pod has to say and has not said yet, and when it says it.
//!
//! Promises: spans and lines leave after they ended, each pod at its own phase; a pod that ended says its last words
//! and is forgotten.
//!
//! # Invariants
//! A pod holds at most `HELD_MAX` spans and as many lines; more are dropped and counted, as an SDK's queue does.

use std::collections::BTreeMap;

use prost::Message;

use super::counts::{Counts, encode_container, encode_memory};
use super::resource::{node_resource_of, resource_of};
use super::signal::{encode_lines, encode_spans};
use crate::shop::{
    Chance, Fleet, LineFact, Pod, PodId, RequestFact, SECOND, SERVICES, SpanFact, Step, UnixNanos,
};

/// Spans (and lines) that a pod holds at most.
pub(crate) const HELD_MAX: usize = 20_000;
/// Spans in one request.
const BATCH_MAX: usize = 2_000;

/// How often each signal is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// Spans.
    pub spans: UnixNanos,
    /// Lines.
    pub lines: UnixNanos,
    /// Metrics.
    pub metrics: UnixNanos,
    /// Memory of containers, by the agent on the node.
    pub memory: UnixNanos,
}

impl Intervals {
    /// Lines twice as often as spans, metrics 2.5 times as seldom, memory every second.
    ///
    /// ```
    /// use demo::{shop::SECOND, telemetry::Intervals};
    /// assert_eq!(Intervals::by_spans(2 * SECOND).metrics, 5 * SECOND);
    /// ```
    #[must_use]
    pub const fn by_spans(spans: UnixNanos) -> Self {
        Self { spans, lines: spans / 2, metrics: spans * 5 / 2, memory: SECOND }
    }
}

/// Which signal a batch is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalKind {
    /// `/v1/traces`.
    Traces,
    /// `/v1/logs`.
    Logs,
    /// `/v1/metrics`.
    Metrics,
}

impl SignalKind {
    /// Path on OTLP/HTTP.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Logs => "/v1/logs",
            Self::Metrics => "/v1/metrics",
        }
    }
}

/// How a pod speaks to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// OTLP/HTTP with protobuf.
    Http,
    /// OTLP/gRPC.
    Grpc,
}

/// One request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Whose; requests of one pod keep their order.
    pub pod: PodId,
    /// Which signal.
    pub kind: SignalKind,
    /// How.
    pub wire: Wire,
    /// The protobuf message.
    pub message: Vec<u8>,
    /// Spans, lines or points inside.
    pub n_items: usize,
}

#[derive(Debug)]
struct Pending {
    spans: Vec<SpanFact>,
    lines: Vec<LineFact>,
    requests: Vec<RequestFact>,
    counts: Counts,
    next: [UnixNanos; 4],
}

/// The outboxes of all pods.
#[derive(Debug)]
pub struct Outbox {
    intervals: Intervals,
    pending: BTreeMap<PodId, Pending>,
    chance: Chance,
    dropped: u64,
}

impl Outbox {
    /// Nothing to say yet.
    #[must_use]
    pub fn new(seed: u64, intervals: Intervals) -> Self {
        Self { intervals, pending: BTreeMap::new(), chance: Chance::new(seed, 41), dropped: 0 }
    }

    /// Spans and lines that were dropped because a pod held too many.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes the facts of a step in; `now` is the end of the step.
    pub fn take(&mut self, step: Step, fleet: &Fleet, now: UnixNanos) {
        for pod in fleet.pods() {
            if !self.pending.contains_key(&pod.id) && pod.is_alive() {
                let pending = self.first(now);
                self.pending.insert(pod.id, pending);
            }
        }
        for span in step.spans {
            if let Some(pending) = self.pending.get_mut(&span.pod) {
                self.dropped += push(&mut pending.spans, span);
            }
        }
        for line in step.lines {
            if let Some(pending) = self.pending.get_mut(&line.pod) {
                self.dropped += push(&mut pending.lines, line);
            }
        }
        for request in step.requests {
            if let Some(pending) = self.pending.get_mut(&request.pod) {
                self.dropped += push(&mut pending.requests, request);
            }
        }
    }

    /// What is due at `now`.
    pub fn due(&mut self, fleet: &Fleet, now: UnixNanos) -> Vec<Batch> {
        let mut batches = Vec::new();
        let intervals = self.intervals;
        self.pending.retain(|id, pending| {
            let Some(pod) = fleet.pod(*id) else { return false };
            pending.export(pod, intervals, now, &mut batches);
            pod.is_alive() || !(pending.spans.is_empty() && pending.lines.is_empty())
        });
        batches
    }

    fn first(&mut self, now: UnixNanos) -> Pending {
        let Intervals { spans, lines, metrics, memory } = self.intervals;
        let next = [spans, lines, metrics, memory]
            .map(|every| now + (self.chance.unit() * every as f64) as UnixNanos);
        let (spans, lines, requests) = (Vec::new(), Vec::new(), Vec::new());
        Pending { spans, lines, requests, counts: Counts::default(), next }
    }
}

impl Pending {
    fn export(&mut self, pod: &Pod, every: Intervals, now: UnixNanos, batches: &mut Vec<Batch>) {
        // A process that was told to end flushes; what is still under way goes as soon as it has ended.
        let is_last = !pod.is_alive();
        let [spans_at, lines_at, metrics_at, memory_at] = &mut self.next;
        let speaks_grpc = SERVICES.get(pod.template.service).is_some_and(|spec| spec.speaks_grpc);
        let wire = if speaks_grpc { Wire::Grpc } else { Wire::Http };
        let resource = || resource_of(pod);
        let mut add = |kind, message: Vec<u8>, n_items| {
            batches.push(Batch { pod: pod.id, kind, wire, message, n_items });
        };
        if is_due(spans_at, every.spans, now) || is_last {
            let ended = take_ended(&mut self.spans, |span| span.end_at <= now);
            for part in ended.chunks(BATCH_MAX) {
                add(SignalKind::Traces, encode_spans(resource(), part).encode_to_vec(), part.len());
            }
        }
        if is_due(lines_at, every.lines, now) || is_last {
            let ended = take_ended(&mut self.lines, |line| line.at <= now);
            for part in ended.chunks(BATCH_MAX) {
                add(SignalKind::Logs, encode_lines(resource(), part).encode_to_vec(), part.len());
            }
        }
        if is_due(metrics_at, every.metrics, now) && !is_last {
            take_ended(&mut self.requests, |request| request.end_at <= now)
                .iter()
                .for_each(|request| self.counts.add(request));
            if !pod.behaviour.crashes && now >= pod.ready_at {
                add(SignalKind::Metrics, self.counts.encode(pod, resource(), now).encode_to_vec(), 3);
            }
            add(SignalKind::Metrics, encode_container(pod, resource(), now).encode_to_vec(), 2);
        }
        if is_due(memory_at, every.memory, now) && !is_last && pod.takes_traffic(now) {
            add(SignalKind::Metrics, encode_memory(pod, node_resource_of(pod), now).encode_to_vec(), 2);
        }
    }
}

fn is_due(next: &mut UnixNanos, every: UnixNanos, now: UnixNanos) -> bool {
    if now < *next {
        return false;
    }
    let every = every.max(SECOND / 20);
    *next += every * ((now - *next) / every + 1);
    true
}

fn take_ended<T>(held: &mut Vec<T>, ended: impl Fn(&T) -> bool) -> Vec<T> {
    let (done, open) = std::mem::take(held).into_iter().partition(|fact| ended(fact));
    *held = open;
    done
}

fn push<T>(held: &mut Vec<T>, fact: T) -> u64 {
    if held.len() >= HELD_MAX {
        return 1;
    }
    held.push(fact);
    0
}
