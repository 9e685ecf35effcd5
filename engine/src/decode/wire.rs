//! Protobuf fields, one after the other, without message structs.
//!
//! Promises: no allocation, no panic, and every way in which bytes can be malformed is a [`WireFault`]. What it does
//! not do: know any message.

use super::error::WireFault;

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5; no field that is read has it.
    Fixed32,
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Result<&'a [u8], WireFault> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(WireFault::WireType),
        }
    }

    pub(crate) fn text(self) -> Result<&'a str, WireFault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireFault::Utf8)
    }

    pub(crate) fn varint(self) -> Result<u64, WireFault> {
        match self {
            Self::Varint(number) => Ok(number),
            _ => Err(WireFault::WireType),
        }
    }

    pub(crate) fn fixed64(self) -> Result<u64, WireFault> {
        match self {
            Self::Fixed64(number) => Ok(number),
            _ => Err(WireFault::WireType),
        }
    }

    pub(crate) fn double(self) -> Result<f64, WireFault> {
        self.fixed64().map(f64::from_bits)
    }

    pub(crate) fn sint32(self) -> Result<i32, WireFault> {
        let raw = self.varint()? as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }
}

/// Number and value of a field, and the bytes that it stands in (tag and length included).
pub(crate) type Entry<'a> = (u32, Value<'a>, &'a [u8]);

/// Walks the fields of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Whether a message can be walked to its end.
    pub(crate) fn check(message: &'a [u8]) -> Result<(), WireFault> {
        let mut fields = Self::of(message);
        while fields.next()?.is_some() {}
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, WireFault> {
        let mut number = 0u64;
        for (idx, &byte) in self.rest.iter().take(10).enumerate() {
            if idx == 9 && byte > 1 {
                return Err(WireFault::Varint);
            }
            number |= u64::from(byte & 0x7f) << (7 * idx);
            if byte < 0x80 {
                self.rest = &self.rest[idx + 1..];
                return Ok(number);
            }
        }
        Err(if self.rest.len() < 10 { WireFault::Truncated } else { WireFault::Varint })
    }

    /// The next number of a packed list of varints.
    pub(crate) fn packed_varint(&mut self) -> Result<Option<u64>, WireFault> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], WireFault> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(WireFault::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    /// The next field.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'a>>, WireFault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let before = self.rest;
        let tag = u32::try_from(self.varint()?).map_err(|_| WireFault::Tag)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(WireFault::Tag);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(
                self.take(8)?.try_into().map_err(|_| WireFault::Truncated)?,
            )),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireFault::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed32)?,
            _ => return Err(WireFault::WireType),
        };
        Ok(Some((number, value, &before[..before.len() - self.rest.len()])))
    }
}
