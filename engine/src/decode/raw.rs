//! Reading of attributes that were left encoded.

use super::value::{checked_pairs, text_of, value_of};
use crate::batch::{AttributeValue, RawAttributes};

impl<'a> RawAttributes<'a> {
    /// The value of a key.
    #[must_use]
    pub fn get(self, key: &str) -> Option<AttributeValue> {
        self.encoded(key).and_then(value_of)
    }

    /// The text of a key; `None` if it is absent or no text.
    #[must_use]
    pub fn text(self, key: &str) -> Option<&'a str> {
        self.encoded(key).and_then(text_of)
    }

    /// The whole number of a key (also one written as text).
    #[must_use]
    pub fn int(self, key: &str) -> Option<i64> {
        self.get(key).and_then(|value| value.as_int())
    }

    /// All of them, in the order in which they stood.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, AttributeValue)> {
        checked_pairs(self.0)
            .filter_map(|(key, value)| Some((std::str::from_utf8(key).ok()?, value_of(value)?)))
    }

    fn encoded(self, key: &str) -> Option<&'a [u8]> {
        checked_pairs(self.0).find(|(known, _)| *known == key.as_bytes()).map(|(_, value)| value)
    }
}
