//! Attribute values and bodies.

use std::fmt::Write as _;
use std::sync::Arc;

use super::error::WireFault;
use super::wire::{Fields, Value};
use crate::batch::{AttributeValue, Attributes, RawAttributes};

/// A key and the encoded value of a `KeyValue`.
pub(crate) fn key_value(message: &[u8]) -> Result<(&str, &[u8]), WireFault> {
    let (mut key, mut value): (&str, Option<&[u8]>) = ("", None);
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        match number {
            1 => key = field.text()?,
            2 if value.is_some() => return Err(WireFault::Repeated),
            2 => value = Some(field.bytes()?),
            _ => {}
        }
    }
    Ok((key, value.unwrap_or_default()))
}

/// An `AnyValue`; `None` if it is empty.
pub(crate) fn any_value(message: &[u8], depth_left: u32) -> Result<Option<AttributeValue>, WireFault> {
    let mut found = None;
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        found = match number {
            1 => Some(AttributeValue::Text(field.text()?.into())),
            2 => Some(AttributeValue::Bool(field.varint()? != 0)),
            3 => Some(AttributeValue::Int(field.varint()? as i64)),
            4 => Some(AttributeValue::Float(field.double()?)),
            5..=7 => {
                let mut json = String::new();
                write_json(&mut json, number, field.bytes()?, depth_left)?;
                Some(AttributeValue::Json(json.into()))
            }
            _ => found,
        };
    }
    Ok(found)
}

fn write_text(json: &mut String, text: &str) {
    match serde_json::to_string(text) {
        Ok(quoted) => json.push_str(&quoted),
        Err(_) => json.push_str("\"\""),
    }
}

fn write_value(json: &mut String, value: &AttributeValue) {
    match value {
        AttributeValue::Text(text) => write_text(json, text),
        AttributeValue::Json(text) => json.push_str(text),
        AttributeValue::Float(number) if !number.is_finite() => write_text(json, &number.to_string()),
        other => {
            // writing to a String cannot fail
            write!(json, "{other}").ok();
        }
    }
}

fn write_json(json: &mut String, number: u32, message: &[u8], depth_left: u32) -> Result<(), WireFault> {
    let below = depth_left.checked_sub(1).ok_or(WireFault::Depth)?;
    match number {
        5 => {
            json.push('[');
            let mut fields = Fields::of(message);
            let mut first = true;
            while let Some((number, field, _)) = fields.next()? {
                if number == 1 {
                    if !std::mem::take(&mut first) {
                        json.push(',');
                    }
                    match any_value(field.bytes()?, below)? {
                        Some(value) => write_value(json, &value),
                        None => json.push_str("null"),
                    }
                }
            }
            json.push(']');
        }
        6 => write_map(json, message, below)?,
        _ => {
            json.push('"');
            for byte in message {
                write!(json, "{byte:02x}").ok();
            }
            json.push('"');
        }
    }
    Ok(())
}

fn write_map(json: &mut String, message: &[u8], below: u32) -> Result<(), WireFault> {
    let mut pairs: Vec<(&str, Option<AttributeValue>)> = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        if number == 1 {
            let (key, value) = key_value(field.bytes()?)?;
            pairs.push((key, any_value(value, below)?));
        }
    }
    // sorted, so that the same map always gives the same text
    pairs.sort_by(|a, b| a.0.cmp(b.0));
    json.push('{');
    for (idx, (key, value)) in pairs.iter().enumerate() {
        if idx > 0 {
            json.push(',');
        }
        write_text(json, key);
        json.push(':');
        match value {
            Some(value) => write_value(json, value),
            None => json.push_str("null"),
        }
    }
    json.push('}');
    Ok(())
}

/// Decoded attributes out of encoded `KeyValue` fields (each with tag and length). Empty values are left out.
pub(crate) fn attributes(encoded: &[u8], depth: u32) -> Result<Attributes, WireFault> {
    let mut pairs: Vec<(Arc<str>, AttributeValue)> = Vec::new();
    let mut fields = Fields::of(encoded);
    while let Some((_, field, _)) = fields.next()? {
        let (key, value) = key_value(field.bytes()?)?;
        if let Some(value) = any_value(value, depth)? {
            pairs.push((key.into(), value));
        }
    }
    Ok(Attributes::new(pairs))
}

impl<'a> RawAttributes<'a> {
    /// Keys and encoded values, in the order in which they stood. Ends at the first malformed field: the decoder has
    /// checked them all.
    fn pairs(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let mut fields = Fields::of(self.0);
        std::iter::from_fn(move || {
            let (_, field, _) = fields.next().ok()??;
            key_value(field.bytes().ok()?).ok()
        })
    }

    /// The value of a key.
    #[must_use]
    pub fn get(self, key: &str) -> Option<AttributeValue> {
        let (_, value) = self.pairs().find(|(known, _)| *known == key)?;
        any_value(value, 32).ok()?
    }

    /// The text of a key; `None` if it is absent or no text.
    #[must_use]
    pub fn text(self, key: &str) -> Option<&'a str> {
        let (_, value) = self.pairs().find(|(known, _)| *known == key)?;
        let mut fields = Fields::of(value);
        match fields.next().ok()?? {
            (1, Value::Bytes(text), _) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The whole number of a key (also one written as text).
    #[must_use]
    pub fn int(self, key: &str) -> Option<i64> {
        self.get(key).and_then(|value| value.as_int())
    }

    /// All of them, in the order in which they stood.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, AttributeValue)> {
        self.pairs().filter_map(|(key, value)| Some((key, any_value(value, 32).ok()??)))
    }
}

/// Whether an `AnyValue` can be read, without making anything of it.
pub(crate) fn check(message: &[u8], depth_left: u32) -> Result<(), WireFault> {
    let below = depth_left.checked_sub(1).ok_or(WireFault::Depth)?;
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        match number {
            1 => field.text().map(|_| ())?,
            2 | 3 => field.varint().map(|_| ())?,
            4 => field.fixed64().map(|_| ())?,
            5 => check_list(field.bytes()?, below)?,
            6 => check_map(field.bytes()?, below)?,
            7 => field.bytes().map(|_| ())?,
            _ => {}
        }
    }
    Ok(())
}

fn check_list(message: &[u8], below: u32) -> Result<(), WireFault> {
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        if number == 1 {
            check(field.bytes()?, below)?;
        }
    }
    Ok(())
}

fn check_map(message: &[u8], below: u32) -> Result<(), WireFault> {
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        if number == 1 {
            let (_, value) = key_value(field.bytes()?)?;
            check(value, below)?;
        }
    }
    Ok(())
}
