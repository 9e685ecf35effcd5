//! Closing a second: everything in it becomes rows, in a fixed order.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use engine::batch::SeriesId;

use super::calls::CallCell;
use super::counters::{Gain, Point, Value};
use super::counts::Count;
use super::identity::Who;
use super::keyed::Keyed;
use super::lines::LineCell;
use super::meaning::{Counting, Meaning, Role};
use super::names::Family;
use super::params::nanos_of;
use super::resources::{Sample, Samples};
use super::row::{CallRow, FeatureRows, LineRow, ResourceSignal, ServiceKey};
use super::second::{Pending, Second};
use super::stage::Features;
use super::truth::Standing;

/// The templates of a service that said nothing for a week are forgotten.
const TEMPLATES_EXPIRE_SECS: i64 = 604_800;

/// Cells of one second by pod, operation and family.
type Cells = BTreeMap<(Who, Arc<str>, Family), CallCell>;

impl Features {
    pub(super) fn close(&mut self, second: i64, rows: &mut FeatureRows) {
        let mut open = self.state.open.remove(&second).unwrap_or_default();
        self.state.open_rows = self.state.open_rows.saturating_sub(open.n_rows());
        let calls = open.settle(&mut self.state.own_time);
        let Second { lines, touches, points, .. } = open;
        let (params, state) = (&self.params, &mut self.state);
        for (who, touch) in &touches {
            state.presence.touch(who, touch, params.pods_max, &mut state.counts);
        }
        let mut cells: Cells = Cells::new();
        for ((who, operation), cell) in calls {
            cells.insert((who, operation, Family::Spans), cell);
        }
        let samples = self.close_points(second, points, &mut cells);
        rows.resources.extend(self.state.resources.close(samples, second));
        self.close_calls(second, cells, rows);
        self.close_lines(second, lines, rows);
        let (params, state) = (&self.params, &mut self.state);
        rows.edges.extend(state.edges.close(second, params, &mut state.counts));
        let is_tick = (second + 1).rem_euclid(params.window_secs) == 0;
        if is_tick {
            rows.series.extend(state.others.close(second));
        }
        rows.presence.extend(state.presence.rows(is_tick));
        if is_tick {
            self.forget(second);
        }
    }

    /// Points in the order of their time.
    fn close_points(&mut self, second: i64, points: Keyed<SeriesId, Pending>, cells: &mut Cells) -> Samples {
        let mut in_order: Vec<(SeriesId, Arc<Meaning>, Point)> = Vec::new();
        for (id, pending) in points.into_unsorted() {
            let meaning = pending.meaning;
            in_order.extend(pending.points.into_iter().map(|(_, point)| (id, Arc::clone(&meaning), point)));
        }
        // a series has one point of a time
        in_order.sort_unstable_by_key(|(id, _, point)| (point.at, *id));
        let mut samples = Samples::default();
        for (id, meaning, point) in in_order {
            match &meaning.role {
                Role::Calls { .. } => self.close_call_point((id, &meaning), point, cells),
                Role::Resource { .. } => self.close_resource_point((id, &meaning), point, &mut samples),
                Role::Other { name } => {
                    if let Some(value) = self.level_or_rate((id, &meaning), point) {
                        self.add_other((&meaning, name), (second, value));
                    }
                }
                Role::Spread { mean, per_second } => {
                    let Some(gain) = self.gain_of((id, &meaning), point) else { continue };
                    let Some((of_one, of_a_second)) = gain.mean_and_rate() else { continue };
                    // in a stretch without a pause there is no mean, but there is a share of time: none
                    if let Some(of_one) = of_one {
                        self.add_other((&meaning, mean), (second, of_one));
                    }
                    self.add_other((&meaning, per_second), (second, of_a_second));
                }
            }
        }
        samples
    }

    fn close_call_point(&mut self, (id, meaning): (SeriesId, &Meaning), point: Point, cells: &mut Cells) {
        let Role::Calls { family, operation, is_error, to_micros } = &meaning.role else { return };
        let who = &meaning.sender.who;
        let Some(gain) = self.gain_of((id, meaning), point) else { return };
        let served = match &gain.value {
            Value::Number(calls) => *calls > 0.0,
            Value::Histogram { count, .. } => *count > 0,
        };
        if served {
            self.state.presence.served(who, gain.to);
        }
        let key = (who.clone(), Arc::clone(operation), *family);
        let cell = cells.entry(key).or_insert_with(|| CallCell::new(gain.from, gain.to));
        cell.add_gain(&gain, *is_error, *to_micros);
    }

    fn close_resource_point(
        &mut self,
        (id, meaning): (SeriesId, &Meaning),
        point: Point,
        samples: &mut Samples,
    ) {
        let Role::Resource { signal, part, rank, factor } = meaning.role else { return };
        let at = point.at;
        // only processor time is a counter whose rate is meant; restarts count, but are wanted as they are
        let measured = if signal == ResourceSignal::Cpu && meaning.counting != Counting::Level {
            self.gain_of((id, meaning), point).and_then(|gain| Some((gain.rate()?, gain.secs())))
        } else {
            level(&point).map(|value| (value, 0.0))
        };
        let Some((value, secs)) = measured else { return };
        let sender = &meaning.sender;
        let speaker =
            sender.pod_uid.filter(|_| !sender.speaks).and_then(|uid| self.state.presence.of_uid(uid));
        // of a pod that says nothing itself, what is told without a name is nobody's
        let Some(who) = speaker.or(sender.is_named().then_some(&sender.who)).cloned() else {
            self.state.counts.add(Count::Nameless, 1);
            return;
        };
        let sample = Sample { signal, part, rank, at, value: value * factor, secs };
        if signal == ResourceSignal::Restarts && sender.oom_killed {
            samples.add(who.clone(), id, Sample { signal: ResourceSignal::OomKills, ..sample });
        }
        samples.add(who, id, sample);
    }

