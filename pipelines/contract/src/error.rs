//! What can be wrong with words from outside.

/// A shape that cannot be read as what it claims to be. It is always the sender's turn, and never worth a retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// A time that is not RFC 3339, or outside of what 64-bit nanoseconds can hold.
    #[error("time {given:?} is not RFC 3339 with a zone, as in 2026-11-24T07:00:00Z: {why}")]
    Time {
        /// The text as given.
        given: String,
        /// What the parser says.
        why: String,
    },
    /// A CloudEvent without what the specification requires.
    #[error("cloud event: attribute {attribute} {why}")]
    CloudEvent {
        /// Name of the attribute.
        attribute: &'static str,
        /// What is wrong with it, with the way out.
        why: String,
    },
    /// Data of a type or version that this build does not know.
    #[error("{what} of schema version {given} cannot be read, known is {known}")]
    Version {
        /// Which shape.
        what: &'static str,
        /// Version as given.
        given: String,
        /// Version that is known.
        known: &'static str,
    },
    /// Data that does not have the shape of its type.
    #[error("{what} cannot be read: {why}")]
    Shape {
        /// Which shape.
        what: &'static str,
        /// What the parser says.
        why: String,
    },
}
