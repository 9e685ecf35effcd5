//! Reads the few attributes of a span or log record that matter here, in one pass over the encoded bytes.
//!
//! What it does not do: complain. Damaged bytes end the pass; what was found until then stays.

use engine::batch::RawAttributes;

/// A value as it is needed here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RawValue<'a> {
    Text(&'a str),
    Int(i64),
}

impl<'a> RawValue<'a> {
    pub(crate) fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(int),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// The values of `keys`; of a repeated key the first stays.
pub(crate) fn pick<'a, const N: usize>(
    raw: RawAttributes<'a>,
    keys: &[&str; N],
) -> [Option<RawValue<'a>>; N] {
    let mut found = [None; N];
    let mut rest = raw.0;
    while let Some((_, Field::Bytes(pair))) = next_field(&mut rest) {
        let Some((key, value)) = key_value(pair) else { continue };
        if let Some(at) = keys.iter().position(|wanted| *wanted == key)
            && let Some(slot @ None) = found.get_mut(at)
        {
            *slot = Some(value);
        }
    }
    found
}

enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

fn key_value(mut pair: &[u8]) -> Option<(&str, RawValue<'_>)> {
    let (mut key, mut value) = (None, None);
    while let Some(field) = next_field(&mut pair) {
        match field {
            (1, Field::Bytes(bytes)) => key = std::str::from_utf8(bytes).ok(),
            (2, Field::Bytes(bytes)) => value = any_value(bytes),
            _ => {}
        }
    }
    Some((key?, value?))
}

fn any_value(mut bytes: &[u8]) -> Option<RawValue<'_>> {
    match next_field(&mut bytes)? {
        (1, Field::Bytes(text)) => std::str::from_utf8(text).ok().map(RawValue::Text),
        (3, Field::Varint(int)) => Some(RawValue::Int(int as i64)),
        _ => None,
    }
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(rest)?;
    let field = match tag & 7 {
        0 => Field::Varint(varint(rest)?),
        1 => take(rest, 8).map(|_| Field::Other)?,
        2 => {
            let n = usize::try_from(varint(rest)?).ok()?;
            Field::Bytes(take(rest, n)?)
        }
        5 => take(rest, 4).map(|_| Field::Other)?,
        _ => return None,
    };
    Some((tag >> 3, field))
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(n)?;
    *rest = tail;
    Some(head)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
