//! Tests of the sketch.

use proptest::prelude::*;

use super::*;

fn sketch_of(values: &[u64]) -> LatencySketch {
    let mut sketch = LatencySketch::default();
    for value in values {
        sketch.add(*value, 1);
    }
    sketch
}

/// Scenario: the smallest, the largest and neighbouring values. Guarantees: no overflow, keys rise with values, and a
/// bucket's value is within 1 % of what went in.
#[test]
fn every_value_has_a_bucket_within_one_per_cent() {
    for value in [1, 2, 3, 10, 99, 100, 101, 1_000_000, 60_000_000, u64::MAX / 2, u64::MAX] {
        let back = value_of(key_of(value));
        let off = (back - value as f64).abs() / value as f64;
        assert!(off <= RELATIVE_ERROR + 1e-6, "{value} came back as {back}");
    }
    assert_eq!(sketch_of(&[0, 0]).quantile(1.0), Some(0.0));
    assert_eq!(LatencySketch::default().quantile(0.5), None);
}

/// Scenario: explicit buckets in seconds, with counts in the lowest and in the endless bucket. Guarantees: all counts
/// arrive, each within its bucket's bounds.
#[test]
fn explicit_buckets_keep_their_counts_and_places() {
    let layout = BucketLayout::Explicit { bounds: &[0.005, 0.1, 1.0], counts: &[7, 5, 3, 2] };
    let sketch = LatencySketch::from_buckets(&layout, 1e6);
    assert_eq!(sketch.count(), 17);
    for (above_us, expected) in [(1_000, 17), (6_000, 10), (101_000, 5), (1_000_000, 2), (1_100_000, 0)] {
        assert_eq!(sketch.count_above(above_us), expected, "above {above_us}");
    }
    let none = LatencySketch::from_buckets(&BucketLayout::Explicit { bounds: &[], counts: &[4] }, 1e6);
    assert_eq!((none.count(), none.count_above(0)), (4, 0));
}

/// Scenario: exponential buckets with a zero bucket and negative values. Guarantees: all counts arrive, and the
/// quantile lies in the bucket that holds it.
#[test]
fn exponential_buckets_keep_their_counts_and_places() {
    // scale 0: base 2; bucket 3 is (8, 16], bucket 4 is (16, 32]
    let layout = BucketLayout::Exponential {
        scale: 0,
        zero_count: 2,
        positive_offset: 3,
        positive: &[10, 30],
        negative_offset: 0,
        negative: &[1],
    };
    let sketch = LatencySketch::from_buckets(&layout, 1_000.0);
    assert_eq!((sketch.count(), sketch.count_above(16_000)), (43, 30));
    let p90 = sketch.quantile(0.9).unwrap();
    assert!((16_000.0..=32_000.0).contains(&p90), "{p90}");
    let absurd = BucketLayout::Exponential {
        scale: -10,
        zero_count: 0,
        positive_offset: i32::MAX,
        positive: &[1],
        negative_offset: 0,
        negative: &[],
    };
    assert_eq!(LatencySketch::from_buckets(&absurd, 1e6).count(), 1);
}

proptest! {
    /// Scenario: any values. Guarantees: every quantile is within 1 % of the exact one of the same rank.
    #[test]
    fn quantiles_are_within_one_per_cent(
        mut values in prop::collection::vec(1_u64..10_000_000_000, 1..400), q in 0.0_f64..=1.0
    ) {
        let sketch = sketch_of(&values);
        values.sort_unstable();
        let rank = (q * (values.len() - 1) as f64).floor() as usize;
        let exact = values[rank] as f64;
        let given = sketch.quantile(q).unwrap();
        prop_assert!((given - exact).abs() <= exact * (RELATIVE_ERROR + 1e-6), "{given} for {exact}");
    }

    /// Scenario: values over the whole range (so that the lowest collapse), split anywhere, merged in either order.
    /// Guarantees: the same sketch as adding them one by one, and never more buckets than the bound.
    #[test]
    fn merging_is_adding_in_any_order(
        powers in prop::collection::vec((0_u32..64, any::<u64>()), 0..3_000), cut in 0_usize..3_000
    ) {
        let values: Vec<u64> = powers.iter().map(|(shift, bits)| bits >> shift).collect();
        let whole = sketch_of(&values);
        let (left, right) = values.split_at(cut.min(values.len()));
        let (mut there, mut back) = (sketch_of(left), sketch_of(right));
        back.merge(&sketch_of(left));
        there.merge(&sketch_of(right));
        prop_assert_eq!(&there, &whole);
        prop_assert_eq!(&back, &whole);
        prop_assert!(whole.buckets.len() <= BUCKETS_MAX);
        prop_assert_eq!(whole.count(), values.len() as u64);
        let bytes = postcard::to_stdvec(&whole).unwrap();
        prop_assert_eq!(postcard::from_bytes::<LatencySketch>(&bytes).unwrap(), whole);
    }
}
