//! Templates of log lines: the shape of each line is noted as it arrives, and mined when its second closes.
//!
//! Shapes are a function of the line alone, and the shapes of a closed second go to the miner of their service in a fixed
//! order, so that templates depend neither on the order of arrival nor on how requests were cut. What it does not do:
//! say which template is odd.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::record::UnixNanos;
use models::text::{MinerParams, MinerValidParams, Shape, TemplateId, TemplateMiner};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::counts::{Count, FeatureCounts};
use super::row::{ServiceKey, TemplateCount, TemplateMerge};

/// Shapes kept of one pod in one second.
const SHAPES_MAX: usize = 256;
/// Bytes kept of a template's text.
const TEXT_BYTES_MAX: usize = 200;

/// A shape and how often it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Counted {
    shape: Shape,
    severity: u8,
    lines: u64,
}

/// The shapes of one pod in one second.
///
/// # Invariants
/// Adding commutes: of too many shapes the first by key stay, whatever their order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Shapes {
    /// By scope (severity and logger) and shape.
    shapes: BTreeMap<(u64, u64), Counted>,
    refused: u64,
}

impl Shapes {
    /// Adds `lines` lines of a shape that a logger said at a severity class.
    pub(crate) fn add(&mut self, severity: u8, logger: &str, shape: &Shape, lines: u64) {
        let key = (xxh3_64_with_seed(logger.as_bytes(), u64::from(severity)), shape.key());
        if let Some(known) = self.shapes.get_mut(&key) {
            known.lines = known.lines.saturating_add(lines);
            return;
        }
        self.shapes.insert(key, Counted { shape: shape.clone(), severity, lines });
        if self.shapes.len() > SHAPES_MAX
            && let Some((_, refused)) = self.shapes.pop_last()
        {
            self.refused = self.refused.saturating_add(refused.lines);
        }
    }
}

/// The templates of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mining {
    miner: TemplateMiner,
    /// Texts as rows carry them; those of templates that are gone are dropped with them.
    texts: BTreeMap<TemplateId, Arc<str>>,
    last_at: UnixNanos,
}

/// The templates of all services.
///
/// # Invariants
/// At most `services_max` services; state changes only when a second closes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Templates {
    services: BTreeMap<ServiceKey, Mining>,
}

impl Templates {
    /// Mines the shapes of one pod in a second that closes; counts by template, and templates that became one.
    pub(crate) fn close(
        &mut self,
        (service, at): (&ServiceKey, UnixNanos),
        shapes: Shapes,
        services_max: usize,
        counts: &mut FeatureCounts,
    ) -> (Vec<TemplateCount>, Vec<TemplateMerge>) {
        counts.add(Count::ShapeOverflow, shapes.refused);
        if !self.services.contains_key(service) && !shapes.shapes.is_empty() {
            if self.services.len() >= services_max {
                counts.add(Count::ShapeOverflow, shapes.shapes.len() as u64);
                return Default::default();
            }
            let miner = TemplateMiner::new(&params());
            let mining = Mining { miner, texts: BTreeMap::new(), last_at: at };
            self.services.insert(service.clone(), mining);
        }
        let Some(mining) = self.services.get_mut(service) else { return Default::default() };
        mining.last_at = mining.last_at.max(at);
        mining.take(service, at, shapes, counts)
    }

    /// Forgets services that said nothing since.
    pub(crate) fn forget(&mut self, before: UnixNanos) {
        self.services.retain(|_, mining| mining.last_at >= before);
    }
}

fn params() -> MinerValidParams {
    MinerParams::default().check().expect("defaults are valid")
}

