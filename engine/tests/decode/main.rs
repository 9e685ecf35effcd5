//! Bytes to columns, held against an independent reading of the same messages.
#![expect(clippy::unwrap_used, reason = "a test may stop at any surprise")]

mod broken;
mod expect;
mod generate;
mod identity;
mod json;
mod late;
mod packing;

use std::collections::BTreeMap;

use engine::batch::{Batch, Payload};
use engine::decode::{DecodeError, DecodeLimits, Decoder, Drops, inspect};
use engine::record::{Compression, Encoding, Record, RecordKind};
use expect::Told;
use generate::Reals;
use proptest::prelude::*;
use prost::Message;

const TENANT: &str = "shop";

fn record(kind: RecordKind, encoding: Encoding, body: Vec<u8>) -> Record {
    let compression = Compression::None;
    Record { tenant: TENANT.into(), arrived_at: 7, kind, encoding, compression, body: body.into() }
}

fn decode(kind: RecordKind, encoding: Encoding, body: Vec<u8>) -> Result<(Batch, Drops), DecodeError> {
    Decoder::new(DecodeLimits::default()).decode(&record(kind, encoding, body))
}

fn told(payload: &Payload, drops: BTreeMap<&'static str, u64>) -> Told {
    Told { rows: expect::rows(payload), drops }
}

/// Decodes twice with one decoder (cold and warm caches) and looks through the body: all three must agree.
fn check(kind: RecordKind, message: &impl Message, expected: &Told) {
    let (mut decoder, body) = (Decoder::new(DecodeLimits::default()), message.encode_to_vec());
    let record = record(kind, Encoding::OtlpProto, body.clone());
    for _ in 0..2 {
        let (batch, drops) = decoder.decode(&record).unwrap();
        assert_eq!((&*batch.tenant, batch.arrived_at), (TENANT, 7));
        assert_eq!(&told(&batch.payload, drops.by_reason.clone()), expected);
        let seen =
            inspect(kind, Encoding::OtlpProto, Compression::None, &body, &DecodeLimits::default()).unwrap();
        assert_eq!((seen.n_accepted, seen.drops), (expected.rows.len() as u64, drops));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Scenario: random metrics requests. Guarantees: every column is what the message says, every point is a row or
    /// counted under its reason, and caches and inspection change nothing.
    #[test]
    fn metrics_become_what_the_message_says(request in generate::metrics(Reals::All)) {
        check(RecordKind::Metrics, &request, &expect::metrics(TENANT, &request));
    }

    /// Scenario: random trace requests. Guarantees: as for metrics.
    #[test]
    fn spans_become_what_the_message_says(request in generate::spans(Reals::All)) {
        check(RecordKind::Spans, &request, &expect::spans(TENANT, &request));
    }

    /// Scenario: random logs requests. Guarantees: as for metrics.
    #[test]
    fn logs_become_what_the_message_says(request in generate::logs(Reals::All)) {
        check(RecordKind::Logs, &request, &expect::logs(TENANT, &request));
    }
}
