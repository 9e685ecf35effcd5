//! Templates of one stream of lines: finds a shape's template, makes a new one, merges what turns out to be one.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};

use super::merge::{Merge, merge_with, wide_places};
use super::miner_params::MinerValidParams;
use super::shape::Shape;
use super::template::{Template, TemplateId, differing, skeleton};

/// Shapes whose template is remembered, per template that may be kept.
const CACHED_PER_TEMPLATE: usize = 8;

/// What came of a shape.
///
/// ```
/// use models::text::{MinerParams, Shape, TemplateMiner};
/// let mut miner = TemplateMiner::new(&MinerParams::default().check().unwrap());
/// let mut shape = Shape::default();
/// shape.read(b"cache miss for key 5");
/// assert!(miner.take(0, &shape, 0, 1).is_new && !miner.take(0, &shape, 1, 1).is_new);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// The template.
    pub id: TemplateId,
    /// It was not known before, and is no widening of known ones.
    pub is_new: bool,
}

/// The templates of one service (or of any other stream of lines).
///
/// ```
/// use models::text::{MinerParams, Shape, TemplateMiner};
/// let mut miner = TemplateMiner::new(&MinerParams::default().check().unwrap());
/// let mut shape = Shape::default();
/// let mut ids = Vec::new();
/// for name in ["ann", "bob", "cyd", "dan", "eve"] {
///     shape.read(format!("user {name} logged in from 10.0.0.1").as_bytes());
///     ids.push(miner.take(0, &shape, 0, 1).id);
/// }
/// let template = miner.resolve(ids[0]);
/// assert!(ids.iter().all(|id| miner.resolve(*id) == template));
/// assert_eq!(miner.template(template).unwrap().text(), "user <*> logged in from <*>");
/// ```
///
/// # Invariants
/// At most `templates_max` templates and `aliases_max` aliases; an alias leads to a template in one step. The buckets and
/// the cache follow from the templates, and are not saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TemplateMiner {
    params: MinerValidParams,
    templates: BTreeMap<TemplateId, Template>,
    aliases: BTreeMap<TemplateId, TemplateId>,
    evicted: u64,
    #[serde(skip)]
    index: Index,
}

/// Which templates have a skeleton, and which template a shape has.
#[derive(Debug, Clone, Default)]
struct Index {
    ready: bool,
    buckets: HashMap<u64, Vec<TemplateId>, BuildHasherDefault<Hashed>>,
    cache: HashMap<u64, TemplateId, BuildHasherDefault<Hashed>>,
}

/// Keys are hashes already.
#[derive(Debug, Clone, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

impl PartialEq for TemplateMiner {
    fn eq(&self, other: &Self) -> bool {
        self.params == other.params
            && self.templates == other.templates
            && self.aliases == other.aliases
            && self.evicted == other.evicted
    }
}

impl TemplateMiner {
    /// A miner that knows nothing.
    #[must_use]
    pub fn new(params: &MinerValidParams) -> Self {
        Self {
            params: *params,
            templates: BTreeMap::new(),
            aliases: BTreeMap::new(),
            evicted: 0,
            index: Index::default(),
        }
    }

    /// Takes a shape that `lines` lines had at `at`. Only lines of the same `scope` (severity and logger, hashed) can
    /// share a template.
    pub fn take(&mut self, scope: u64, shape: &Shape, at: i64, lines: u64) -> Mined {
        self.make_index();
        let key = super::shape::hash(&shape.bytes, scope);
        if let Some(id) = self.index.cache.get(&key).copied() {
            self.count(id, at, lines);
            return Mined { id, is_new: false };
        }
        let bucket = skeleton(scope, &shape.bytes, &shape.tokens);
        let mined = match self.matching(bucket, shape) {
            Some(id) => Mined { id, is_new: false },
            None => self.add(bucket, Template::of(scope, shape, at)),
        };
        if self.index.cache.len() >= CACHED_PER_TEMPLATE * self.params.values().templates_max as usize {
            self.index.cache.clear();
        }
        self.index.cache.insert(key, mined.id);
        self.count(mined.id, at, lines);
        mined
    }

    /// The template that an id leads to today: itself, unless it was merged.
    #[must_use]
    pub fn resolve(&self, id: TemplateId) -> TemplateId {
        self.aliases.get(&id).copied().unwrap_or(id)
    }

    /// What is known of a template, by its id or a former one.
    #[must_use]
    pub fn template(&self, id: TemplateId) -> Option<&Template> {
        self.templates.get(&self.resolve(id))
    }

    /// All templates by id.
    pub fn templates(&self) -> impl Iterator<Item = (TemplateId, &Template)> {
        self.templates.iter().map(|(id, template)| (*id, template))
    }

