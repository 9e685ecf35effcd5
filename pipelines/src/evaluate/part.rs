//! Which recordings of a folder are run: all, those that development may look at, or those that it may not.
//!
//! The recordings are put in the order of a hash of their names; every third of that order is held out. The division hangs on
//! nothing but the names in the folder, so it is the same everywhere. The rule that goes with it stands in
//! `docs/held-out.md`. What it does not do: keep anybody from looking.

use std::path::Path;

use clap::ValueEnum;

/// Every so many recordings one is held out.
const EVERY: usize = 3;
/// Of every three in the order of their hashes, the last: of few recordings most stay with development.
const HELD_OUT: usize = 2;

/// A part of a folder of recordings.
///
/// ```
/// use pipelines::evaluate::Part;
/// let names = || ["a", "b", "c", "d"].map(str::to_owned).to_vec();
/// let held_out = Part::HeldOut.of(names(), |name| name.clone());
/// assert_eq!(held_out.len(), 1);
/// let development = Part::Development.of(names(), |name| name.clone());
/// assert!(development.len() == 3 && !development.contains(&held_out[0]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Part {
    /// Every recording
    #[default]
    All,
    /// Two thirds, by a hash of the names: what settings and rules may be chosen on
    Development,
    /// The other third, which nothing is chosen on
    HeldOut,
}

/// A folder, and the part of it that is run.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Where the recordings are.
    pub folder: &'a Path,
    /// Which of them.
    pub part: Part,
}

impl<'a> Selection<'a> {
    /// All of a folder.
    #[must_use]
    pub fn all(folder: &'a Path) -> Self {
        Self { folder, part: Part::All }
    }

    /// The recordings of this part, in the order that they were given in.
    pub(super) fn of<T>(&self, recordings: Vec<T>, name: impl Fn(&T) -> String) -> Vec<T> {
        self.part.of(recordings, name)
    }
}

impl Part {
    /// The recordings of this part, in the order that they were given in.
    pub fn of<T>(self, recordings: Vec<T>, name: impl Fn(&T) -> String) -> Vec<T> {
        if self == Self::All {
            return recordings;
        }
        let keys: Vec<(u64, String)> = recordings.iter().map(|recording| key(&name(recording))).collect();
        let mut order: Vec<usize> = (0..recordings.len()).collect();
        order.sort_by(|&a, &b| keys[a].cmp(&keys[b]));
        let mut wanted = vec![self == Self::Development; recordings.len()];
        for nth in order.into_iter().skip(HELD_OUT).step_by(EVERY) {
            wanted[nth] = self == Self::HeldOut;
        }
        recordings
            .into_iter()
            .zip(wanted)
            .filter_map(|(recording, wanted)| wanted.then_some(recording))
            .collect()
    }
}

/// FNV-1a (G. Fowler, L. Noll, K.-P. Vo, 1991) of the last part of a path, and the name itself, should two hashes be equal.
fn key(name: &str) -> (u64, String) {
    let stem = name.rsplit('/').next().unwrap_or(name);
    let stem = stem.strip_suffix(".csv").unwrap_or(stem);
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    (stem.bytes().fold(0xcbf2_9ce4_8422_2325, step), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: five names in two orders, below a folder and not, and the hash of a known text.
    /// Guarantees: the hash is FNV-1a; each name is in one of the two parts, in the order given; neither the order nor the folder
    /// matters.
    #[test]
    fn every_name_is_in_one_part() {
        assert_eq!(key("a").0, 0xaf63_dc4c_8601_ec8c);
        let names = ["machine-1-6", "machine-2-1", "machine-2-8", "machine-3-3", "machine-3-4"];
        let part = |part: Part, names: &[&'static str]| part.of(names.to_vec(), |name| (*name).to_owned());
        let (held_out, development) = (part(Part::HeldOut, &names), part(Part::Development, &names));
        assert_eq!((held_out.len(), development.len()), (1, 4));
        assert!(names.iter().all(|name| held_out.contains(name) != development.contains(name)));
        assert!(development.is_sorted());
        let backwards: Vec<&str> = names.into_iter().rev().collect();
        assert_eq!(part(Part::HeldOut, &backwards), held_out);
        let below = |name: &&str| format!("set/{name}.csv");
        assert_eq!(Part::HeldOut.of(names.to_vec(), below), held_out);
        assert_eq!(part(Part::All, &names), names);
    }
}
