//! Attribute values and bodies.

use std::fmt::Write as _;
use std::sync::Arc;

use super::error::WireFault;
use super::texts::Texts;
use super::wire::{Known, Reader, bytes, fixed64, is_ascii, varint};
use crate::batch::{AttributeValue, Attributes};

/// The deepest nesting of values that a decoder can be set to, and that attributes are read to later.
pub(crate) const DEPTH_MAX: u32 = 100;

const KEY: u32 = bytes(1);
const VALUE: u32 = bytes(2);
const KEY_INDEX: u32 = varint(3);
const PAIR: Known = Known::of(&[KEY, VALUE, KEY_INDEX]);

const TEXT: u32 = bytes(1);
const BOOL: u32 = varint(2);
const INT: u32 = varint(3);
const DOUBLE: u32 = fixed64(4);
const LIST: u32 = bytes(5);
const MAP: u32 = bytes(6);
const BYTES: u32 = bytes(7);
const TEXT_INDEX: u32 = varint(8);
const ANY: Known = Known::of(&[TEXT, BOOL, INT, DOUBLE, LIST, MAP, BYTES, TEXT_INDEX]);

/// The one field of a list and of a map.
const ITEM: u32 = bytes(1);
const ITEMS: Known = Known::of(&[ITEM]);

/// A value as it stands in the bytes.
enum Content<'a> {
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Float(f64),
    List(&'a [u8]),
    Map(&'a [u8]),
    Bytes(&'a [u8]),
    /// The index of a text in a table that only profiles have.
    Index,
}

fn content(message: &[u8]) -> Result<Option<Content<'_>>, WireFault> {
    let mut found = None;
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        let content = match tag {
            TEXT => Content::Text(reader.bytes()?),
            BOOL => Content::Bool(reader.bool()?),
            INT => Content::Int(reader.varint()? as i64),
            DOUBLE => Content::Float(reader.double()?),
            LIST => Content::List(reader.bytes()?),
            MAP => Content::Map(reader.bytes()?),
            BYTES => Content::Bytes(reader.bytes()?),
            TEXT_INDEX => {
                reader.varint()?;
                Content::Index
            }
            other => {
                reader.skip(other, ANY)?;
                continue;
            }
        };
        if found.replace(content).is_some() {
            return Err(WireFault::Repeated);
        }
    }
    Ok(found)
}

/// A key and the encoded value of a `KeyValue`.
fn pair(message: &[u8]) -> Result<(&[u8], &[u8]), WireFault> {
    let (mut key, mut value): (&[u8], Option<&[u8]>) = (&[], None);
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            KEY if !key.is_empty() => return Err(WireFault::Repeated),
            KEY => key = reader.bytes()?,
            VALUE if value.is_some() => return Err(WireFault::Repeated),
            VALUE => value = Some(reader.bytes()?),
            KEY_INDEX => reader.varint().map(|_| ())?,
            other => reader.skip(other, PAIR)?,
        }
    }
    Ok((key, value.unwrap_or_default()))
}

fn text(bytes: &[u8]) -> Result<&str, WireFault> {
    std::str::from_utf8(bytes).map_err(|_| WireFault::Utf8)
}

/// The messages in a list or map.
fn items(message: &[u8], mut each: impl FnMut(&[u8]) -> Result<(), WireFault>) -> Result<(), WireFault> {
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            ITEM => each(reader.bytes()?)?,
            other => reader.skip(other, ITEMS)?,
        }
    }
    Ok(())
}

/// The key-value messages in a run of fields, whatever the fields' number.
fn pairs(run: &[u8], mut each: impl FnMut(&[u8]) -> Result<(), WireFault>) -> Result<(), WireFault> {
    let mut reader = Reader::of(run);
    while reader.tag()?.is_some() {
        each(reader.bytes()?)?;
    }
    Ok(())
}

