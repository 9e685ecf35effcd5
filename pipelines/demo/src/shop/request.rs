//! What a step of the simulation says: plain facts, for the telemetry to put into words.

use super::{PodId, UnixNanos};

/// Which side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// The callee's.
    Server,
    /// The caller's.
    Client,
}

/// A span.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanFact {
    /// Whose.
    pub pod: PodId,
    /// Trace.
    pub trace_id: [u8; 16],
    /// Its own id.
    pub span_id: [u8; 8],
    /// The span above it, if any.
    pub parent_id: Option<[u8; 8]>,
    /// Which side.
    pub kind: SpanKind,
    /// Index of the operation (of the callee).
    pub operation: usize,
    /// Begin.
    pub start_at: UnixNanos,
    /// End.
    pub end_at: UnixNanos,
    /// HTTP status; 0 if there was no answer.
    pub status: u16,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LineFact {
    /// Whose.
    pub pod: PodId,
    /// When.
    pub at: UnixNanos,
    /// Trace.
    pub trace_id: [u8; 16],
    /// Span that was open.
    pub span_id: [u8; 8],
    /// Index of the operation that wrote it.
    pub operation: usize,
    /// Whether it tells of a failure.
    pub is_error: bool,
    /// The text.
    pub text: String,
}

/// A request that a pod served, for its metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestFact {
    /// Who served it.
    pub pod: PodId,
    /// Index of the operation.
    pub operation: usize,
    /// End.
    pub end_at: UnixNanos,
    /// Duration in seconds.
    pub secs: f64,
    /// HTTP status.
    pub status: u16,
}

/// What happened in one step.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// Spans, some of which end after the step.
    pub spans: Vec<SpanFact>,
    /// Lines.
    pub lines: Vec<LineFact>,
    /// Requests served.
    pub requests: Vec<RequestFact>,
    /// Requests at the front.
    pub front_requests: u32,
    /// Of these, failed.
    pub front_failures: u32,
    /// Requests that a faulty pod was given.
    pub faulty_requests: u32,
}
