//! Parts of a state as packed bytes: each part with its length, runs of zeros counted instead of written.
//!
//! Most of a young series is zeros: slots of the day that it has not seen, regions that it never visited. Packing is exact,
//! so that what was restored goes on with the same bits. Not done here: what the parts are.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Zeros from which a run is counted.
const RUN: usize = 3;
/// Bytes of an unpacked part at most.
const PLAIN_MAX: usize = 64 << 20;

/// Writes parts one behind the other.
#[derive(Debug)]
pub(super) struct PartWriter {
    out: Vec<u8>,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl PartWriter {
    /// Behind what is written already.
    pub(super) fn new(out: Vec<u8>) -> Self {
        Self { out, plain: Vec::new(), packed: Vec::new() }
    }

    /// One more part.
    pub(super) fn put(&mut self, part: &impl Serialize) {
        self.plain.clear();
        self.plain = crate::snapshot::append(std::mem::take(&mut self.plain), part);
        self.packed.clear();
        pack(&self.plain, &mut self.packed);
        put_count(self.packed.len(), &mut self.out);
        self.out.extend_from_slice(&self.packed);
    }

    /// All that was written.
    pub(super) fn done(self) -> Vec<u8> {
        self.out
    }
}

/// Reads parts in the order in which they were written.
#[derive(Debug)]
pub(super) struct PartReader<'a> {
    rest: &'a [u8],
    plain: Vec<u8>,
}

impl<'a> PartReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, plain: Vec::new() }
    }

    /// Bytes that were not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next part; what does not fit, in words.
    pub(super) fn take<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let length = take_count(&mut self.rest).ok_or("it ends early")?;
        let (packed, rest) = self.rest.split_at_checked(length).ok_or("it ends early")?;
        self.rest = rest;
        self.plain.clear();
        unpack(packed, &mut self.plain)?;
        match postcard::take_from_bytes(&self.plain) {
            Ok((part, [])) => Ok(part),
            Ok(_) => Err("a part is too long".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Counts of seven bits a byte, the lowest first.
fn put_count(mut count: usize, out: &mut Vec<u8>) {
    while count >= 128 {
        out.push((count % 128) as u8 | 128);
        count /= 128;
    }
    out.push(count as u8);
}

fn take_count(bytes: &mut &[u8]) -> Option<usize> {
    let mut count = 0;
    for place in 0..5 {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        count += usize::from(first % 128) << (7 * place);
        if *first < 128 {
            return Some(count);
        }
    }
    None
}

/// (length, bytes as they are, zeros) again and again.
fn pack(mut plain: &[u8], out: &mut Vec<u8>) {
    while !plain.is_empty() {
        let (as_is, rest) = plain.split_at(before_zeros(plain));
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        put_count(as_is.len(), out);
        out.extend_from_slice(as_is);
        put_count(zeros, out);
        plain = &rest[zeros..];
    }
}

/// Bytes before the next run that is worth a count.
fn before_zeros(bytes: &[u8]) -> usize {
    let mut zeros = 0;
    for (nth, byte) in bytes.iter().enumerate() {
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        if zeros == RUN {
            return nth + 1 - RUN;
        }
    }
    bytes.len()
}

fn unpack(mut packed: &[u8], plain: &mut Vec<u8>) -> Result<(), String> {
    while !packed.is_empty() {
        let length = take_count(&mut packed).ok_or("a part ends early")?;
        let (as_is, rest) = packed.split_at_checked(length).ok_or("a part ends early")?;
        packed = rest;
        plain.extend_from_slice(as_is);
        let zeros = take_count(&mut packed).ok_or("a part ends early")?;
        if plain.len() + zeros > PLAIN_MAX {
            return Err("a part is too large".to_owned());
        }
        plain.resize(plain.len() + zeros, 0);
    }
    Ok(())
}

/// Which of `n` places are free, if the list of free ones can be true and the rest has at least a byte in what is `left`.
pub(super) fn vacancies(n: u64, free: &[u32], left: usize) -> Result<Vec<bool>, String> {
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    let held = n.checked_sub(free.len()).filter(|held| *held <= left);
    held.ok_or("more is free than there is, or less is written than is held")?;
    let mut vacant = vec![false; n];
    for &place in free {
        match vacant.get_mut(place as usize) {
            Some(vacant) if !*vacant => *vacant = true,
            _ => return Err(format!("place {place} is free twice or does not exist")),
        }
    }
    Ok(vacant)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Scenario: any bytes with many zeros among them, as several parts; then any bytes at all as parts.
        /// Guarantees: parts come back as they were and a run of zeros costs a few bytes; nonsense is refused, not unpacked.
        #[test]
        fn packing_is_exact(
            parts in prop::collection::vec(prop::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..300), 0..6),
            nonsense in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut writer = PartWriter::new(vec![9]);
            parts.iter().for_each(|part| writer.put(part));
            let written = writer.done();
            let mut reader = PartReader::new(&written[1..]);
            for part in &parts {
                prop_assert_eq!(&reader.take::<Vec<u8>>().unwrap(), part);
            }
            prop_assert!(reader.left() == 0 && reader.take::<Vec<u8>>().is_err());
            let mut zeros = PartWriter::new(Vec::new());
            zeros.put(&vec![0_u8; 10_000]);
            prop_assert!(zeros.done().len() < 12);
            let mut reader = PartReader::new(&nonsense);
            while reader.take::<Vec<u64>>().is_ok() {}
        }
    }
}
