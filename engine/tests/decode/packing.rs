//! Packed bodies: bounds, bombs and damage.

use std::io::Write as _;

use engine::decode::{DecodeError, DecodeLimits, Decoder, unpack};
use engine::record::{Compression, Encoding, Record, RecordKind};
use proptest::prelude::*;

use super::record;

const LIMIT: usize = 100_000;

fn limits() -> DecodeLimits {
    DecodeLimits { unpacked_bytes_max: LIMIT, ..DecodeLimits::default() }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;
const PACKINGS: [(Compression, &str, Pack); 2] =
    [(Compression::Gzip, "gzip", gzip), (Compression::Zstd, "zstd", zstd)];

/// Scenario: bodies of exactly the limit, one byte more, and a bomb of a thousand times the limit.
/// Guarantees: the first passes, the others are refused by name, packed or not.
#[test]
fn a_body_at_the_limit_passes_and_one_beyond_does_not() {
    for (n, fits) in [(0, true), (LIMIT, true), (LIMIT + 1, false), (1_000 * LIMIT, false)] {
        let plain = vec![b'x'; n];
        let bodies = PACKINGS.map(|(compression, _, pack)| (compression, pack(&plain)));
        for (compression, body) in [(Compression::None, plain.clone())].into_iter().chain(bodies) {
            match unpack(compression, &body, &limits()) {
                Ok(unpacked) => assert!(fits && *unpacked == *plain, "{compression:?} {n}"),
                Err(e) => {
                    assert_eq!(
                        (fits, e),
                        (false, DecodeError::TooLarge { limit: LIMIT }),
                        "{compression:?} {n}"
                    );
                }
            }
        }
    }
}

/// Scenario: a body that says it is packed and is not, or is cut off at any byte.
/// Guarantees: it cannot be unpacked, and the error names the packing; never is half a body taken for a whole one.
#[test]
fn a_damaged_body_is_refused() {
    let plain: Vec<u8> = (0..2_000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
    for (compression, name, pack) in PACKINGS {
        let packed = pack(&plain);
        let cuts = (1..packed.len()).map(|at| packed[..at].to_vec());
        for body in cuts.chain([b"plain words".to_vec()]) {
            match unpack(compression, &body, &limits()) {
                Err(DecodeError::Unpack { packing, why }) => assert!(packing == name && !why.is_empty()),
                other => panic!("{name}, {} of {} bytes: {other:?}", body.len(), packed.len()),
            }
        }
    }
}

/// Scenario: a zstd header that claims a window of 2 GiB. Guarantees: refused before anything is allocated.
#[test]
fn a_claimed_window_is_not_believed() {
    // magic, no content size, window descriptor: exponent 21 = 2^31 bytes; then an empty last block
    let body = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    assert!(matches!(unpack(Compression::Zstd, &body, &limits()), Err(DecodeError::Unpack { .. })));
}

/// Scenario: a request of three points, and a limit of two. Guarantees: refused by name; the limit itself passes.
#[test]
fn a_request_has_at_most_so_many_items() {
    // resource logs > scope logs > three log records with an observed time
    let line = [&[0x12, 9, 0x59][..], &5u64.to_le_bytes()].concat();
    let lines = line.repeat(3);
    let scoped = [&[0x12, lines.len() as u8][..], &lines].concat();
    let body = [&[0x0a, scoped.len() as u8][..], &scoped].concat();
    for (limit, result) in [(3, Ok(())), (2, Err(DecodeError::TooMany { limit: 2 }))] {
        let limits = DecodeLimits { items_max: limit, ..limits() };
        let record = record(RecordKind::Logs, Encoding::OtlpProto, body.clone());
        assert_eq!(Decoder::new(limits).decode(&record).map(|_| ()), result);
    }
}

/// Scenario: packed requests and messages. Guarantees: packing changes nothing; a clock record is an empty message.
#[test]
fn packing_is_taken_off_before_decoding() {
    for (compression, _, pack) in PACKINGS {
        let change = Record { compression, ..record(RecordKind::Change, Encoding::Json, pack(b"{}")) };
        let (batch, drops) = Decoder::new(limits()).decode(&change).unwrap();
        let engine::batch::Payload::Message { kind, body } = batch.payload else { panic!("no message") };
        assert_eq!((kind, &*body, drops.total()), (RecordKind::Change, &b"{}"[..], 0));
    }
}

proptest! {
    /// Scenario: any bytes, and packed bytes with one changed. Guarantees: no panic, never more than the limit.
    #[test]
    fn any_bytes_can_be_unpacked_or_refused(noise in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), flip in 1u8..) {
        for (compression, _, pack) in PACKINGS {
            let mut packed = pack(&noise);
            let at = at.index(packed.len());
            packed[at] ^= flip;
            for body in [&noise, &packed] {
                if let Ok(plain) = unpack(compression, body, &limits()) {
                    prop_assert!(plain.len() <= LIMIT);
                }
            }
        }
    }
}
