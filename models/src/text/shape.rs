//! A line with its values masked, as text and tokens.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a line that are looked at.
pub const LINE_BYTES_MAX: usize = 16_384;
/// Tokens of a line that are kept; the rest of the line is one value.
pub const TOKENS_MAX: usize = 96;
/// What stands for a value.
pub(crate) const VALUE: &[u8] = b"<*>";

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Part of the text.
    Word,
    /// A sign; the same in all lines of a template.
    Sign,
    /// A value, recognised by its looks.
    Value,
    /// A word that takes many values.
    Wide,
}

/// A token of a shape: where it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) kind: Kind,
    pub(crate) spaced: bool,
}

/// A line with its values masked; made once and filled again and again, so that no line costs an allocation.
///
/// ```
/// use models::text::Shape;
/// let mut shape = Shape::default();
/// shape.read(b"GET /api/items/1060 200 120.3ms");
/// assert_eq!(shape.text(), "GET <*>");
/// let key = shape.key();
/// shape.read(b"GET /api/orders 404 3ms");
/// assert_eq!(shape.key(), key);
/// ```
///
/// # Invariants
/// Tokens lie in order in the text, which has at most a few bytes more than the line; neighbouring values are one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shape {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tokens: Vec<Token>,
    #[serde(skip)]
    pub(crate) scratch: Vec<u8>,
}

impl Shape {
    /// The text, with `<*>` for values.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A hash of the text: equal for lines that differ in values alone.
    #[must_use]
    pub fn key(&self) -> u64 {
        hash(&self.bytes, 0)
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.tokens.clear();
    }

    pub(crate) fn of(&self, token: Token) -> &[u8] {
        self.bytes.get(usize::from(token.from)..usize::from(token.to)).unwrap_or_default()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.tokens.len() >= TOKENS_MAX
    }

    /// Adds a token as it stands.
    pub(crate) fn token(&mut self, text: &[u8], kind: Kind, spaced: bool) {
        let spaced = spaced && !self.bytes.is_empty();
        if spaced {
            self.bytes.push(b' ');
        }
        let from = self.bytes.len() as u16;
        self.bytes.extend_from_slice(text);
        self.tokens.push(Token { from, to: self.bytes.len() as u16, kind, spaced });
    }

    /// Takes the last token away.
    pub(crate) fn pop(&mut self) {
        if let Some(last) = self.tokens.pop() {
            self.bytes.truncate(usize::from(last.from) - usize::from(last.spaced));
        }
    }
}

/// A word without the signs that end a clause.
pub(crate) fn trimmed(word: &[u8]) -> &[u8] {
    let end =
        word.iter().rposition(|byte| !matches!(byte, b'.' | b':' | b'!' | b'?')).map_or(0, |last| last + 1);
    if end == 0 { word } else { &word[..end] }
}

pub(crate) fn hash(bytes: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed)
}
