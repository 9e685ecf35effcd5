//! The check of OTLP bodies by the decoder itself: what is accepted here is what a lane will be able to use.
//!
//! What this module does not do: keep what was decoded.

use std::sync::Arc;

use crate::decode::{DecodeError, DecodeLimits, Inspection, inspect};
use crate::receive::check::{CheckFault, Checks, EventCheck, Found};
use crate::record::{Compression, Encoding, RecordKind};

impl Checks {
    /// Looks through OTLP bodies as a lane with these limits will; changes and outcomes by the caller's function.
    #[must_use]
    pub fn decoding(limits: DecodeLimits, event: EventCheck) -> Self {
        let otlp =
            move |kind: RecordKind, encoding: Encoding, compression: Compression, body: &[u8]| match inspect(
                kind,
                encoding,
                compression,
                body,
                &limits,
            ) {
                Ok(inspection) => Ok(found(&inspection)),
                Err(DecodeError::TooLarge { limit }) => Err(CheckFault::TooLarge { limit }),
                Err(error) => Err(CheckFault::Undecodable(error.to_string())),
            };
        Self { otlp: Arc::new(otlp), event }
    }
}

/// Numbers for the answer, and reasons for the person who reads it.
fn found(inspection: &Inspection) -> Found {
    let rejected = inspection.drops.total();
    let reasons: Vec<String> =
        inspection.drops.by_reason.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    let message =
        if rejected == 0 { String::new() } else { format!("cannot be used: {}", reasons.join(", ")) };
    Found { accepted: inspection.n_accepted, rejected, message }
}