/// Decoded attributes out of a run of `KeyValue` fields (each with tag and length). Empty values are left out.
pub(super) fn attributes(run: &[u8], depth: u32, texts: &mut Texts) -> Result<Attributes, WireFault> {
    let mut decoded: Vec<(Arc<str>, AttributeValue)> = Vec::new();
    pairs(run, |message| {
        let (key, value) = pair(message)?;
        let key = texts.shared(text(key)?);
        match any_value(value, depth)? {
            Some(AttributeValue::Text(text)) => {
                decoded.push((key, AttributeValue::Text(texts.shared(&text))))
            }
            Some(value) => decoded.push((key, value)),
            None => {}
        }
        Ok(())
    })?;
    Ok(Attributes::new(decoded))
}

/// An `AnyValue`; `None` if it is empty.
pub(super) fn any_value(message: &[u8], depth_left: u32) -> Result<Option<AttributeValue>, WireFault> {
    let below = depth_left.checked_sub(1).ok_or(WireFault::Depth)?;
    let Some(content) = content(message)? else { return Ok(None) };
    let json = |write: &dyn Fn(&mut String) -> Result<(), WireFault>| {
        let mut json = String::new();
        write(&mut json)?;
        Ok(AttributeValue::Json(json.into()))
    };
    Ok(Some(match content {
        Content::Text(bytes) => AttributeValue::Text(text(bytes)?.into()),
        Content::Bool(truth) => AttributeValue::Bool(truth),
        Content::Int(number) => AttributeValue::Int(number),
        Content::Float(number) => AttributeValue::Float(number),
        Content::List(list) => json(&|json| write_list(json, list, below))?,
        Content::Map(map) => json(&|json| write_map(json, map, below))?,
        Content::Bytes(bytes) => json(&|json| {
            write_hex(json, bytes);
            Ok(())
        })?,
        Content::Index => return Ok(None),
    }))
}

/// A body: its text as it is, or canonical JSON of any other kind of value, appended to `column`; whether it was text.
/// An empty body is an empty text. Texts are not checked for UTF-8.
pub(super) fn body(message: &[u8], depth_left: u32, column: &mut Vec<u8>) -> Result<bool, WireFault> {
    if let [tag, length @ ..0x80, text @ ..] = message
        && u32::from(*tag) == TEXT
        && text.len() == usize::from(*length)
    {
        column.extend_from_slice(text);
        return Ok(true);
    }
    if let Some(Content::Text(text)) = content(message)? {
        column.extend_from_slice(text);
        return Ok(true);
    }
    match any_value(message, depth_left)? {
        None => Ok(true),
        Some(value) => {
            column.extend_from_slice(value.to_string().as_bytes());
            Ok(false)
        }
    }
}

fn write_text(json: &mut String, text: &str) {
    match serde_json::to_string(text) {
        Ok(quoted) => json.push_str(&quoted),
        Err(_) => json.push_str("\"\""),
    }
}

fn write_value(json: &mut String, value: Option<&AttributeValue>) {
    match value {
        None => json.push_str("null"),
        Some(AttributeValue::Text(text)) => write_text(json, text),
        Some(AttributeValue::Json(text)) => json.push_str(text),
        Some(AttributeValue::Float(number)) if !number.is_finite() => write_text(json, &number.to_string()),
        Some(other) => {
            // writing to a String cannot fail
            write!(json, "{other}").ok();
        }
    }
}

fn write_hex(json: &mut String, bytes: &[u8]) {
    json.push('"');
    for byte in bytes {
        write!(json, "{byte:02x}").ok();
    }
    json.push('"');
}

fn write_list(json: &mut String, message: &[u8], below: u32) -> Result<(), WireFault> {
    let mut opening = '[';
    items(message, |item| {
        json.push(std::mem::replace(&mut opening, ','));
        write_value(json, any_value(item, below)?.as_ref());
        Ok(())
    })?;
    json.push_str(if opening == '[' { "[]" } else { "]" });
    Ok(())
}

