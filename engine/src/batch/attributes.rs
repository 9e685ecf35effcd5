//! Attributes: decoded once for resources and series, left as bytes for spans and logs.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One attribute value. Lists, maps and bytes are kept as canonical JSON text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// Text.
    Text(Arc<str>),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A list, a map or bytes, as canonical JSON.
    Json(Arc<str>),
}

impl AttributeValue {
    /// The text of a text value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of a whole number (or of a text that is one).
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Json(text) => f.write_str(text),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
        }
    }
}

/// Attributes sorted by key; of two with the same key the first stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes(Arc<[(Arc<str>, AttributeValue)]>);

impl Attributes {
    /// Sorts by key and drops repeated keys.
    #[must_use]
    pub fn new(mut pairs: Vec<(Arc<str>, AttributeValue)>) -> Self {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        Self(pairs.into())
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&AttributeValue> {
        self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|at| &self.0[at].1)
    }

    /// The text of `key`; `None` if it is absent or no text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(AttributeValue::as_str)
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Encoded attributes of one span or log record: a concatenation of `KeyValue` fields as they stood in the message
/// (each with its tag and length). Read lazily, because most are never asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawAttributes<'a>(pub &'a [u8]);

/// One encoded value of [`RawAttributes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawValue<'a>(pub(crate) &'a [u8]);
