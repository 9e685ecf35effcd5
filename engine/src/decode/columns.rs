//! Arrow columns of variable width, filled without a builder's work per row.
//!
//! # Invariants
//! `offsets` begins with 0 and has one entry more than there are rows. What lies behind the last offset is a row that
//! is being written: it is closed by [`ListColumn::close`] or taken back by [`ListColumn::abandon`].

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, DictionaryArray, FixedSizeBinaryArray, ListArray, PrimitiveArray, StringArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, UInt32Type};

use super::error::WireFault;

/// The least bytes that a row comes from.
pub(super) const ROW_BYTES_MIN: usize = 16;

/// Why offsets of 32 bits are enough.
const FITS: &str = "a body has at most 256 MiB, and no byte of it becomes more than six";

/// How much a column holds: the next batch's will hold about as much.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    rows: usize,
    values: usize,
}

impl Held {
    /// No more than can come from so many bytes.
    pub(super) fn at_most(self, bytes: usize) -> Self {
        Self { rows: self.rows.min(bytes / ROW_BYTES_MIN), values: self.values.min(bytes) }
    }

    pub(super) fn rows(self) -> usize {
        self.rows
    }
}

/// Lists of numbers, texts or bytes, one per row.
#[derive(Debug)]
pub(super) struct ListColumn<T> {
    offsets: Vec<i32>,
    pub(super) values: Vec<T>,
}

impl<T> ListColumn<T> {
    /// With room for as much as another column holds.
    pub(super) fn like(held: Held) -> Self {
        let mut offsets = Vec::with_capacity(held.rows + 1);
        offsets.push(0);
        Self { offsets, values: Vec::with_capacity(held.values) }
    }

    /// How much it holds.
    pub(super) fn held(&self) -> Held {
        Held { rows: self.offsets.len() - 1, values: self.begin() }
    }

    fn begin(&self) -> usize {
        self.offsets.last().map_or(0, |last| *last as usize)
    }

    /// The row that is being written.
    #[inline(always)]
    pub(super) fn pending(&self) -> &[T] {
        &self.values[self.begin()..]
    }

    /// Ends the row.
    #[inline(always)]
    pub(super) fn close(&mut self) {
        self.offsets.push(i32::try_from(self.values.len()).expect(FITS));
    }

    /// Takes back what was written of the row.
    pub(super) fn abandon(&mut self) {
        self.values.truncate(self.begin());
    }

    /// Takes the last row back.
    pub(super) fn pop(&mut self) {
        if self.offsets.len() > 1 {
            self.offsets.pop();
            self.abandon();
        }
    }

    fn into_offsets(self) -> (OffsetBuffer<i32>, Vec<T>) {
        (OffsetBuffer::new(ScalarBuffer::from(self.offsets)), self.values)
    }
}

impl<T: Copy> ListColumn<T> {
    /// A whole row.
    #[inline(always)]
    pub(super) fn push(&mut self, row: &[T]) {
        self.values.extend_from_slice(row);
        self.close();
    }
}

impl ListColumn<u8> {
    /// Checks what [`ListColumn::into_texts`] will ask for.
    pub(super) fn check_texts(&self) -> Result<(), WireFault> {
        let texts = std::str::from_utf8(&self.values[..self.begin()]).map_err(|_| WireFault::Utf8)?;
        let whole = self.offsets.iter().all(|at| texts.is_char_boundary(*at as usize));
        if whole { Ok(()) } else { Err(WireFault::Utf8) }
    }

    /// The column as texts: here, all at once, it shows whether they are.
    pub(super) fn into_texts(self) -> Result<ArrayRef, WireFault> {
        let (offsets, values) = self.into_offsets();
        match StringArray::try_new(offsets, Buffer::from_vec(values), None) {
            Ok(texts) => Ok(Arc::new(texts)),
            Err(_) => Err(WireFault::Utf8),
        }
    }

    /// The column as bytes.
    pub(super) fn into_bytes(self) -> ArrayRef {
        let (offsets, values) = self.into_offsets();
        Arc::new(BinaryArray::new(offsets, Buffer::from_vec(values), None))
    }
}

/// The column as lists of numbers.
pub(super) fn into_lists<P: ArrowPrimitiveType>(column: ListColumn<P::Native>) -> ArrayRef {
    let (offsets, values) = column.into_offsets();
    let item = Arc::new(Field::new("item", DataType::clone(&P::DATA_TYPE), false));
    let values: PrimitiveArray<P> = PrimitiveArray::new(ScalarBuffer::from(values), None);
    Arc::new(ListArray::new(item, offsets, Arc::new(values), None))
}

/// Ids of `N` bytes, which some rows may lack.
#[derive(Debug)]
pub(super) struct IdColumn<const N: usize> {
    values: Vec<[u8; N]>,
    /// Rows that lack it.
    absent: Vec<usize>,
}

impl<const N: usize> IdColumn<N> {
    /// With room for so many rows.
    pub(super) fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), absent: Vec::new() }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, id: Option<&[u8; N]>) {
        if id.is_none() {
            self.absent.push(self.values.len());
        }
        self.values.push(*id.unwrap_or(&[0; N]));
    }

    pub(super) fn finish(self) -> ArrayRef {
        let nulls = (!self.absent.is_empty()).then(|| {
            let mut present = vec![true; self.values.len()];
            self.absent.iter().for_each(|row| present[*row] = false);
            NullBuffer::from(present)
        });
        let width = i32::try_from(N).expect("ids have 8 or 16 bytes");
        let values = Buffer::from_vec(self.values.into_flattened());
        Arc::new(FixedSizeBinaryArray::new(width, values, nulls))
    }
}

/// Texts of which one goes on for many rows: each stands once, and rows have its number.
#[derive(Debug)]
pub(super) struct RepeatedColumn {
    numbers: Vec<u32>,
    texts: Vec<Arc<str>>,
}

impl RepeatedColumn {
    /// With room for so many rows.
    pub(super) fn new(rows: usize) -> Self {
        Self { numbers: Vec::with_capacity(rows), texts: Vec::new() }
    }

    /// The text of the rows since the last one that was named.
    pub(super) fn name(&mut self, text: &Arc<str>) {
        self.texts.push(Arc::clone(text));
    }

    #[inline(always)]
    pub(super) fn push(&mut self) {
        self.numbers.push(self.texts.len() as u32);
    }

    pub(super) fn finish(self) -> ArrayRef {
        let texts = StringArray::from_iter_values(&self.texts);
        let numbers = PrimitiveArray::<UInt32Type>::new(ScalarBuffer::from(self.numbers), None);
        Arc::new(DictionaryArray::new(numbers, Arc::new(texts)))
    }
}
