//! Buckets of histogram points: lists of bounds and counts, packed or one by one.
//!
//! What this module does not do: know what the counts belong to.

use super::error::WireFault;
use super::wire::{Known, Reader, bytes, varint};

/// Numbers of a packed list.
pub(super) fn packed<T>(
    packed: &[u8],
    list: &mut Vec<T>,
    of: impl Fn([u8; 8]) -> T,
) -> Result<(), WireFault> {
    let (chunks, rest) = packed.as_chunks();
    list.extend(chunks.iter().map(|chunk| of(*chunk)));
    if rest.is_empty() { Ok(()) } else { Err(WireFault::Truncated) }
}

const OFFSET: u32 = varint(1);
const BUCKETS: u32 = bytes(2);
const ONE_BUCKET: u32 = varint(2);

/// Reads one side of an exponential histogram into `counts`; the index of its first bucket.
pub(super) fn buckets(message: &[u8], counts: &mut Vec<u64>) -> Result<i32, WireFault> {
    let mut offset = 0;
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            OFFSET => offset = reader.sint32()?,
            BUCKETS => packed_varints(reader.bytes()?, counts)?,
            ONE_BUCKET => counts.push(reader.varint()?),
            other => reader.skip(other, Known::of(&[OFFSET, BUCKETS]))?,
        }
    }
    Ok(offset)
}

/// Numbers of a packed list of varints. Neighbours are often of one size, so eight bytes are looked at together.
fn packed_varints(packed: &[u8], list: &mut Vec<u64>) -> Result<(), WireFault> {
    /// The mark that more bytes follow, in every byte, and in the first of two.
    const MORE: u64 = 0x8080_8080_8080_8080;
    const MORE_OF_TWO: u64 = 0x0080_0080_0080_0080;
    let mut reader = Reader::of(packed);
    while let Some((eight, rest)) = reader.rest().split_first_chunk() {
        let word = u64::from_le_bytes(*eight);
        match word & MORE {
            0 => list.extend_from_slice(&eight.map(u64::from)),
            MORE_OF_TWO => {
                let four = (word & 0x007f_007f_007f_007f) | ((word >> 1) & 0x3f80_3f80_3f80_3f80);
                list.extend_from_slice(&[0, 16, 32, 48].map(|shift| (four >> shift) & 0xffff));
            }
            _ => {
                list.push(reader.varint()?);
                continue;
            }
        }
        reader = Reader::of(rest);
    }
    while !reader.rest().is_empty() {
        list.push(reader.varint()?);
    }
    Ok(())
}

/// Why explicit buckets cannot be used.
pub(super) fn buckets_fault(bounds: &[f64], counts: &[u64]) -> Option<&'static str> {
    if !counts.is_empty() && counts.len() != bounds.len() + 1 {
        return Some("buckets_do_not_fit_bounds");
    }
    // of two and more, NaN never rises
    let one_is_nan = bounds.len() == 1 && bounds.iter().any(|bound| bound.is_nan());
    (one_is_nan || !bounds.is_sorted_by(|a, b| a < b)).then_some("bounds_do_not_rise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(numbers: &[u64]) -> Vec<u8> {
        let mut packed = Vec::new();
        for &number in numbers {
            let mut rest = number;
            while rest >= 0x80 {
                packed.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            packed.push(rest as u8);
        }
        packed
    }

    /// Runs of numbers of one size, as neighbouring buckets are.
    fn runs() -> impl Strategy<Value = Vec<u64>> {
        let sizes = prop_oneof![0u64..0x80, 0x80u64..0x4000, 0x4000u64..1 << 40, any::<u64>()];
        let run = (sizes, 1..12usize).prop_map(|(first, n)| (0..n as u64).map(move |nth| first ^ (nth & 3)));
        proptest::collection::vec(run, 0..6).prop_map(|runs| runs.into_iter().flatten().collect())
    }

    /// Scenario: lists that fit and lists that do not. Guarantees: bounds must rise; NaN does not, not even alone.
    #[test]
    fn bounds_rise_or_the_fault_is_named() {
        let rise = Some("bounds_do_not_rise");
        for (bounds, counts, expected) in [
            (&[][..], &[][..], None),
            (&[0.1, 0.2], &[1, 2, 3], None),
            (&[f64::NEG_INFINITY, f64::INFINITY], &[1, 2, 3], None),
            (&[0.1, 0.2], &[1, 2], Some("buckets_do_not_fit_bounds")),
            (&[0.2, 0.2], &[1, 2, 3], rise),
            (&[f64::NAN], &[0, 0], rise),
            (&[0.1, f64::NAN], &[1, 2, 3], rise),
        ] {
            assert_eq!(buckets_fault(bounds, counts), expected, "{bounds:?} {counts:?}");
        }
    }

    proptest! {
        /// Scenario: packed numbers in runs of one size, whole and cut at any byte. Guarantees: they come back as they
        /// were; a cut inside a number is refused, a cut between two gives those before it.
        #[test]
        fn packed_numbers_come_back(numbers in runs(), at in any::<prop::sample::Index>()) {
            let packed = encoded(&numbers);
            let mut list = vec![7];
            prop_assert_eq!(packed_varints(&packed, &mut list), Ok(()));
            prop_assert_eq!(&list[1..], &numbers[..]);
            let cut = &packed[..at.index(packed.len() + 1)];
            let whole = cut.iter().filter(|byte| **byte < 0x80).count();
            let mut list = Vec::new();
            let read = packed_varints(cut, &mut list);
            if cut.last().is_none_or(|last| *last < 0x80) {
                prop_assert_eq!((read, &list[..]), (Ok(()), &numbers[..whole]));
            } else {
                prop_assert_eq!(read, Err(WireFault::Truncated));
            }
        }
    }
}
