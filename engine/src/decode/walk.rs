//! Parts that metrics, logs and spans share.
//!
//! The `Resource*` and `Scope*` messages of all three have one shape: who speaks (field 1), what is said (field 2,
//! repeated), and the address of a schema (field 3).

use std::borrow::Cow;

use super::error::WireFault;
use super::wire::{Known, Reader, bytes, varint};

const SPEAKER: u32 = bytes(1);
const SAID: u32 = bytes(2);
const SCHEMA: u32 = bytes(3);
const ENVELOPE: Known = Known::of(&[SPEAKER, SAID, SCHEMA]);

/// The one field of a request: its `Resource*` messages.
const RESOURCE_PARTS: u32 = bytes(1);
const REQUEST: Known = Known::of(&[RESOURCE_PARTS]);

/// Why a walk ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes are malformed.
    Malformed(WireFault),
    /// There are more items than allowed.
    TooMany,
    /// Who speaks stands behind what is said, against [`Speakers::First`].
    SpeaksLate,
}

/// Where a message tells who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speakers {
    /// In its first field, as encoders write it.
    First,
    /// In any of its fields, as the protocol allows: found by a walk of its own.
    Anywhere,
}

impl From<WireFault> for Stop {
    fn from(fault: WireFault) -> Self {
        Self::Malformed(fault)
    }
}

/// Counts down the items that a request may still have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance(usize);

impl Allowance {
    pub(super) const fn of(items_max: usize) -> Self {
        Self(items_max)
    }

    #[inline(always)]
    pub(super) fn take(&mut self) -> Result<(), Stop> {
        self.0 = self.0.checked_sub(1).ok_or(Stop::TooMany)?;
        Ok(())
    }
}

/// Parts of a message that belong together; usually there is one and nothing is copied. Protobuf merges messages, and
/// joins repeated fields, by putting their bytes one after the other.
#[derive(Debug, Default)]
pub(super) struct Joined<'a>(Cow<'a, [u8]>);

impl<'a> Joined<'a> {
    #[inline(always)]
    pub(super) fn add(&mut self, part: &'a [u8]) {
        if self.0.is_empty() {
            self.0 = Cow::Borrowed(part);
        } else {
            self.0.to_mut().extend_from_slice(part);
        }
    }

    /// Merges another piece of a message that usually stands in one: no field may begin in one piece and end in the
    /// next.
    #[inline(always)]
    pub(super) fn merge(&mut self, piece: &'a [u8]) -> Result<(), WireFault> {
        if !self.0.is_empty() {
            if self.is_whole() {
                check_fields(&self.0)?;
            }
            check_fields(piece)?;
        }
        self.add(piece);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it stands in one piece in the message that it is of.
    #[inline(always)]
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }
}

/// Passes over fields of whatever message.
#[cold]
fn check_fields(message: &[u8]) -> Result<(), WireFault> {
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        reader.skip(tag, Known::of(&[]))?;
    }
    Ok(())
}

/// The `Resource*` messages of a request.
pub(super) fn each_resource<'a>(
    request: &'a [u8],
    mut each: impl FnMut(&'a [u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut reader = Reader::of(request);
    while let Some(tag) = reader.tag()? {
        match tag {
            RESOURCE_PARTS => each(reader.bytes()?)?,
            other => reader.skip(other, REQUEST)?,
        }
    }
    Ok(())
}

/// Who speaks in a `Resource*` or `Scope*` message, encoded, for what needs to know that before it reads what is said.
#[inline(always)]
pub(super) fn speaker(envelope: &[u8], speakers: Speakers) -> Result<Joined<'_>, WireFault> {
    let mut speaker = Joined::default();
    let mut reader = Reader::of(envelope);
    while let Some(tag) = reader.tag()? {
        match tag {
            SPEAKER => speaker.merge(reader.bytes()?)?,
            _ if speakers == Speakers::First => break,
            SAID => reader.bytes().map(|_| ())?,
            SCHEMA => reader.text().map(|_| ())?,
            other => reader.skip(other, ENVELOPE)?,
        }
    }
    Ok(speaker)
}

