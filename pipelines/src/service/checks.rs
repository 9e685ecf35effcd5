//! What the front door asks before it stores a body.

use std::sync::Arc;

use engine::decode::{DecodeError, DecodeLimits, inspect};
use engine::receive::{CheckFault, Checks, Found};
use engine::record::RecordKind;

use crate::changes::check_announcement;
use crate::wiring::check_outcome;

/// The checks for a bound of unpacked bytes.
#[must_use]
pub fn checks(unpacked_bytes_max: usize) -> Checks {
    let limits = DecodeLimits { unpacked_bytes_max, ..DecodeLimits::default() };
    Checks {
        otlp: Arc::new(move |kind, encoding, compression, body| {
            match inspect(kind, encoding, compression, body, &limits) {
                Ok(seen) => {
                    let reasons: Vec<String> =
                        seen.drops.by_reason.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
                    Ok(Found {
                        accepted: seen.n_accepted,
                        rejected: seen.drops.total(),
                        message: reasons.join(", "),
                    })
                }
                Err(DecodeError::TooLarge { limit }) => Err(CheckFault::TooLarge { limit }),
                Err(error) => Err(CheckFault::Undecodable(error.to_string())),
            }
        }),
        event: Arc::new(|kind, body| match kind {
            RecordKind::Outcome => check_outcome(body).map_err(|e| e.to_string()),
            _ => check_announcement(body).map_err(|e| e.to_string()),
        }),
    }
}
