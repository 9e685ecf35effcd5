//! The families, and which one an incident belongs to.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::fingerprint::{Fingerprint, TRAITS_MAX, distance};
use super::params::{FamilyParams, FamilyValidParams};

/// Ways in which an incident may end; the caller numbers them from 0.
pub const ENDINGS: usize = 12;
/// A member is at most this many times the reach away from what the family's founder showed.
const FROM_FOUNDER: f64 = 2.0;

/// Incidents that were like each other.
///
/// ```
/// use models::families::{Families, FamilyParams, Fingerprint};
/// let mut families = Families::new(FamilyParams::default().check().unwrap());
/// families.join(1, 60, &Fingerprint::new(&[0.9, 0.0]), 0);
/// let family = families.get(1).unwrap();
/// assert_eq!((family.members(), family.last_at(), family.endings()[0]), (1, 60, 1));
/// assert_eq!(family.traits().next(), Some((0, 1.0, 0.9_f32.into())));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Family {
    id: u128,
    founder: Fingerprint,
    /// Mean of each trait, and share of the members that show it.
    centre: Vec<(f64, f64)>,
    members: u32,
    first_at: i64,
    last_at: i64,
    endings: [u32; ENDINGS],
}

impl Family {
    /// The id of the incident that founded it.
    #[must_use]
    pub fn id(&self) -> u128 {
        self.id
    }

    /// Incidents that ended in it.
    #[must_use]
    pub fn members(&self) -> u32 {
        self.members
    }

    /// When the first of them ended, in nanoseconds.
    #[must_use]
    pub fn first_at(&self) -> i64 {
        self.first_at
    }

    /// When the last of them ended, in nanoseconds.
    #[must_use]
    pub fn last_at(&self) -> i64 {
        self.last_at
    }

    /// How many of them ended in each way.
    #[must_use]
    pub fn endings(&self) -> &[u32; ENDINGS] {
        &self.endings
    }

    /// Number, share of the members that show it, and mean of each trait that any member shows.
    pub fn traits(&self) -> impl Iterator<Item = (usize, f64, f64)> + '_ {
        let shown = self.centre.iter().enumerate().filter(|(_, (_, share))| *share > 0.0);
        shown.map(|(nth, &(mean, share))| (nth, share, mean))
    }

    fn found(id: u128, at: i64, x: &Fingerprint) -> Self {
        Self {
            id,
            founder: x.clone(),
            centre: (0..TRAITS_MAX).map(|nth| (x.get(nth), f64::from(x.get(nth) > 0.0))).collect(),
            members: 0,
            first_at: at,
            last_at: at,
            endings: [0; ENDINGS],
        }
    }

    fn mean(&self, nth: usize) -> f64 {
        self.centre.get(nth).map_or(0.0, |(mean, _)| *mean)
    }

    fn off_centre(&self, x: &Fingerprint) -> f64 {
        distance(&|nth| self.mean(nth), &|nth| x.get(nth))
    }

    fn take(&mut self, at: i64, x: &Fingerprint, memory: u32) {
        self.members = self.members.saturating_add(1);
        self.last_at = self.last_at.max(at);
        let step = 1.0 / f64::from(self.members.min(memory));
        for (nth, (mean, share)) in self.centre.iter_mut().enumerate() {
            *mean += step * (x.get(nth) - *mean);
            *share += step * (f64::from(x.get(nth) > 0.0) - *share);
        }
    }
}

/// An incident that ended, one by one.
///
/// ```
/// use models::families::{Families, FamilyParams, Fingerprint};
/// let mut families = Families::new(FamilyParams::default().check().unwrap());
/// families.join(7, 60, &Fingerprint::new(&[0.9]), 0);
/// assert_eq!(families.remembered().next().unwrap().incident, 7);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Its id.
    pub incident: u128,
    /// Its family.
    pub family: u128,
    /// When it ended, in nanoseconds.
    pub at: i64,
    /// How it ended.
    pub ending: u8,
    /// What it showed.
    pub fingerprint: Fingerprint,
}

/// What an incident is like.
///
/// ```
/// use models::families::{Families, FamilyParams, Fingerprint};
/// let mut families = Families::new(FamilyParams::default().check().unwrap());
/// families.join(7, 60, &Fingerprint::new(&[0.9]), 0);
/// let alike = families.alike(&Fingerprint::new(&[0.8])).unwrap();
/// assert_eq!((alike.family.id(), alike.nearest.map(|member| member.incident)), (7, Some(7)));
/// assert!(alike.likeness > 0.8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alike<'a> {
    /// The family.
    pub family: &'a Family,
    /// 1 at the centre of the family, 0 as far away as a member may be; a measure, not a probability.
    pub likeness: f64,
    /// The member most like it, of those that are remembered.
    pub nearest: Option<&'a Remembered>,
}

/// Where an incident that ended went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Joined {
    /// Its family from now on.
    pub family: u128,
    /// The family that had to go for it.
    pub evicted: Option<u128>,
}