/// What is said in a `Resource*` or `Scope*` message whose [`speaker`] was asked for.
#[inline(always)]
pub(super) fn each_said<'a>(
    envelope: &'a [u8],
    speakers: Speakers,
    mut each: impl FnMut(&'a [u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let (mut reader, mut leading) = (Reader::of(envelope), true);
    while let Some(tag) = reader.tag()? {
        match tag {
            SAID => each(reader.bytes()?)?,
            SPEAKER if leading || speakers == Speakers::Anywhere => reader.bytes().map(|_| ())?,
            SPEAKER => return Err(Stop::SpeaksLate),
            SCHEMA => reader.text().map(|_| ())?,
            other => reader.skip(other, ENVELOPE)?,
        }
        leading &= tag == SPEAKER;
    }
    Ok(())
}

/// What is said in a `Resource*` or `Scope*` message, and who says it. One pass, for rows that do not need to know who
/// speaks: a pass of its own over thousands of items costs nearly as much as reading them, because every item's length
/// waits for the one before it.
#[inline(always)]
pub(super) fn each_said_by<'a>(
    envelope: &'a [u8],
    mut each: impl FnMut(&'a [u8]) -> Result<(), Stop>,
) -> Result<Joined<'a>, Stop> {
    let mut speaker = Joined::default();
    let mut reader = Reader::of(envelope);
    while let Some(tag) = reader.tag()? {
        match tag {
            SAID => each(reader.bytes()?)?,
            SPEAKER => speaker.merge(reader.bytes()?)?,
            SCHEMA => reader.text().map(|_| ())?,
            other => reader.skip(other, ENVELOPE)?,
        }
    }
    Ok(speaker)
}

/// Fields of `Resource`.
const ATTRIBUTES: u32 = bytes(1);
const DROPPED: u32 = varint(2);
const ENTITIES: u32 = bytes(3);
const RESOURCE: Known = Known::of(&[ATTRIBUTES, DROPPED, ENTITIES]);

/// Fields of `EntityRef`: all are text.
const ENTITY: [u32; 4] = [bytes(1), bytes(2), bytes(3), bytes(4)];

/// The attributes in an encoded `Resource`; the rest is checked.
pub(super) fn resource_attributes(resource: &[u8]) -> Result<Joined<'_>, WireFault> {
    let mut attributes = Joined::default();
    let mut reader = Reader::of(resource);
    loop {
        let before = reader.rest();
        let Some(tag) = reader.tag()? else { return Ok(attributes) };
        match tag {
            ATTRIBUTES => attributes.add(reader.run(before, tag, |_| Ok(()))?),
            DROPPED => reader.varint().map(|_| ())?,
            ENTITIES => check_entity(reader.bytes()?)?,
            other => reader.skip(other, RESOURCE)?,
        }
    }
}

fn check_entity(message: &[u8]) -> Result<(), WireFault> {
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        if ENTITY.contains(&tag) {
            reader.text()?;
        } else {
            reader.skip(tag, Known::of(&ENTITY))?;
        }
    }
    Ok(())
}

/// An `InstrumentationScope`.
#[derive(Debug, Default)]
pub(super) struct ScopeParts<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) attributes: Joined<'a>,
}

const SCOPE_NAME: u32 = bytes(1);
const SCOPE_VERSION: u32 = bytes(2);
const SCOPE_ATTRIBUTES: u32 = bytes(3);
const SCOPE_DROPPED: u32 = varint(4);
const SCOPE: Known = Known::of(&[SCOPE_NAME, SCOPE_VERSION, SCOPE_ATTRIBUTES, SCOPE_DROPPED]);

/// Reads an encoded `InstrumentationScope`; its attributes are not checked.
pub(super) fn scope(message: &[u8]) -> Result<ScopeParts<'_>, WireFault> {
    let mut scope = ScopeParts::default();
    let mut reader = Reader::of(message);
    loop {
        let before = reader.rest();
        let Some(tag) = reader.tag()? else { return Ok(scope) };
        match tag {
            SCOPE_NAME => scope.name = reader.text()?,
            SCOPE_VERSION => scope.version = reader.text()?,
            SCOPE_ATTRIBUTES => scope.attributes.add(reader.run(before, tag, |_| Ok(()))?),
            SCOPE_DROPPED => reader.varint().map(|_| ())?,
            other => reader.skip(other, SCOPE)?,
        }
    }
}

/// An id of exactly `N` bytes that are not all zero.
#[inline(always)]
pub(super) fn id<const N: usize>(bytes: &[u8]) -> Option<&[u8; N]> {
    <&[u8; N]>::try_from(bytes).ok().filter(|id| **id != [0; N])
}