    /// Templates that had to go for others.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn count(&mut self, id: TemplateId, at: i64, lines: u64) {
        if let Some(template) = self.templates.get_mut(&id) {
            template.lines = template.lines.saturating_add(lines);
            template.last_at = template.last_at.max(at);
            template.first_at = template.first_at.min(at);
        }
    }

    /// The template that a shape fits: the one with the fewest variables, then the smallest id.
    fn matching(&self, bucket: u64, shape: &Shape) -> Option<TemplateId> {
        let fitting = |id: &TemplateId| {
            let template = self.templates.get(id)?;
            (differing(template, &shape.bytes, &shape.tokens) == 0)
                .then(|| (wide_places(template).count_ones(), *id))
        };
        self.index.buckets.get(&bucket)?.iter().filter_map(fitting).min().map(|(_, id)| id)
    }

    fn add(&mut self, bucket: u64, template: Template) -> Mined {
        let id = template.id();
        // A former id that comes back as a text of its own is no alias any more.
        self.aliases.remove(&id);
        self.make_room();
        self.templates.insert(id, template);
        file(self.index.buckets.entry(bucket).or_default(), id);
        let mut current = id;
        while let Some(merge) = self.merge_of(bucket, current) {
            current = self.merge(bucket, &merge);
        }
        Mined { id: current, is_new: current == id }
    }

    fn merge_of(&self, bucket: u64, id: TemplateId) -> Option<Merge> {
        let new = self.templates.get(&id)?;
        let all = self.index.buckets.get(&bucket)?;
        let others: Vec<(TemplateId, &Template)> = all
            .iter()
            .filter(|other| **other != id)
            .filter_map(|other| Some((*other, self.templates.get(other)?)))
            .collect();
        merge_with((id, new), &others, &self.params.values())
    }

    /// Puts one template in the place of its members, whose ids become aliases.
    fn merge(&mut self, bucket: u64, merge: &Merge) -> TemplateId {
        let members: Vec<(TemplateId, Template)> =
            merge.members.iter().filter_map(|id| Some((*id, self.templates.remove(id)?))).collect();
        let mut merged = members.last().expect("a merge has members").1.widened(merge.places);
        merged.lines = 0;
        for (_, member) in &members {
            merged.lines = merged.lines.saturating_add(member.lines);
            merged.first_at = merged.first_at.min(member.first_at);
            merged.last_at = merged.last_at.max(member.last_at);
        }
        let id = merged.id();
        if let Some(known) = self.templates.get(&id) {
            merged.lines = merged.lines.saturating_add(known.lines);
            merged.first_at = merged.first_at.min(known.first_at);
            merged.last_at = merged.last_at.max(known.last_at);
        }
        self.templates.insert(id, merged);
        let former: Vec<TemplateId> =
            members.iter().map(|(id, _)| *id).filter(|former| *former != id).collect();
        for target in self.aliases.values_mut() {
            if former.contains(target) {
                *target = id;
            }
        }
        self.aliases.remove(&id);
        self.aliases.extend(former.iter().map(|former| (*former, id)));
        while self.aliases.len() > self.params.values().aliases_max as usize {
            self.aliases.pop_first();
        }
        let ids = self.index.buckets.entry(bucket).or_default();
        ids.retain(|known| *known != id && !former.contains(known));
        file(ids, id);
        self.index.cache.clear();
        id
    }

    /// Makes the template go that was not seen for longest, if there is no room for another.
    fn make_room(&mut self) {
        if self.templates.len() < self.params.values().templates_max as usize {
            return;
        }
        let oldest =
            self.templates.iter().min_by_key(|(id, template)| (template.last_at, **id)).map(|(id, _)| *id);
        let Some(oldest) = oldest else { return };
        if let Some(template) = self.templates.remove(&oldest) {
            let bucket = skeleton(template.scope, &template.bytes, &template.tokens);
            if let Some(ids) = self.index.buckets.get_mut(&bucket) {
                ids.retain(|id| *id != oldest);
                if ids.is_empty() {
                    self.index.buckets.remove(&bucket);
                }
            }
        }
        self.aliases.retain(|_, target| *target != oldest);
        self.index.cache.clear();
        self.evicted += 1;
    }

    /// Builds the buckets after a restart, in the order of ids.
    fn make_index(&mut self) {
        if self.index.ready {
            return;
        }
        self.index.ready = true;
        for (id, template) in &self.templates {
            let bucket = skeleton(template.scope, &template.bytes, &template.tokens);
            self.index.buckets.entry(bucket).or_default().push(*id);
        }
    }
}

/// Puts an id among others in their order, so that a bucket is the same after a restart.
fn file(ids: &mut Vec<TemplateId>, id: TemplateId) {
    if let Err(place) = ids.binary_search(&id) {
        ids.insert(place, id);
    }
}
