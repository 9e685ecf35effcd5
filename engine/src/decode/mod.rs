//! Bytes to batches; pure, never touches a socket.
//!
//! Our own walker over protobuf reads the columns straight from the bytes: no message structs, no strings for what is
//! already known. JSON is transcoded to protobuf first, so that there is one path. A message that is malformed gives a
//! [`DecodeError`]; an item that makes no sense inside a good message is set aside and counted, and the rest passes.
//! What this module does not do: remove duplicates, or give a metric a meaning.

mod buckets;
mod cache;
mod columns;
mod decoder;
mod drops;
mod error;
mod identity;
mod json;
mod limits;
mod logs;
mod metric_columns;
mod metric_kind;
mod metrics;
mod parts;
mod points;
mod raw;
mod spans;
mod texts;
mod unpack;
mod value;
mod walk;
mod wire;

pub use decoder::{Decoder, Inspection, inspect};
pub use drops::{DropSample, Drops};
pub use error::{DecodeError, WireFault};
pub use limits::DecodeLimits;
pub use unpack::unpack;

/// OTLP severity number of a name such as `SEVERITY_NUMBER_ERROR2`.
fn severity_of_name(name: &str) -> Option<u8> {
    let bare = name.strip_prefix("SEVERITY_NUMBER_")?;
    let (word, step) = match bare.strip_suffix(['2', '3', '4']) {
        Some(word) => (word, bare.as_bytes().last()? - b'1'),
        None => (bare, 0),
    };
    let first = match word {
        "TRACE" => 1,
        "DEBUG" => 5,
        "INFO" => 9,
        "WARN" => 13,
        "ERROR" => 17,
        "FATAL" => 21,
        "UNSPECIFIED" => return Some(0),
        _ => return None,
    };
    Some(first + step)
}
