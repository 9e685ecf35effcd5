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
pub(super) fn moved(
    masses: &mut Masses,
    (low, scale): (f32, f32),
    (new_low, new_scale): (f32, f32),
    draw: u32,
) {
    let old = core::mem::replace(masses, [0; NODES]);
    for (nth, mass) in old.into_iter().enumerate().filter(|(_, mass)| *mass > 0) {
        let place = (low + nth as f32 / scale - new_low) * new_scale;
        add(masses, place, mass, draw.rotate_left(3 * nth as u32));
    }
}

/// Whether a place lies outside of the range by no more than a cell.
#[inline]
pub(super) fn is_near(place: f32) -> bool {
    (-1.0..=LAST + 1.0).contains(&place)
}

/// Moves masses as the range widens up to a place outside of it, but near. What nearly every point of a young series that rises
/// or falls asks for, so it is done in whole numbers and without a question: cells shrink towards the end that stays, and
/// what lies n cells from it goes n steps that way, less than a cell.
#[inline]
pub(super) fn widened(masses: &mut Masses, place: f32, draw: u32) {
    let beyond = (-place).max(place - LAST);
    // in 65536ths of a cell
    let step = u32::from(whole(65_536.0 * beyond / (LAST + beyond), draw));
    let draw = draw.wrapping_mul(0x9e37_79b1) >> 16;
    // of a node's mass, rounded by draws a golden section apart; neither factor is above 65535, so nothing overflows
    let goes = |mass: u16, cells: usize| {
        let draw = (draw + cells as u32 * 40_503) % 65_536;
        ((u32::from(mass) * (step * cells as u32) + draw) >> 16) as u16
    };
    if place < 0.0 {
        for nth in (0..NODES - 1).rev() {
            let goes = goes(masses[nth], NODES - 1 - nth);
            masses[nth] -= goes;
            masses[nth + 1] = masses[nth + 1].saturating_add(goes);
        }
    } else {
        for nth in 1..NODES {
            let goes = goes(masses[nth], nth);
            masses[nth] -= goes;
            masses[nth - 1] = masses[nth - 1].saturating_add(goes);
        }
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
    use proptest::prelude::*;

    use super::*;

    /// Scenario: visits of a third of the way between two nodes, one unit or a part of a unit at a time; halving.
    /// Guarantees: sums are exact, shares right on average; nothing is lost when the range grows.
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
        moved(&mut masses, (0.0, 1.0), (-3.0, 0.25), draw(1));
        assert_eq!(masses.iter().map(|mass| u32::from(*mass)).sum::<u32>(), units);
        halve(&mut masses, draw(5));
        let half = masses.iter().map(|mass| u32::from(*mass)).sum::<u32>();
        assert!(half.abs_diff(units / 2) <= NODES as u32, "{half} of {units}");
        assert_eq!(faint_ends(&masses), (0, 1));
    }

    /// Where masses would lie after a range has widened to `place`, if they could be divided.
    fn divided(masses: &Masses, place: f32) -> [f64; NODES] {
        let (low, high) = (f64::from(place.min(0.0)), f64::from(place.max(LAST)));
        let mut divided = [0.0; NODES];
        for (nth, mass) in masses.iter().enumerate() {
            let place = (nth as f64 - low) * f64::from(LAST) / (high - low);
            let node = (place as usize).min(NODES - 2);
            divided[node] += f64::from(*mass) * (node as f64 + 1.0 - place);
            divided[node + 1] += f64::from(*mass) * (place - node as f64);
        }
        divided
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Scenario: any masses, in a range that widens at either end, by next to nothing up to a cell; two thousand draws.
        /// Guarantees: sums are exact; each draw is right to a few units, their mean to a part of one, also where a mass is so
        /// small and the step so short that no unit should move; with `moved` it is the same.
        #[test]
        fn widening_is_right_on_average(
            masses in prop::array::uniform11(prop_oneof![Just(0_u16), 0..40_u16, 0..5_000_u16]),
            beyond in 0.0..1.0_f32,
            decimals in 0..5_i32,
            is_upper in any::<bool>(),
        ) {
            let beyond = beyond * 0.1_f32.powi(decimals);
            let (place, low) = if is_upper { (LAST + beyond, 0.0) } else { (-beyond, -beyond) };
            prop_assume!(!is_inside(place));
            let expected = divided(&masses, place);
            for is_moved in [false, true] {
                let mut means = [0.0; NODES];
                for nth in 0..2_000 {
                    let mut widened_to = masses;
                    if is_moved {
                        moved(&mut widened_to, (0.0, 1.0), (low, LAST / (LAST + beyond)), draw(nth));
                    } else {
                        widened(&mut widened_to, place, draw(nth));
                    }
                    let sum = |masses: &Masses| masses.iter().map(|mass| u32::from(*mass)).sum::<u32>();
                    prop_assert_eq!(sum(&widened_to), sum(&masses));
                    for (node, mass) in widened_to.iter().enumerate() {
                        prop_assert!((f64::from(*mass) - expected[node]).abs() < 4.0, "{widened_to:?} {expected:?}");
                        means[node] += f64::from(*mass) / 2_000.0;
                    }
                }
                for (mean, expected) in means.iter().zip(expected) {
                    prop_assert!((mean - expected).abs() < 0.1, "{is_moved} {means:?} {expected}");
                }
            }
        }
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
