//! What the front door asks before it stores a body.

use std::sync::Arc;

use engine::decode::DecodeLimits;
use engine::receive::Checks;
use engine::record::RecordKind;

use crate::changes::check_announcement;
use crate::wiring::check_outcome;

/// The checks for a bound of unpacked bytes.
#[must_use]
pub fn checks(unpacked_bytes_max: usize) -> Checks {
    let limits = DecodeLimits { unpacked_bytes_max, ..DecodeLimits::default() };
    Checks::decoding(
        limits,
        Arc::new(|kind, body| match kind {
            RecordKind::Outcome => check_outcome(body).map_err(|e| e.to_string()),
            _ => check_announcement(body).map_err(|e| e.to_string()),
        }),
    )
}
