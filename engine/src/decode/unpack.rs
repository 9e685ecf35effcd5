//! Unpacking with a bound: never more than the limit is allocated, whatever the packed bytes claim.

use std::borrow::Cow;
use std::io::Read;

use super::error::DecodeError;
use super::limits::DecodeLimits;
use crate::record::Compression;

/// No body is larger than this, whatever the limits say: columns count their bytes with 32 bits.
const UNPACKED_BYTES_MAX: usize = 256 << 20;

/// The plain bytes of a body.
///
/// # Errors
/// [`DecodeError::Unpack`] for bytes that are not packed as claimed, [`DecodeError::TooLarge`] past the limit.
pub fn unpack<'a>(
    compression: Compression,
    body: &'a [u8],
    limits: &DecodeLimits,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    let limit = limits.unpacked_bytes_max.min(UNPACKED_BYTES_MAX);
    let fail =
        |packing: &'static str| move |e: std::io::Error| DecodeError::Unpack { packing, why: e.to_string() };
    match compression {
        Compression::None if body.len() > limit => Err(DecodeError::TooLarge { limit }),
        Compression::None => Ok(Cow::Borrowed(body)),
        Compression::Gzip => {
            read_all(flate2::read::MultiGzDecoder::new(body), limit, fail("gzip")).map(Cow::Owned)
        }
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(body).map_err(fail("zstd"))?;
            decoder.window_log_max(window_log_max(limit)).map_err(fail("zstd"))?;
            read_all(decoder, limit, fail("zstd")).map(Cow::Owned)
        }
    }
}

/// No larger window than the limit asks for, so that a frame's header cannot claim memory; the 8 MiB that RFC 8878
/// wants every decoder to take are always taken.
fn window_log_max(limit: usize) -> u32 {
    limit.checked_next_power_of_two().map_or(31, usize::ilog2).clamp(23, 31)
}

fn read_all(
    reader: impl Read,
    limit: usize,
    fail: impl FnOnce(std::io::Error) -> DecodeError,
) -> Result<Vec<u8>, DecodeError> {
    let mut plain = Vec::new();
    // one byte more than allowed tells a body at the limit from one beyond it
    reader.take(limit as u64 + 1).read_to_end(&mut plain).map_err(fail)?;
    if plain.len() > limit { Err(DecodeError::TooLarge { limit }) } else { Ok(plain) }
}
