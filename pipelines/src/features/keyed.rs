//! Maps and sets without an order in memory, and with one wherever they are written.
//!
//! What waits for its second to close is looked up once or twice and never walked: an ordered tree would sort at every
//! span what nobody reads sorted. Promises: the hash has no seed, and a saved state is the bytes that an ordered map
//! would give, so that it does not depend on how it came about. What it does not do: give out entries in any order that
//! could show in a row; there is no iterator, and `values` are for sums.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Values by key.
#[derive(Debug, Clone)]
pub(crate) struct Keyed<K, V>(HashMap<K, V, FixedState>);

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Eq + Hash, V: PartialEq> PartialEq for Keyed<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K: Eq + Hash, V> Keyed<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// The value of a key, which is made if there is none.
    pub(crate) fn of(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(new)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain(keep);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// In no order: for what commutes.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }

    /// All of them, by key.
    pub(crate) fn into_sorted(self) -> Vec<(K, V)>
    where
        K: Ord,
    {
        let mut sorted: Vec<_> = self.0.into_iter().collect();
        sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        sorted
    }

    /// In no order: for what commutes.
    pub(crate) fn into_unsorted(self) -> impl Iterator<Item = (K, V)> {
        self.0.into_iter()
    }
}

impl<K: Ord + Serialize, V: Serialize> Serialize for Keyed<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().collect::<BTreeMap<_, _>>())
    }
}

impl<'de, K: Ord + Hash + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Keyed<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|sorted| Self(sorted.into_iter().collect()))
    }
}

/// Keys that were seen.
#[derive(Debug, Clone)]
pub(crate) struct SeenKeys<K>(HashSet<K, FixedState>);

impl<K> Default for SeenKeys<K> {
    fn default() -> Self {
        Self(HashSet::default())
    }
}

impl<K: Eq + Hash> SeenKeys<K> {
    /// Notes a key; whether it is new.
    pub(crate) fn insert(&mut self, key: K) -> bool {
        self.0.insert(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<K: Ord + Serialize> Serialize for SeenKeys<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().collect::<BTreeSet<_>>())
    }
}

impl<'de, K: Ord + Hash + Deserialize<'de>> Deserialize<'de> for SeenKeys<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeSet::deserialize(deserializer).map(|sorted| Self(sorted.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: the same keys put in forwards and backwards, some taken out and put in again, and an ordered map of
    /// them. Guarantees: all three are written as the same bytes, and read back as what they were.
    #[test]
    fn a_state_is_the_same_bytes_however_it_came_about() {
        let ordered: BTreeMap<u128, u32> = (0..1_000u128).map(|n| (n * n % 7_919, n as u32)).collect();
        let (mut forwards, mut backwards) = (Keyed::default(), Keyed::default());
        for (one, other) in ordered.iter().zip(ordered.iter().rev()) {
            assert_eq!(forwards.insert(*one.0, *one.1), None);
            assert_eq!(backwards.insert(*other.0, *other.1), None);
        }
        for (key, value) in ordered.iter().step_by(3) {
            assert_eq!(backwards.remove(key), Some(*value));
            *backwards.of(*key, || 0) = *value;
        }
        let expected = postcard::to_stdvec(&ordered).unwrap();
        for keyed in [forwards, backwards] {
            let bytes = postcard::to_stdvec(&keyed).unwrap();
            assert_eq!(bytes, expected);
            assert!(postcard::from_bytes::<Keyed<u128, u32>>(&bytes).unwrap() == keyed);
            assert!(keyed.into_sorted().into_iter().eq(ordered.clone()));
        }
        let mut seen = SeenKeys::default();
        assert!(ordered.keys().rev().all(|key| seen.insert(*key)) && !seen.insert(0));
        let set: BTreeSet<u128> = ordered.keys().copied().collect();
        assert_eq!(postcard::to_stdvec(&seen).unwrap(), postcard::to_stdvec(&set).unwrap());
    }
}
