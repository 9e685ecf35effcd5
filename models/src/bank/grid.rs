//! How often each region of a range was visited, in whole units of 16 bits: the histograms of the hot tier.
//!
//! A place is a position in cells, 0 to [`LAST`]; a visit is split over the two nodes beside it, rounded by a draw so that it
//! is right on average and its sum exact. Not done here: where the range lies, and what a visit weighs.

/// Nodes of a view.
pub(super) const NODES: usize = 11;
/// Place of the last node.
pub(super) const LAST: f32 = (NODES - 1) as f32;
/// Rounding of a place at the upper end.
const TOLERANCE: f32 = 1e-4;

/// Units at each node.
pub(super) type Masses = [u16; NODES];

/// Whether a place lies in the range. A range of one value gives NaN for it and infinities for all others.
#[inline]
pub(super) fn is_inside(place: f32) -> bool {
    place.is_nan() || (0.0..=LAST + TOLERANCE).contains(&place)
}

/// The node at or below a place within the range, and the part of the way to the next one.
#[inline]
fn node(place: f32) -> (usize, f32) {
    let place = place.clamp(0.0, LAST);
    let node = (place as usize).min(NODES - 2);
    // NaN is the node itself
    (node, (place - node as f32).max(0.0))
}

/// Interpolated units at a place; none outside the range.
#[inline]
pub(super) fn mass(masses: &Masses, place: f32) -> f32 {
    let (node, part) = node(place);
    let between = f32::from(masses[node]) * (1.0 - part) + f32::from(masses[node + 1]) * part;
    if is_inside(place) { between } else { 0.0 }
}

/// A number that is as good as random for each `nth` (C. Wellons' `lowbias32`).
#[inline]
pub(super) fn draw(nth: u32) -> u32 {
    let mixed = (nth ^ (nth >> 16)).wrapping_mul(0x7feb_352d);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846c_a68b);
    mixed ^ (mixed >> 16)
}

/// One of the two whole numbers beside `units`, on average `units`.
#[inline]
pub(super) fn whole(units: f32, draw: u32) -> u16 {
    (units + (draw >> 8) as f32 / 16_777_216.0) as u16
}

/// Adds a visit.
#[inline]
pub(super) fn add(masses: &mut Masses, place: f32, units: u16, draw: u32) {
    let (node, part) = node(place);
    let upper = whole(f32::from(units) * part, draw).min(units);
    masses[node] = masses[node].saturating_add(units - upper);
    masses[node + 1] = masses[node + 1].saturating_add(upper);
}

/// Half of everything; odd units are rounded by a bit of the draw each.
pub(super) fn halve(masses: &mut Masses, draw: u32) {
    for (nth, mass) in masses.iter_mut().enumerate() {
        *mass = *mass / 2 + (*mass & (draw >> nth) as u16 & 1);
    }
}

/// Outer cells without any mass at the lower and the upper end, at most one each.
pub(super) fn faint_ends(masses: &Masses) -> (u8, u8) {
    let is_faint = |node: usize| u8::from(masses[node] == 0 && masses[node + 1] == 0);
    (is_faint(0), is_faint(NODES - 2))
}

/// Moves masses from one range, given as lower end and cells per unit, to another.
pub(super) fn moved(masses: &mut Masses, (low, scale): (f32, f32), (new_low, new_scale): (f32, f32)) {
    let (shift, stretch) = ((low - new_low) * new_scale, new_scale / scale);
    let reach = |drift: f32| drift.abs() <= 1.0;
    // a range of one value has no cells: then these are no numbers
    if reach(shift) && reach(shift + LAST * (stretch - 1.0)) {
        return drifted(masses, (shift, stretch - 1.0));
    }
    let old = core::mem::replace(masses, [0; NODES]);
    for (nth, mass) in old.into_iter().enumerate().filter(|(_, mass)| *mass > 0) {
        let place = (low + nth as f32 / scale - new_low) * new_scale;
        add(masses, place, mass, 1 << 31);
    }
}