impl Mining {
    fn take(
        &mut self,
        service: &ServiceKey,
        at: UnixNanos,
        shapes: Shapes,
        counts: &mut FeatureCounts,
    ) -> (Vec<TemplateCount>, Vec<TemplateMerge>) {
        let evicted_before = self.miner.evicted();
        let mut mined: Vec<(TemplateId, u8, u64)> = Vec::new();
        for ((scope, _), counted) in shapes.shapes {
            let seen = self.miner.take(scope, &counted.shape, at, counted.lines);
            counts.add(Count::TemplatesFound, u64::from(seen.is_new));
            mined.push((seen.id, counted.severity, counted.lines));
        }
        counts.add(Count::TemplatesEvicted, self.miner.evicted() - evicted_before);
        let mut by_template: BTreeMap<TemplateId, (u8, u64)> = BTreeMap::new();
        for (id, severity, lines) in mined {
            let of = by_template.entry(self.miner.resolve(id)).or_insert((severity, 0));
            of.1 = of.1.saturating_add(lines);
        }
        let mut merges = Vec::new();
        let mut counted = Vec::new();
        for (id, (severity, lines)) in by_template {
            if !self.texts.contains_key(&id) {
                merges.extend(self.name(service, id));
            }
            let text = self.texts.get(&id).map(Arc::clone).unwrap_or_default();
            counted.push(TemplateCount { id: id.0, text, severity, lines });
        }
        (counted, merges)
    }

    /// Notes the text of a template that is new here; the former ids that led to it.
    fn name(&mut self, service: &ServiceKey, id: TemplateId) -> Vec<TemplateMerge> {
        let text = self.miner.template(id).map(models::text::Template::text).unwrap_or_default();
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        self.texts.insert(id, Arc::from(text.get(..end).unwrap_or(&text)));
        let former: Vec<TemplateId> = self
            .texts
            .keys()
            .copied()
            .filter(|known| *known != id && self.miner.resolve(*known) == id)
            .collect();
        let miner = &self.miner;
        self.texts.retain(|known, _| miner.resolve(*known) == *known && miner.template(*known).is_some());
        let merge =
            |former: TemplateId| TemplateMerge { service: service.clone(), former: former.0, id: id.0 };
        former.into_iter().map(merge).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes_of(lines: &[&str]) -> Shapes {
        let (mut shapes, mut shape) = (Shapes::default(), Shape::default());
        for line in lines {
            shape.read(line.as_bytes());
            shapes.add(4, "logger", &shape, 1);
        }
        shapes
    }

    /// Scenario: lines of one statement with ever new names, second by second.
    /// Guarantees: once the names are enough, the rows carry one template, and say which former ones it replaces.
    #[test]
    fn templates_that_become_one_are_told() {
        let (mut templates, mut counts) = (Templates::default(), FeatureCounts::default());
        let mut told: Vec<TemplateMerge> = Vec::new();
        let mut ids = Vec::new();
        for (nth, name) in ["ann", "bob", "cyd", "dan"].iter().enumerate() {
            let shapes = shapes_of(&[&format!("no order of user {name} was found here")]);
            let (counted, merges) =
                templates.close((&ServiceKey::named("web"), nth as i64), shapes, 10, &mut counts);
            assert_eq!((counted.len(), counted[0].lines, counted[0].severity), (1, 1, 4));
            ids.push(counted[0].id);
            told.extend(merges);
        }
        assert_eq!(
            told.iter().map(|merge| merge.former).collect::<std::collections::BTreeSet<_>>(),
            ids[..2].iter().copied().collect()
        );
        assert!(told.iter().all(|merge| merge.id == ids[3]) && ids[2] == ids[3]);
        let (counted, _) = templates.close(
            (&ServiceKey::named("web"), 9),
            shapes_of(&["no order of user eve was found here"]),
            10,
            &mut counts,
        );
        assert_eq!(&*counted[0].text, "no order of user <*> was found here");
    }

    /// Scenario: more shapes in a second, and more services, than there is room for.
    /// Guarantees: what finds no room is counted.
    #[test]
    fn bounds_are_counted() {
        let (mut templates, mut counts) = (Templates::default(), FeatureCounts::default());
        let many: Vec<String> = (0..300_u16)
            .map(|n| ["x"; 300][..=usize::from(n) % 90].join(" ") + &"y ".repeat(usize::from(n) / 90))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let shapes = shapes_of(&many);
        assert_eq!(shapes.shapes.len(), SHAPES_MAX);
        templates.close((&ServiceKey::named("web"), 0), shapes, 0, &mut counts);
        assert!(counts.get(Count::ShapeOverflow) > SHAPES_MAX as u64);
        templates.close((&ServiceKey::named("web"), 0), shapes_of(&["a"]), 1, &mut counts);
        templates.forget(1);
        assert_eq!(templates, Templates::default());
    }
}
