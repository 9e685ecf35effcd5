//! A template: the text of a statement, its tokens, and when it was seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::shape::{Kind, Shape, TOKENS_MAX, Token, VALUE, hash};

/// Hash of a template's scope and text: the same after a restart and in every replica.
///
/// ```
/// use models::text::TemplateId;
/// assert_eq!(TemplateId(255).to_string(), "00000000000000ff");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TemplateId(pub u64);

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A set of places among the tokens of a template.
pub(crate) type Places = u128;
const _: () = assert!(TOKENS_MAX < 128, "a place is a bit");

/// What is known of a template.
///
/// ```
/// use models::text::{MinerParams, Shape, TemplateMiner};
/// let mut miner = TemplateMiner::new(&MinerParams::default().check().unwrap());
/// let mut shape = Shape::default();
/// shape.read(b"request 17 failed: upstream timeout after 3000ms");
/// let mined = miner.take(7, &shape, 1_000, 2);
/// let template = miner.template(mined.id).unwrap();
/// assert_eq!(template.text(), "request <*> failed: upstream timeout after <*>");
/// assert_eq!((template.lines, template.first_at), (2, 1_000));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Lines of it so far.
    pub lines: u64,
    /// Event time of the first line.
    pub first_at: i64,
    /// Event time of the newest line.
    pub last_at: i64,
    pub(crate) scope: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) tokens: Vec<Token>,
}

impl Template {
    pub(crate) fn of(scope: u64, shape: &Shape, at: i64) -> Self {
        Self {
            lines: 0,
            first_at: at,
            last_at: at,
            scope,
            bytes: shape.bytes.clone(),
            tokens: shape.tokens.clone(),
        }
    }

    /// The text, with `<*>` for what varies.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn id(&self) -> TemplateId {
        TemplateId(hash(&self.bytes, self.scope))
    }

    pub(crate) fn token(&self, place: usize) -> &[u8] {
        let Some(token) = self.tokens.get(place) else { return &[] };
        self.bytes.get(usize::from(token.from)..usize::from(token.to)).unwrap_or_default()
    }

    /// Whether a word stands alone after a colon, where values stand.
    pub(crate) fn is_after_colon(&self, place: usize) -> bool {
        let before = place.checked_sub(1).map(|before| self.token(before));
        let is_alone = self.tokens.get(place + 1).is_none_or(|next| next.kind != Kind::Word);
        before == Some(b":") && is_alone
    }

    /// Words that are text.
    pub(crate) fn n_words(&self) -> usize {
        self.tokens.iter().filter(|token| token.kind == Kind::Word).count()
    }

    /// The same with everything at `places` a variable.
    pub(crate) fn widened(&self, places: Places) -> Self {
        let mut shape = Shape::default();
        for (place, token) in self.tokens.iter().enumerate() {
            if places >> place & 1 == 1 {
                shape.token(VALUE, Kind::Wide, token.spaced);
            } else {
                shape.token(self.token(place), token.kind, token.spaced);
            }
        }
        Self { bytes: shape.bytes, tokens: shape.tokens, ..self.clone() }
    }
}

/// Hash of what lines of one template share in any case: number of tokens, signs, and where values or words stand.
pub(crate) fn skeleton(scope: u64, bytes: &[u8], tokens: &[Token]) -> u64 {
    let mut signs = [0_u8; TOKENS_MAX + 1];
    for (sign, token) in signs.iter_mut().zip(tokens) {
        *sign = match token.kind {
            Kind::Sign => bytes.get(usize::from(token.from)).copied().unwrap_or(0),
            _ => b'w',
        };
    }
    let n = tokens.len().min(TOKENS_MAX);
    hash(&signs[..n], scope ^ n as u64)
}

/// Where a template and other tokens of the same skeleton differ; a wide place fits anything.
pub(crate) fn differing(template: &Template, bytes: &[u8], tokens: &[Token]) -> Places {
    let mut places = 0;
    for (place, (ours, theirs)) in template.tokens.iter().zip(tokens).enumerate() {
        if ours.kind == Kind::Wide || theirs.kind == Kind::Wide {
            continue;
        }
        let text = bytes.get(usize::from(theirs.from)..usize::from(theirs.to)).unwrap_or_default();
        if ours.kind != theirs.kind || template.token(place) != text {
            places |= 1 << place;
        }
    }
    places
}