/// Moves masses by at most a cell each, all nodes at once: what nearly every point of a young series that rises or falls asks for.
fn drifted(masses: &mut Masses, (shift, growth): (f32, f32)) {
    // one node beside either end, so that no place needs a question
    let (mut down, mut up) = ([0_u16; NODES + 2], [0_u16; NODES + 2]);
    for (nth, mass) in masses.iter_mut().enumerate() {
        let place = (nth as f32 + shift + nth as f32 * growth).clamp(0.0, LAST);
        let drift = place - nth as f32;
        let stays = (f32::from(*mass) * (1.0 - drift.abs()) + 0.5) as u16;
        let goes = *mass - stays;
        *mass = stays;
        down[nth] = if drift < 0.0 { goes } else { 0 };
        up[nth + 2] = if drift < 0.0 { 0 } else { goes };
    }
    for (nth, mass) in masses.iter_mut().enumerate() {
        *mass = mass.saturating_add(down[nth + 1] + up[nth + 1]);
    }
}

/// Masses as bytes, so that a saved series has a fixed size.
pub(super) mod fixed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Masses, NODES};

    pub(in super::super) fn serialize<S: Serializer, const N: usize>(
        masses: &[Masses; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error>
    where
        [[[u8; 2]; NODES]; N]: Serialize,
    {
        masses.map(|masses| masses.map(u16::to_le_bytes)).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[Masses; N], D::Error>
    where
        [[[u8; 2]; NODES]; N]: Deserialize<'de>,
    {
        let bytes = <[[[u8; 2]; NODES]; N]>::deserialize(deserializer)?;
        Ok(bytes.map(|masses| masses.map(u16::from_le_bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: visits of a third of the way between two nodes, one unit or a part of a unit at a time; halving.
    /// Guarantees: sums are exact, shares right on average; nothing is lost when the range grows or is halved.
    #[test]
    fn units_are_right_on_average() {
        let mut masses = [0; NODES];
        let mut units = 0_u32;
        for nth in 0..30_000 {
            let visit = whole(0.3, draw(nth));
            units += u32::from(visit);
            add(&mut masses, 2.0 + 1.0 / 3.0, visit, draw(nth).rotate_left(9));
        }
        assert!((f64::from(units) / 9000.0 - 1.0).abs() < 0.02, "{units}");
        assert_eq!(masses.iter().map(|mass| u32::from(*mass)).sum::<u32>(), units);
        assert!((f64::from(masses[2]) / 6000.0 - 1.0).abs() < 0.03, "{masses:?}");
        moved(&mut masses, (0.0, 1.0), (-3.0, 0.25));
        assert_eq!(masses.iter().map(|mass| u32::from(*mass)).sum::<u32>(), units);
        let before = masses;
        moved(&mut masses, (-3.0, 0.25), (-3.0, 0.24));
        assert_eq!(masses.iter().map(|mass| u32::from(*mass)).sum::<u32>(), units);
        moved(&mut masses, (-3.0, 0.24), (-3.0, 0.25));
        assert!(
            masses.iter().zip(before).all(|(mass, was)| mass.abs_diff(was) < was / 5 + 600),
            "{masses:?} {before:?}"
        );
        halve(&mut masses, draw(5));
        let half = masses.iter().map(|mass| u32::from(*mass)).sum::<u32>();
        assert!(half.abs_diff(units / 2) <= NODES as u32, "{half} of {units}");
        assert_eq!(faint_ends(&masses), (0, 1));
    }

    /// Scenario: places in, at the ends of and outside a range, and in a range of one value.
    /// Guarantees: interpolation inside, nothing outside.
    #[test]
    fn outside_there_is_nothing() {
        let mut masses = [0; NODES];
        add(&mut masses, 0.0, 8, 0);
        add(&mut masses, LAST, 4, 0);
        assert_eq!(mass(&masses, 0.5), 4.0);
        assert_eq!((mass(&masses, LAST), mass(&masses, LAST + 1e-5)), (4.0, 4.0));
        assert_eq!((mass(&masses, -0.1), mass(&masses, f32::INFINITY)), (0.0, 0.0));
        assert_eq!(mass(&masses, f32::NAN), 8.0);
    }
}