/// All families of one tenant: at most 1 KiB each with their sums, and 200 bytes for each incident remembered.
///
/// ```
/// use models::families::{Families, FamilyParams, Fingerprint};
/// let mut families = Families::new(FamilyParams::default().check().unwrap());
/// let (errors, memory) = (Fingerprint::new(&[0.9, 0.0]), Fingerprint::new(&[0.0, 1.0]));
/// assert!(families.alike(&errors).is_none()); // nothing was seen before
/// families.join(1, 60, &errors, 0);
/// assert_eq!(families.alike(&errors).unwrap().family.id(), 1);
/// assert!(families.alike(&memory).is_none()); // unlike anything
/// ```
///
/// # Order of calls
/// [`Self::alike`] while an incident is open, which learns nothing; [`Self::join`] once, when it has ended.
///
/// # Invariants
/// Families stand in the order in which they were founded, no two with one id; no more of them than `families_max`, no more incidents
/// remembered than `incidents_max`, each of a family that is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Families {
    params: FamilyParams,
    families: Vec<Family>,
    remembered: VecDeque<Remembered>,
}

impl Families {
    /// None yet.
    #[must_use]
    pub fn new(params: FamilyValidParams) -> Self {
        Self { params: params.0, families: Vec::new(), remembered: VecDeque::new() }
    }

    /// All of them, in the order in which they were founded.
    pub fn iter(&self) -> impl Iterator<Item = &Family> {
        self.families.iter()
    }

    /// The family of this id.
    #[must_use]
    pub fn get(&self, id: u128) -> Option<&Family> {
        self.families.iter().find(|family| family.id == id)
    }

    /// Incidents that are remembered one by one, oldest first.
    pub fn remembered(&self) -> impl Iterator<Item = &Remembered> {
        self.remembered.iter()
    }

    /// The family that an incident belongs to; `None` if it shows nothing, or nothing like it was seen.
    ///
    /// Of two families equally near the older one is it.
    #[must_use]
    pub fn alike(&self, x: &Fingerprint) -> Option<Alike<'_>> {
        let (nth, away) = self.nearest(x)?;
        let family = &self.families[nth];
        let members = self.remembered.iter().filter(|member| member.family == family.id);
        // of equally near ones the newest: it is the one that people remember
        let nearest =
            members.rev().min_by(|a, b| a.fingerprint.distance(x).total_cmp(&b.fingerprint.distance(x)));
        Some(Alike { family, likeness: 1.0 - away / self.params.reach, nearest })
    }

    /// Takes in an incident that has ended; one that shows nothing is left out, and one that is remembered already too.
    pub fn join(&mut self, incident: u128, at: i64, x: &Fingerprint, ending: u8) -> Option<Joined> {
        if x.is_empty() || self.remembered.iter().any(|known| known.incident == incident) {
            return None;
        }
        let mut joined = Joined::default();
        let nth = match self.nearest(x) {
            Some((nth, _)) => nth,
            None => {
                joined.evicted = self.make_room();
                self.families.push(Family::found(incident, at, x));
                self.families.len() - 1
            }
        };
        let family = &mut self.families[nth];
        family.take(at, x, self.params.memory_members);
        let ending = ending.min(ENDINGS as u8 - 1);
        family.endings[usize::from(ending)] += 1;
        joined.family = family.id;
        let fingerprint = x.clone();
        self.remember(Remembered { incident, family: joined.family, at, ending, fingerprint });
        Some(joined)
    }

    /// An incident that is remembered ended otherwise than it seemed; says whether it is one.
    pub fn correct(&mut self, incident: u128, ending: u8) -> bool {
        let Some(known) = self.remembered.iter_mut().find(|known| known.incident == incident) else {
            return false;
        };
        let ending = ending.min(ENDINGS as u8 - 1);
        let before = std::mem::replace(&mut known.ending, ending);
        let family = known.family;
        if let Some(family) = self.families.iter_mut().find(|own| own.id == family) {
            family.endings[usize::from(before)] = family.endings[usize::from(before)].saturating_sub(1);
            family.endings[usize::from(ending)] += 1;
        }
        true
    }

    fn nearest(&self, x: &Fingerprint) -> Option<(usize, f64)> {
        if x.is_empty() {
            return None;
        }
        let reach = self.params.reach;
        let away = self.families.iter().enumerate().map(|(nth, family)| (nth, family, family.off_centre(x)));
        let near = away
            .filter(|(_, family, away)| *away <= reach && family.founder.distance(x) <= FROM_FOUNDER * reach);
        near.min_by(|a, b| a.2.total_cmp(&b.2)).map(|(nth, _, away)| (nth, away))
    }

    /// If all places are taken, the family seen least often goes, of those the one not seen for longest, with its incidents.
    fn make_room(&mut self) -> Option<u128> {
        if self.families.len() < self.params.families_max {
            return None;
        }
        let by_use = |(_, a): &(usize, &Family), (_, b): &(usize, &Family)| {
            (a.members.min(2), a.last_at).cmp(&(b.members.min(2), b.last_at))
        };
        let (nth, _) = self.families.iter().enumerate().min_by(by_use)?;
        let gone = self.families.remove(nth).id;
        self.remembered.retain(|known| known.family != gone);
        Some(gone)
    }

    fn remember(&mut self, incident: Remembered) {
        if self.remembered.len() >= self.params.incidents_max {
            self.remembered.pop_front();
        }
        self.remembered.push_back(incident);
    }
}
