//! Numbers as they are published.

/// Six significant digits, so that the last bit of a sum never changes a digest. NaN becomes 0, infinities the largest
/// number.
///
/// ```
/// assert_eq!(contract::rounded(0.123_456_789), 0.123_457);
/// assert_eq!(contract::rounded(123_456.789), 123_457.0);
/// assert_eq!(contract::rounded(f64::NAN), 0.0);
/// ```
#[must_use]
pub fn rounded(number: f64) -> f64 {
    if number.is_nan() {
        return 0.0;
    }
    let finite = number.clamp(f64::MIN, f64::MAX);
    // a number that Rust has written, Rust reads; the largest ones may round up to infinity
    format!("{finite:.5e}").parse::<f64>().ok().filter(|rounded| rounded.is_finite()).unwrap_or(finite)
}

#[cfg(test)]
mod tests {
    use super::rounded;

    /// Scenario: numbers of all sizes. Guarantees: six significant digits, and no change the second time.
    #[test]
    fn rounding_keeps_six_digits_and_is_idempotent() {
        for (given, expected) in
            [(1.0 / 3.0, 0.333_333), (0.0, 0.0), (1.234_567_8e-9, 1.234_57e-9), (-9_876_543.0, -9_876_540.0)]
        {
            assert_eq!(rounded(given), expected);
            assert_eq!(rounded(rounded(given)), rounded(given));
        }
        assert!(rounded(f64::MAX).is_finite() && rounded(f64::INFINITY).is_finite());
    }
}
