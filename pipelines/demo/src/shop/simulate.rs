//! Requests through the call graph, step by step.
//!
//! Promises: a client span encloses the server span it caused, a trace is complete, and time only moves forward
//! inside a request. Depth is bounded by the graph, which has no cycle. It does not batch, encode or send.

use super::{
    Chance, DATABASE, Disturbance, Fleet, LineFact, Load, MILLISECOND, OPERATIONS, Operation, Pod,
    RequestFact, SECOND, SpanFact, SpanKind, Step, UnixNanos, operation_of,
};

/// Sigma of the logarithm of an operation's own time.
const OWN_SIGMA: f64 = 0.45;
/// Share of good requests that write a line.
const LINE_SHARE: f64 = 0.05;
/// A new pod is slower by this factor at age 0, …
const WARM_UP: f64 = 0.3;
/// … and less by this time constant.
const WARM_UP_SECS: f64 = 8.0;

/// The simulation's state.
#[derive(Debug)]
pub struct Shop {
    load: Load,
    chance: Chance,
    weather: f64,
}

struct Walk<'a> {
    routes: &'a [Vec<&'a Pod>],
    chance: &'a mut Chance,
    step: &'a mut Step,
    trace_id: [u8; 16],
    slowness: f64,
    overload_errors: f64,
    disturbance: Disturbance,
}

struct Answer {
    end_at: UnixNanos,
    status: u16,
}

impl Shop {
    /// A shop with `front_rps` requests per second at its front on average.
    #[must_use]
    pub fn new(seed: u64, front_rps: f64, origin: UnixNanos) -> Self {
        Self { load: Load::new(seed, front_rps, origin), chance: Chance::new(seed, 37), weather: 0.0 }
    }

    /// Simulates what arrives in `from..to`.
    pub fn step(&mut self, from: UnixNanos, to: UnixNanos, fleet: &Fleet, disturbance: Disturbance) -> Step {
        let secs = (to - from) as f64 / SECOND as f64;
        let rate = self.load.advance(from, secs, disturbance.load_factor);
        let keep = (-secs / 30.0).exp();
        self.weather = self.weather * keep + 0.06 * (1.0 - keep * keep).sqrt() * self.chance.normal();
        let pressure = (self.load.factor() - 1.0).max(0.0) / 9.0;
        let routes = fleet.routes(from);
        let mut step = Step::default();
        let arrivals = self.chance.poisson(rate * secs);
        let mut starts: Vec<UnixNanos> =
            (0..arrivals).map(|_| from + (self.chance.unit() * (to - from) as f64) as UnixNanos).collect();
        starts.sort_unstable();
        for start_at in starts {
            let operation = self.pick_front();
            let trace_id = self.chance.bytes();
            let mut walk = Walk {
                routes: &routes,
                chance: &mut self.chance,
                step: &mut step,
                trace_id,
                slowness: self.weather.exp() * (1.0 + 1.2 * pressure),
                overload_errors: 0.03 * pressure,
                disturbance,
            };
            let answer = walk.serve(operation, None, start_at);
            step.front_requests += 1;
            step.front_failures += u32::from(answer.status == 0 || answer.status >= 500);
        }
        step
    }

    fn pick_front(&mut self) -> usize {
        let mut at = self.chance.unit();
        for (idx, operation) in OPERATIONS.iter().enumerate() {
            at -= operation.front_share;
            if at < 0.0 {
                return idx;
            }
        }
        0
    }
}

