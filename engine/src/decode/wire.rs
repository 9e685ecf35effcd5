//! Protobuf fields, one after the other, without message structs.
//!
//! A walker asks for the tag of the next field and matches it against the tags that it knows: number and wire type
//! are one value, so that one comparison settles both. What it does not know it hands to [`Reader::skip`] together
//! with the numbers of its message, so that a known field of the wrong wire type is told from an unknown field.
//!
//! Promises: no allocation, no panic, and every way in which bytes can be malformed is a [`WireFault`]. What it does
//! not do: know any message.

use super::error::WireFault;

/// Tag of a varint field.
pub(super) const fn varint(number: u32) -> u32 {
    number << 3
}

/// Tag of a field of eight bytes.
pub(super) const fn fixed64(number: u32) -> u32 {
    (number << 3) | 1
}

/// Tag of a field with a length: text, bytes, a message, a packed list.
pub(super) const fn bytes(number: u32) -> u32 {
    (number << 3) | 2
}

/// Tag of a field of four bytes.
pub(super) const fn fixed32(number: u32) -> u32 {
    (number << 3) | 5
}

/// The field numbers of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known(u32);

impl Known {
    /// From the tags that a walker knows; all numbers are below 32.
    pub(super) const fn of(tags: &[u32]) -> Self {
        let (mut mask, mut idx) = (0, 0);
        while idx < tags.len() {
            assert!(tags[idx] >> 3 < 32, "the mask has 32 bits");
            mask |= 1 << (tags[idx] >> 3);
            idx += 1;
        }
        Self(mask)
    }

    const fn has(self, number: u32) -> bool {
        number < 32 && (self.0 >> number) & 1 == 1
    }
}

/// Whether all bytes are ASCII. For short slices: word by word, the last word over the one before.
#[inline(always)]
pub(super) fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let Some(last) = bytes.last_chunk() else { return bytes.iter().all(u8::is_ascii) };
    let (words, _) = bytes.as_chunks();
    let all = words.iter().fold(u64::from_le_bytes(*last), |all, word| all | u64::from_le_bytes(*word));
    all & HIGH == 0
}

/// Walks the fields of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// What was not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Tag of the next field; `None` at the end.
    #[inline(always)]
    pub(super) fn tag(&mut self) -> Result<Option<u32>, WireFault> {
        match self.rest {
            [] => Ok(None),
            [byte @ ..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(Some(u32::from(*byte)))
            }
            _ => self.long_tag().map(Some),
        }
    }

    #[inline(never)]
    fn long_tag(&mut self) -> Result<u32, WireFault> {
        u32::try_from(self.long_varint()?).map_err(|_| WireFault::Tag)
    }

    #[inline(always)]
    pub(super) fn varint(&mut self) -> Result<u64, WireFault> {
        match self.rest {
            [byte @ ..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, high @ ..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, WireFault> {
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

    #[inline(always)]
    pub(super) fn bool(&mut self) -> Result<bool, WireFault> {
        self.varint().map(|number| number != 0)
    }

    /// Protobuf cuts what is too large for 32 bits.
    #[inline(always)]
    pub(super) fn uint32(&mut self) -> Result<u32, WireFault> {
        self.varint().map(|number| number as u32)
    }

    /// The number of an enumeration; what does not fit is 0, which is never a name of interest.
    #[inline(always)]
    pub(super) fn enumeration(&mut self) -> Result<u8, WireFault> {
        self.uint32().map(|number| u8::try_from(number).unwrap_or(0))
    }

    #[inline(always)]
    pub(super) fn sint32(&mut self) -> Result<i32, WireFault> {
        self.uint32().map(|raw| (raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    #[inline(always)]
    pub(super) fn fixed64(&mut self) -> Result<u64, WireFault> {
        let (head, tail) = self.rest.split_first_chunk::<8>().ok_or(WireFault::Truncated)?;
        self.rest = tail;
        Ok(u64::from_le_bytes(*head))
    }

    #[inline(always)]
    pub(super) fn double(&mut self) -> Result<f64, WireFault> {
        self.fixed64().map(f64::from_bits)
    }

    #[inline(always)]
    pub(super) fn fixed32(&mut self) -> Result<u32, WireFault> {
        let (head, tail) = self.rest.split_first_chunk::<4>().ok_or(WireFault::Truncated)?;
        self.rest = tail;
        Ok(u32::from_le_bytes(*head))
    }

    #[inline(always)]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], WireFault> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireFault::Truncated)?;
        let (head, tail) = self.rest.split_at_checked(length).ok_or(WireFault::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    #[inline(always)]
    pub(super) fn text(&mut self) -> Result<&'a str, WireFault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireFault::Utf8)
    }

    /// The bytes of a text, which must be one. Cheaper than [`Reader::text`] where nobody reads it.
    #[inline(always)]
    pub(super) fn text_bytes(&mut self) -> Result<&'a [u8], WireFault> {
        let bytes = self.bytes()?;
        if is_ascii(bytes) || std::str::from_utf8(bytes).is_ok() { Ok(bytes) } else { Err(WireFault::Utf8) }
    }

    /// Passes over a text, which must be one.
    #[inline(always)]
    pub(super) fn check_text(&mut self) -> Result<(), WireFault> {
        self.text_bytes().map(|_| ())
    }

    /// The field whose tag was just read, of which `before` is what was unread then, and all fields right after it
    /// with the same tag: as one slice, tags and lengths included. Encoders write a repeated field in one go. `each`
    /// sees the content of every one.
    #[inline(always)]
    pub(super) fn run(
        &mut self,
        before: &'a [u8],
        tag: u32,
        mut each: impl FnMut(&'a [u8]) -> Result<(), WireFault>,
    ) -> Result<&'a [u8], WireFault> {
        loop {
            each(self.bytes()?)?;
            match self.rest {
                [next, rest @ ..] if u32::from(*next) == tag => self.rest = rest,
                _ => break,
            }
        }
        Ok(&before[..before.len() - self.rest.len()])
    }

    /// Passes over a field that the walker has no use for.
    ///
    /// # Errors
    /// [`WireFault::Tag`] for the number 0, [`WireFault::WireType`] for a number of the message's own (the walker
    /// matched its right wire type before) and for groups, which no version of the protocol has.
    #[inline(never)]
    pub(super) fn skip(&mut self, tag: u32, known: Known) -> Result<(), WireFault> {
        let number = tag >> 3;
        if number == 0 {
            return Err(WireFault::Tag);
        }
        match tag & 7 {
            _ if known.has(number) => Err(WireFault::WireType),
            0 => self.varint().map(|_| ()),
            1 => self.fixed64().map(|_| ()),
            2 => self.bytes().map(|_| ()),
            5 => self.fixed32().map(|_| ()),
            _ => Err(WireFault::WireType),
        }
    }
}