    fn add_other(&mut self, (meaning, name): (&Meaning, &Arc<str>), value: (i64, f64)) {
        let (params, state) = (&self.params, &mut self.state);
        let key = (&meaning.sender.who.subject.service, name);
        state.others.add(key, value, params, &mut state.counts);
    }

    fn level_or_rate(&mut self, (id, meaning): (SeriesId, &Meaning), point: Point) -> Option<f64> {
        if meaning.counting == Counting::Level {
            return level(&point);
        }
        self.gain_of((id, meaning), point)?.rate()
    }

    fn gain_of(&mut self, (id, meaning): (SeriesId, &Meaning), point: Point) -> Option<Gain> {
        let interval = self.state.presence.export_interval(&meaning.sender.who);
        let (params, state) = (&self.params, &mut self.state);
        let limits = (&mut state.counts, params.counters_max);
        state.counters.gain((id, meaning), point, interval, limits)
    }

    fn close_calls(&mut self, second: i64, cells: Cells, rows: &mut FeatureRows) {
        let (params, state) = (&self.params, &mut self.state);
        for ((who, _, family), cell) in &cells {
            let source = (&who.subject.service, *family);
            state.truth.see(source, cell.requests, second, params.services_max);
        }
        let n_changed = state.truth.choose(second);
        state.counts.add(Count::SourceChanges, n_changed);
        let mut counting = Cells::new();
        for (key, cell) in cells {
            match state.truth.standing(&key.0.subject.service, key.2, cell.start_at, second) {
                Standing::Counts => {
                    counting.insert(key, cell);
                }
                Standing::OtherSource => state.counts.add(Count::OtherSourceCells, 1),
                Standing::NoRoom => state.counts.add(Count::ServiceOverflow, 1),
            }
        }
        state.truth.admit(&by_calls(&counting), second, params.operations_max);
        let mut named = Cells::new();
        for ((who, operation, family), cell) in counting {
            let name = state.truth.operation(&who.subject.service, &operation);
            if name != operation {
                state.counts.add(Count::OperationOverflow, cell.requests);
            }
            match named.get_mut(&(who.clone(), Arc::clone(&name), family)) {
                Some(known) => known.merge(&cell),
                None => {
                    named.insert((who, name, family), cell);
                }
            }
        }
        rows.calls.extend(named.into_iter().map(|((who, operation, family), cell)| CallRow {
            subject: who.subject,
            operation,
            start_at: cell.start_at,
            end_at: cell.end_at,
            source: family.source(),
            requests: cell.requests,
            errors: cell.errors,
            duration_us_sum: cell.duration_us_sum,
            exemplar_trace_ids: cell.exemplar_trace_ids(),
            duration: cell.duration,
            own: cell.own,
            calls: cell.calls,
        }));
    }

    fn close_lines(&mut self, second: i64, lines: BTreeMap<Who, LineCell>, rows: &mut FeatureRows) {
        let (params, state) = (&self.params, &mut self.state);
        for (who, cell) in lines {
            let (by_severity, error_samples, shapes) = cell.into_parts();
            let place = (&who.subject.service, nanos_of(second));
            let (templates, merges) =
                state.templates.close(place, shapes, params.services_max, &mut state.counts);
            rows.template_merges.extend(merges);
            rows.lines.push(LineRow {
                subject: who.subject,
                start_at: nanos_of(second),
                end_at: nanos_of(second + 1),
                by_severity,
                error_samples,
                templates,
            });
        }
    }

    fn forget(&mut self, second: i64) {
        let (params, state) = (&self.params, &mut self.state);
        let expired = second - params.pod_expiry_secs;
        state.presence.forget(nanos_of(expired));
        state.counters.forget(nanos_of(expired));
        state.resources.forget(expired);
        state.edges.forget(nanos_of(second - params.join_secs));
        state.own_time.forget(nanos_of(second - params.join_secs));
        state.truth.forget(second);
        state.templates.forget(nanos_of(second - TEMPLATES_EXPIRE_SECS));
    }
}

/// Operations of all services, those with the most requests first.
fn by_calls(cells: &Cells) -> Vec<(ServiceKey, Arc<str>)> {
    let mut requests: BTreeMap<(&ServiceKey, &Arc<str>), u64> = BTreeMap::new();
    for ((who, operation, _), cell) in cells {
        let n = requests.entry((&who.subject.service, operation)).or_default();
        *n = n.saturating_add(cell.requests);
    }
    let mut wanted: Vec<_> = requests.into_iter().map(|(key, n)| (Reverse(n), key)).collect();
    wanted.sort();
    wanted.into_iter().map(|(_, (service, operation))| (service.clone(), Arc::clone(operation))).collect()
}

fn level(point: &Point) -> Option<f64> {
    match point.value {
        Value::Number(number) => Some(number),
        Value::Histogram { .. } => None,
    }
}
