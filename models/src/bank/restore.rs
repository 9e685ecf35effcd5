//! A bank as bytes, and back.
//!
//! What is free is only listed, rows of the full tier follow the series. Everything that one part says of another is checked
//! before anything is taken over. Not done here: packing ([`super::saved`]).

use super::full::Row;
use super::hot::{HotSurprise, Seat};
use super::saved::{PartReader, PartWriter, vacancies};
use super::tiers::{Bank, Place};
use crate::snapshot::{SnapshotError, body, opened};

/// One series as it is written.
type Held = (f32, Option<Row>, u32, HotSurprise);

const MODEL: &str = "bank";
const VERSION: u16 = 5;

impl Bank {
    /// The state as bytes, settings not included: at most 140 bytes a series of the hot tier, at most 5.5 KB one of the full.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut writer = PartWriter::new(opened(MODEL, VERSION));
        writer.put(&(self.places.len() as u64, &self.free, self.refused));
        for (place, hot) in self.places.iter().zip(&self.hot) {
            if let Place::Held { weight, row, inherited } = place {
                writer.put(&(weight, row, inherited, hot));
            }
        }
        self.full.save(&mut writer);
        writer.put(&self.admission.standing());
        writer.done()
    }

    /// Takes over a saved state: the same series under the same numbers, which go on with the same bits. Settings stay
    /// those of this bank; if its budget is smaller now, the least useful series lose their place in the full tier.
    ///
    /// # Errors
    /// [`SnapshotError`], and nothing changes, for bytes that are not the state of a bank in this version.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let bytes = body(bytes, MODEL, VERSION)?;
        let loaded = self.loaded(&mut PartReader::new(bytes));
        *self = loaded.map_err(|why| SnapshotError::Damaged { model: MODEL, why })?;
        for out in self.admission.shed() {
            self.demote(out);
        }
        Ok(())
    }

    fn loaded(&self, reader: &mut PartReader<'_>) -> Result<Self, String> {
        let (n, free, refused): (u64, Vec<u32>, u64) = reader.take()?;
        let vacant = vacancies(n, &free, reader.left())?;
        let (mut hot, mut places) = (Vec::with_capacity(vacant.len()), Vec::with_capacity(vacant.len()));
        for vacant in vacant {
            let (place, state) = if vacant {
                (Place::Vacant, HotSurprise::new())
            } else {
                let (weight, row, inherited, mut state): Held = reader.take()?;
                state.seat = if row.is_some() { Seat::Full } else { Seat::Hot };
                (Place::Held { weight, row, inherited }, state)
            };
            places.push(place);
            hot.push(state);
        }
        let full = self.full.loaded(reader)?;
        let rows = places.iter().filter_map(|place| match place {
            Place::Held { row, .. } => *row,
            Place::Vacant => None,
        });
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_unstable();
        if rows != full.rows() {
            return Err("series and rows of the full tier do not belong together".to_owned());
        }
        let admission = self.admission.with_standing(reader.take()?);
        let holder = |series: u64| usize::try_from(series).ok().and_then(|nth| places.get(nth));
        let has_row = |series| matches!(holder(series), Some(Place::Held { row: Some(_), .. }));
        if admission.occupancy().0 != rows.len() || !admission.holders().all(has_row) {
            return Err("admitted series and rows of the full tier do not belong together".to_owned());
        }
        if reader.left() > 0 {
            return Err(format!("{} bytes too many", reader.left()));
        }
        Ok(Self { series_max: self.series_max, hot, places, free, full, admission, refused })
    }
}
