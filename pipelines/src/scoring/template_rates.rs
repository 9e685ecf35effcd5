//! How often a service says each of its steady log lines, by request: series like any other, whatever is deployed.
//!
//! A template that is said in half of the minutes of half an hour is steady; from then on it has a point a minute, also of 0: one
//! that vanishes and one that is said more or less often are unusual values of a series (`series`), and are judged, budgeted and
//! worded there. By request, so that traffic explains nothing. What it does not do: look at rare lines, whose rate says
//! little, or at services without requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::series::{Point, SeriesName};
use crate::features::{LineRow, TemplateMerge};

/// Templates that are counted, and that have a series.
const COUNTED_MAX: usize = 64;
const STEADY_MAX: usize = 16;
/// A point is at least so long, and rests on so many requests.
const ROUND: UnixNanos = 60 * NANOS_PER_SEC;
const REQUESTS_MIN: u64 = 10;
/// Without that many requests for so long, a point begins anew.
const PAUSE: UnixNanos = 600 * NANOS_PER_SEC;
/// Rounds after which it is clear whether a template is steady, and in how many of them it was said.
const TRIAL_ROUNDS: u16 = 30;
const TRIAL_SAID: u16 = 15;
/// Rounds of silence after which a steady template is forgotten: a day.
const SILENT_MAX: u16 = 1_440;
/// How the names of these series begin.
pub(crate) const NAMED: &str = "log lines a request";
/// Characters of a template in the name of its series.
const NAME_CHARS: usize = 80;

/// One template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Rate {
    name: Arc<str>,
    /// Lines in the open round.
    lines: u64,
    /// Rounds since it was first said or last tried, and of them those in which it was said.
    rounds: u16,
    said: u16,
    /// Rounds since it was last said.
    silent: u16,
    is_steady: bool,
}

/// The templates of one service.
///
/// # Invariants
/// At most `COUNTED_MAX` templates, of which at most `STEADY_MAX` are steady.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct TemplateRates {
    opened_at: UnixNanos,
    requests: u64,
    templates: BTreeMap<u64, Rate>,
}

impl TemplateRates {
    /// Takes in the lines of a pod.
    pub(crate) fn on_lines(&mut self, row: &LineRow) {
        for counted in &row.templates {
            if let Some(rate) = self.templates.get_mut(&counted.id) {
                rate.lines = rate.lines.saturating_add(counted.lines);
            } else if self.templates.len() < COUNTED_MAX {
                let text: String = counted.text.chars().take(NAME_CHARS).collect();
                let name = Arc::from(format!("{NAMED} \"{text}\""));
                let lines = counted.lines;
                let rate = Rate { name, lines, rounds: 0, said: 0, silent: 0, is_steady: false };
                self.templates.insert(counted.id, rate);
            }
        }
    }

    /// Two templates turned out to be one: the series of the older one goes on.
    pub(crate) fn on_merge(&mut self, merge: &TemplateMerge) {
        let Some(former) = self.templates.remove(&merge.former) else { return };
        let merged = match self.templates.remove(&merge.id) {
            Some(known) if known.is_steady && !former.is_steady => {
                Rate { lines: known.lines.saturating_add(former.lines), ..known }
            }
            Some(known) => Rate { lines: known.lines.saturating_add(former.lines), ..former },
            None => former,
        };
        self.templates.insert(merge.id, merged);
    }

    /// Takes in requests that the service answered.
    pub(crate) fn on_requests(&mut self, requests: u64) {
        self.requests = self.requests.saturating_add(requests);
    }

    /// Closes the round, if it is over; a point for each steady template.
    pub(crate) fn close(&mut self, upto: UnixNanos) -> Vec<Point> {
        if self.opened_at == 0 || upto - self.opened_at > PAUSE {
            self.begin(upto);
            return Vec::new();
        }
        if upto - self.opened_at < ROUND || self.requests < REQUESTS_MIN {
            return Vec::new();
        }
        let mut steady = self.templates.values().filter(|rate| rate.is_steady).count();
        let mut points = Vec::new();
        for rate in self.templates.values_mut() {
            rate.close(&mut steady);
            if rate.is_steady {
                let name = SeriesName::Other(Arc::clone(&rate.name));
                points.push(Point { name, at: upto, value: rate.lines as f64 / self.requests as f64 });
            }
        }
        self.templates.retain(|_, rate| rate.is_steady || rate.silent < TRIAL_ROUNDS);
        self.begin(upto);
        points
    }

    fn begin(&mut self, at: UnixNanos) {
        (self.opened_at, self.requests) = (at, 0);
        self.templates.values_mut().for_each(|rate| rate.lines = 0);
    }
}

impl Rate {
    /// A round is over; `steady` counts the templates that are.
    fn close(&mut self, steady: &mut usize) {
        let is_said = self.lines > 0;
        self.rounds += 1;
        self.said += u16::from(is_said);
        self.silent = if is_said { 0 } else { self.silent.saturating_add(1) };
        if self.is_steady && self.silent >= SILENT_MAX {
            self.is_steady = false;
            *steady -= 1;
        }
        if self.rounds < TRIAL_ROUNDS {
            return;
        }
        if !self.is_steady && self.said >= TRIAL_SAID && *steady < STEADY_MAX {
            self.is_steady = true;
            *steady += 1;
        }
        (self.rounds, self.said) = (0, 0);
    }
}

#[cfg(test)]
#[path = "template_rates_tests.rs"]
mod tests;
