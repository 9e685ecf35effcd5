//! Bounds of what is decoded.

/// Bounds of one record and of the decoder's caches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of a body after unpacking; more than 256 MiB count as 256 MiB.
    pub unpacked_bytes_max: usize,
    /// Nesting of attribute values and bodies; more than 100 counts as 100.
    pub depth_max: u32,
    /// Points, spans or log records of one record.
    pub items_max: usize,
    /// Series and resources kept in the caches; beyond it the caches start anew, which costs time, not data.
    pub cached_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { unpacked_bytes_max: 64 << 20, depth_max: 32, items_max: 4 << 20, cached_max: 1 << 20 }
    }
}
