//! What can be wrong with bytes, by name: the names are metric labels.

/// Malformed protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum WireFault {
    /// The bytes end inside a field.
    #[error("ends inside a field")]
    Truncated,
    /// A varint of more than 64 bits.
    #[error("has a varint longer than 64 bits")]
    Varint,
    /// Field number 0, or above 2^29.
    #[error("has an invalid field number")]
    Tag,
    /// Another wire type than the field's.
    #[error("has a field of the wrong wire type")]
    WireType,
    /// A text field that is not UTF-8.
    #[error("has text that is not UTF-8")]
    Utf8,
    /// A part that may stand once stands twice: no encoder writes that, and its readings differ.
    #[error("has a part twice that may stand once")]
    Repeated,
    /// Values nested too deeply.
    #[error("is nested too deeply")]
    Depth,
}

/// Why a record gave no batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body is not the message that it claims to be.
    #[error("{what} {fault}")]
    Malformed {
        /// Which message.
        what: &'static str,
        /// What is wrong.
        fault: WireFault,
    },
    /// The body is not JSON of OTLP.
    #[error("{what} is not OTLP JSON: {why}")]
    Json {
        /// Which message.
        what: &'static str,
        /// The parser's words.
        why: String,
    },
    /// The body cannot be unpacked.
    #[error("cannot unpack {packing}: {why}")]
    Unpack {
        /// `gzip` or `zstd`.
        packing: &'static str,
        /// The unpacker's words.
        why: String,
    },
    /// The body is larger than allowed once unpacked.
    #[error("unpacks to more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// More rows than a batch may have.
    #[error("has more than {limit} items")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The kind of record has no such encoding.
    #[error("{kind} cannot be written as {encoding}")]
    Encoding {
        /// Which kind.
        kind: &'static str,
        /// Which encoding.
        encoding: &'static str,
    },
}

impl DecodeError {
    /// Its name as a metric label.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Json { .. } => "json",
            Self::Unpack { .. } => "unpack",
            Self::TooLarge { .. } => "too_large",
            Self::TooMany { .. } => "too_many",
            Self::Encoding { .. } => "encoding",
        }
    }
}
