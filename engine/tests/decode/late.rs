//! Who speaks may stand behind what is said: encoders write it first, the protocol does not ask for that.

use std::collections::BTreeMap;

use engine::record::{Encoding, RecordKind};
use proptest::prelude::*;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use super::expect::{self, Told};
use super::generate::{self, Reals};
use super::{TENANT, decode, told};

/// The fields of a request or an envelope: all have a length.
fn fields(mut message: &[u8]) -> Vec<(u32, &[u8])> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let (number, _) = decode_key(&mut message).unwrap();
        let length = decode_varint(&mut message).unwrap() as usize;
        let (field, rest) = message.split_at(length);
        fields.push((number, field));
        message = rest;
    }
    fields
}

fn joined(fields: Vec<(u32, Vec<u8>)>) -> Vec<u8> {
    let mut message = Vec::new();
    for (number, field) in fields {
        encode_key(number, WireType::LengthDelimited, &mut message);
        encode_varint(field.len() as u64, &mut message);
        message.extend(field);
    }
    message
}

/// The envelope with its speaker last; `depth` envelopes stand in one another.
fn turned(envelope: &[u8], depth: u32) -> Vec<u8> {
    let inner = |(number, field): (u32, &[u8])| match number {
        2 if depth > 1 => (number, turned(field, depth - 1)),
        _ => (number, field.to_vec()),
    };
    let (speaker, said): (Vec<_>, Vec<_>) =
        fields(envelope).into_iter().map(inner).partition(|(number, _)| *number == 1);
    joined([said, speaker].concat())
}

/// The request with all its speakers last.
fn late(request: &impl Message) -> Vec<u8> {
    let body = request.encode_to_vec();
    joined(fields(&body).into_iter().map(|(number, field)| (number, turned(field, 2))).collect())
}

fn check(kind: RecordKind, request: &impl Message, expected: &Told) {
    let (batch, drops) = decode(kind, Encoding::OtlpProto, late(request)).unwrap();
    let seen: BTreeMap<_, _> = drops.by_reason;
    assert_eq!(&told(&batch.payload, seen), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Scenario: random requests whose speakers stand behind what they say. Guarantees: the same rows, of the same
    /// speakers, and the same items set aside, once.
    #[test]
    fn a_late_speaker_is_heard(
        metrics in generate::metrics(Reals::All),
        spans in generate::spans(Reals::All),
        logs in generate::logs(Reals::All),
    ) {
        check(RecordKind::Metrics, &metrics, &expect::metrics(TENANT, &metrics));
        check(RecordKind::Spans, &spans, &expect::spans(TENANT, &spans));
        check(RecordKind::Logs, &logs, &expect::logs(TENANT, &logs));
    }
}