impl Walk<'_> {
    fn serve(&mut self, index: usize, parent_id: Option<[u8; 8]>, start_at: UnixNanos) -> Answer {
        let operation = operation_of(index);
        let route: &[&Pod] = self.routes.get(operation.service).map_or(&[], Vec::as_slice);
        let Some(&pod) = route.get(self.chance.below(route.len())) else {
            return Answer { end_at: start_at + MILLISECOND, status: 0 };
        };
        self.step.faulty_requests += u32::from(pod.behaviour.faulty);
        if pod.behaviour.crashes {
            return Answer { end_at: start_at + MILLISECOND, status: 0 };
        }
        let span_id = self.chance.bytes();
        let own = self.own_time(operation, pod, start_at);
        let mut at = start_at + own / 2;
        let mut upstream_failed = false;
        for call in operation.calls {
            if !self.chance.hit(call.share) {
                continue;
            }
            let answer = self.call(pod, span_id, call.operation, at);
            at = answer.end_at;
            if call.required && (answer.status == 0 || answer.status >= 500) {
                upstream_failed = true;
                break;
            }
        }
        let own_failed = self.chance.hit(self.own_error_share(operation, pod));
        let status = match (own_failed, upstream_failed) {
            (true, _) => 500,
            (false, true) => 502,
            (false, false) => 200,
        };
        let end_at = at + own / 2 + 1;
        let span = SpanFact {
            pod: pod.id,
            trace_id: self.trace_id,
            span_id,
            parent_id,
            kind: SpanKind::Server,
            operation: index,
            start_at,
            end_at,
            status,
        };
        self.write_lines(&span, operation);
        let secs = (end_at - start_at) as f64 / SECOND as f64;
        self.step.requests.push(RequestFact { pod: pod.id, operation: index, end_at, secs, status });
        self.step.spans.push(span);
        Answer { end_at, status }
    }

    fn call(&mut self, caller: &Pod, parent_id: [u8; 8], index: usize, start_at: UnixNanos) -> Answer {
        let span_id = self.chance.bytes();
        let network = (0.3 * MILLISECOND as f64 * self.chance.lognormal(0.3)) as UnixNanos + 1;
        let answer = self.serve(index, Some(span_id), start_at + network);
        let end_at = answer.end_at + network;
        self.step.spans.push(SpanFact {
            pod: caller.id,
            trace_id: self.trace_id,
            span_id,
            parent_id: Some(parent_id),
            kind: SpanKind::Client,
            operation: index,
            start_at,
            end_at,
            status: answer.status,
        });
        Answer { end_at, status: answer.status }
    }

    fn own_time(&mut self, operation: &Operation, pod: &Pod, now: UnixNanos) -> UnixNanos {
        let age_secs = (now - pod.ready_at).max(0) as f64 / SECOND as f64;
        let warm_up = 1.0 + WARM_UP * (-age_secs / WARM_UP_SECS).exp();
        let database =
            if operation.service == DATABASE { self.disturbance.database_latency_factor } else { 1.0 };
        let factor = pod.behaviour.latency_factor * pod.speed * warm_up * database * self.slowness;
        let ms = operation.own_ms * self.chance.lognormal(OWN_SIGMA) * factor;
        (ms.clamp(0.05, 20_000.0) * MILLISECOND as f64) as UnixNanos
    }

    fn own_error_share(&self, operation: &Operation, pod: &Pod) -> f64 {
        let database =
            if operation.service == DATABASE { self.disturbance.database_error_share } else { 0.0 };
        pod.behaviour.error_share + self.overload_errors + database
    }

    fn write_lines(&mut self, span: &SpanFact, operation: &Operation) {
        let is_error = span.status >= 500;
        if !is_error && !self.chance.hit(LINE_SHARE) {
            return;
        }
        let ms = (span.end_at - span.start_at) / MILLISECOND;
        let (method, route) = (operation.method, operation.route);
        let text = match span.status {
            500 => format!("{method} {route} failed after {ms} ms: unexpected state"),
            502 => format!("{method} {route} failed after {ms} ms: upstream answered with an error"),
            status => format!("{method} {route} {status} in {ms} ms"),
        };
        self.step.lines.push(LineFact {
            pod: span.pod,
            at: span.end_at,
            trace_id: span.trace_id,
            span_id: span.span_id,
            operation: span.operation,
            is_error,
            text,
        });
    }
}
