//! A column of parts of the body: nothing is copied, and the body stays for as long as the column does.
//!
//! # Invariants
//! A view points into the body, or into what was put together for rows that the body holds in several pieces.
//!
//! What this module does not do: look into the parts.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewArray, ByteView, MAX_INLINE_VIEW_LEN, make_view};
use arrow::buffer::{Buffer, ScalarBuffer};
use bytes::Bytes;

use super::walk::Joined;

/// Where a view points to, in the order of [`PartColumn::finish`].
const BODY: u32 = 0;
const JOINED: u32 = 1;

/// Parts of a body, one per row.
#[derive(Debug)]
pub(super) struct PartColumn {
    /// Address of the body's first byte.
    body_at: usize,
    views: Vec<u128>,
    /// Rows that stand in the body in several pieces, one after the other.
    joined: Vec<u8>,
}

impl PartColumn {
    /// Of this body, with room for so many rows.
    pub(super) fn of(body: &[u8], rows: usize) -> Self {
        Self { body_at: body.as_ptr().addr(), views: Vec::with_capacity(rows), joined: Vec::new() }
    }

    /// A part of the body that the column is of.
    #[inline(always)]
    pub(super) fn push(&mut self, part: &Joined<'_>) {
        let view = match part.bytes() {
            // most spans have no event
            [] => 0,
            bytes => self.view(part, bytes),
        };
        self.views.push(view);
    }

    #[inline(always)]
    fn view(&mut self, part: &Joined<'_>, bytes: &[u8]) -> u128 {
        let length = bytes.len() as u32;
        let Some(prefix) = bytes.first_chunk().filter(|_| length > MAX_INLINE_VIEW_LEN) else {
            return make_view(bytes, BODY, 0);
        };
        let (buffer_index, offset) = if part.is_whole() {
            (BODY, bytes.as_ptr().addr() - self.body_at)
        } else {
            let offset = self.joined.len();
            self.joined.extend_from_slice(bytes);
            (JOINED, offset)
        };
        // neither body nor what was joined of it is longer than 32 bits can say
        ByteView { length, prefix: u32::from_le_bytes(*prefix), buffer_index, offset: offset as u32 }
            .as_u128()
    }

    /// The column; `body` is what its parts were pushed from.
    pub(super) fn finish(self, body: &Bytes) -> ArrayRef {
        let buffers = [Buffer::from(body.clone()), Buffer::from_vec(self.joined)];
        let parts = BinaryViewArray::try_new(ScalarBuffer::from(self.views), buffers, None);
        Arc::new(parts.expect("every view was made of the bytes that it points to"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray as _;

    /// Scenario: parts that are empty, short enough to stand in the view, long, and of two pieces.
    /// Guarantees: each reads as it was pushed, and only the piecewise one was copied.
    #[test]
    fn a_part_reads_as_it_was_pushed() {
        let body = Bytes::from((0..100u8).collect::<Vec<_>>());
        let mut column = PartColumn::of(&body, 4);
        let pieces_of: [&[(usize, usize)]; 5] =
            [&[], &[(3, 15)], &[(3, 16)], &[(40, 100)], &[(10, 30), (50, 70)]];
        let mut expected = Vec::new();
        for pieces in pieces_of {
            let mut part = Joined::default();
            pieces.iter().for_each(|(from, to)| part.add(&body[*from..*to]));
            column.push(&part);
            expected.push(part.bytes().to_vec());
        }
        assert_eq!(column.joined.len(), 40);
        let column = column.finish(&body);
        assert!(column.as_binary_view().iter().flatten().eq(expected.iter().map(Vec::as_slice)));
    }
}
