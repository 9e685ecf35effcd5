//! The middle of some values: the mean of the two in the middle where their number is even, 0 of none.
//!
//! What this module does not do: leave values out; NaN is the caller's business.

/// The median; changes the order of the values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    let (low, mid, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *mid;
    if low.is_empty() || values.len() % 2 == 1 {
        return upper;
    }
    let lower = values.iter().take(middle).copied().fold(f64::NEG_INFINITY, f64::max);
    0.5 * (lower + upper)
}

/// The median of values that are sorted.
pub(crate) fn median_of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2, middle.checked_sub(1).and_then(|before| sorted.get(before)))
    {
        (Some(upper), 0, Some(lower)) => 0.5 * (lower + upper),
        (Some(value), ..) => *value,
        (None, ..) => 0.0,
    }
}