fn write_map(json: &mut String, message: &[u8], below: u32) -> Result<(), WireFault> {
    let mut entries: Vec<(String, Option<AttributeValue>)> = Vec::new();
    items(message, |item| {
        let (key, value) = pair(item)?;
        entries.push((text(key)?.to_owned(), any_value(value, below)?));
        Ok(())
    })?;
    // sorted, so that the same map always gives the same text
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    json.push('{');
    for (idx, (key, value)) in entries.iter().enumerate() {
        if idx > 0 {
            json.push(',');
        }
        write_text(json, key);
        json.push(':');
        write_value(json, value.as_ref());
    }
    json.push('}');
    Ok(())
}

/// Checks a run of `KeyValue` fields, so that reading them later cannot fail.
pub(super) fn check_run(run: &[u8], depth: u32) -> Result<(), WireFault> {
    pairs(run, |message| check_pair(message, depth))
}

/// Checks a `KeyValue`.
#[inline(always)]
pub(super) fn check_pair(message: &[u8], depth: u32) -> Result<(), WireFault> {
    if is_plain(message) { Ok(()) } else { check_any_pair(message, depth) }
}

/// Whether it is a key and a text or a whole number, in this order, each shorter than 126 bytes and ASCII: nearly all
/// are.
#[inline(always)]
fn is_plain(message: &[u8]) -> bool {
    let Some((&[tag, key_bytes], rest)) = message.split_first_chunk() else { return false };
    let Some((key, rest)) = rest.split_at_checked(usize::from(key_bytes)) else { return false };
    let Some((&[value_tag, value_bytes, kind_tag, first], rest)) = rest.split_first_chunk() else {
        return false;
    };
    // a length of one byte is its own varint
    let tags = [u32::from(tag), u32::from(value_tag)] == [KEY, VALUE] && key_bytes < 0x80;
    let whole = value_bytes < 0x80 && rest.len() + 2 == usize::from(value_bytes);
    match u32::from(kind_tag) {
        TEXT => tags && whole && first < 0x80 && rest.len() == usize::from(first) && is_ascii(message),
        INT => tags && whole && is_one_varint(first, rest) && is_ascii(key),
        _ => false,
    }
}

/// Whether a varint of up to two bytes is all there is.
#[inline(always)]
fn is_one_varint(first: u8, rest: &[u8]) -> bool {
    match rest {
        [] => first < 0x80,
        [second] => first >= 0x80 && *second < 0x80,
        _ => false,
    }
}

#[inline(never)]
fn check_any_pair(message: &[u8], depth: u32) -> Result<(), WireFault> {
    let (key, value) = pair(message)?;
    text(key)?;
    check(value, depth)
}

/// Whether an `AnyValue` can be read, without making anything of it.
pub(super) fn check(message: &[u8], depth_left: u32) -> Result<(), WireFault> {
    let below = depth_left.checked_sub(1).ok_or(WireFault::Depth)?;
    match content(message)? {
        Some(Content::Text(bytes)) => text(bytes).map(|_| ()),
        Some(Content::List(list)) => items(list, |item| check(item, below)),
        Some(Content::Map(map)) => items(map, |item| check_any_pair(item, below)),
        _ => Ok(()),
    }
}

/// Key and encoded value of the fields in a run, in the order in which they stood; ends at the first malformed one.
pub(crate) fn checked_pairs(run: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut reader = Reader::of(run);
    std::iter::from_fn(move || {
        reader.tag().ok()??;
        pair(reader.bytes().ok()?).ok()
    })
}

/// The text of an encoded value; `None` if it is none.
pub(crate) fn text_of(value: &[u8]) -> Option<&str> {
    match content(value).ok()? {
        Some(Content::Text(bytes)) => text(bytes).ok(),
        _ => None,
    }
}

/// An encoded value that was checked.
pub(crate) fn value_of(value: &[u8]) -> Option<AttributeValue> {
    any_value(value, DEPTH_MAX).ok()?
}
