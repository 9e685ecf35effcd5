//! Identities are functions of content, so that the same log gives the same ids after a crash.

use sha2::{Digest, Sha256};

use crate::{Scope, Timestamp};

/// 128 bits of SHA-256 over the parts, length-prefixed so that no two lists of parts collide; 32 hex digits.
///
/// ```
/// assert_ne!(contract::content_id(&["ab", "c"]), contract::content_id(&["a", "bc"]));
/// ```
#[must_use]
pub fn content_id(parts: &[&str]) -> String {
    hex_of(parts, 16)
}

/// Id of an incident: tenant, scope, first window and the name of the first rule; fixed at opening, whatever the
/// suspect becomes later.
#[must_use]
pub fn incident_id(scope: &Scope, first_window_end: Timestamp, rule_name: &str) -> String {
    content_id(&["incident", &scope.key(), &first_window_end.to_string(), rule_name])
}

/// Id of one revision of an incident: the CloudEvent's `id`.
#[must_use]
pub fn revision_id(incident_id: &str, revision: u32) -> String {
    content_id(&["revision", incident_id, &revision.to_string()])
}

/// `sha256:` and the digest of the canonical text of the evidence. Approvals and commits refer to it.
#[must_use]
pub fn evidence_digest(canonical_json: &str) -> String {
    format!("sha256:{}", hex_of(&[canonical_json], 32))
}

/// `sha256:` and the plain digest of bytes, as `sha256sum` prints it.
///
/// ```
/// assert!(contract::bytes_digest(b"").starts_with("sha256:e3b0c442"));
/// ```
#[must_use]
pub fn bytes_digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn hex_of(parts: &[&str], n_bytes: usize) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().take(n_bytes).map(|byte| format!("{byte:02x}")).collect()
}
