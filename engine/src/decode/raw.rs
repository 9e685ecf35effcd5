//! Reading of attributes that were left encoded.

use super::value::{checked_pairs, text_of, value_of};
use crate::batch::{AttributeValue, RawAttributes, RawValue};

impl<'a> RawAttributes<'a> {
    /// The values of several keys, in one walk over the attributes.
    ///
    /// ```
    /// use engine::batch::RawAttributes;
    /// let [route, status] = RawAttributes(b"").pick(["http.route", "http.response.status_code"]);
    /// assert!(route.is_none() && status.is_none());
    /// ```
    #[must_use]
    pub fn pick<const N: usize>(self, keys: [&str; N]) -> [Option<RawValue<'a>>; N] {
        let mut picked = [None; N];
        // most keys are told apart by their length already
        let length_of = |key: &[u8]| 1u64 << key.len().min(63);
        let lengths = keys.iter().fold(0, |all, key| all | length_of(key.as_bytes()));
        for (known, value) in checked_pairs(self.0) {
            if lengths & length_of(known) == 0 {
                continue;
            }
            if let Some(place) = keys.iter().position(|key| key.as_bytes() == known) {
                // of two with the same key the first counts
                picked[place].get_or_insert(RawValue(value));
            }
        }
        picked
    }

    /// The value of a key.
    #[must_use]
    pub fn get(self, key: &str) -> Option<AttributeValue> {
        let [value] = self.pick([key]);
        value?.get()
    }

    /// The text of a key; `None` if it is absent or no text.
    #[must_use]
    pub fn text(self, key: &str) -> Option<&'a str> {
        let [value] = self.pick([key]);
        value?.text()
    }

    /// The whole number of a key (also one written as text).
    #[must_use]
    pub fn int(self, key: &str) -> Option<i64> {
        let [value] = self.pick([key]);
        value?.int()
    }

    /// All of them, in the order in which they stood.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, AttributeValue)> {
        checked_pairs(self.0)
            .filter_map(|(key, value)| Some((std::str::from_utf8(key).ok()?, value_of(value)?)))
    }
}

impl<'a> RawValue<'a> {
    /// The value; `None` if it is empty.
    #[must_use]
    pub fn get(self) -> Option<AttributeValue> {
        value_of(self.0)
    }

    /// Its text; `None` if it is no text.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        text_of(self.0)
    }

    /// Its whole number (also one written as text).
    #[must_use]
    pub fn int(self) -> Option<i64> {
        match text_of(self.0) {
            Some(text) => text.parse().ok(),
            None => value_of(self.0)?.as_int(),
        }
    }
}
