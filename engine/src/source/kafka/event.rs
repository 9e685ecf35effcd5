//! `CloudEvents` on Kafka: a binary one becomes the structured document that says the same.
//!
//! What this module does not do: judge what an event means, or whether it is complete.

use std::collections::BTreeMap;

use rdkafka::message::{BorrowedMessage, Headers, Message};
use serde_json::value::RawValue;

/// Prefix of the headers of the binary mode.
const PREFIX: &str = "ce_";

/// The body of a message; `None` for a tombstone.
pub(super) fn document(message: &BorrowedMessage<'_>) -> Option<Vec<u8>> {
    let value = message.payload()?;
    let mut attributes = BTreeMap::new();
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        let (Some(name), Some(bytes)) = (header.key.strip_prefix(PREFIX), header.value) else { continue };
        attributes.insert(name, String::from_utf8_lossy(bytes).into_owned());
    }
    Some(structured(&attributes, value).unwrap_or_else(|| value.to_vec()))
}

/// `None` for what is no event in binary mode.
fn structured(attributes: &BTreeMap<&str, String>, value: &[u8]) -> Option<Vec<u8>> {
    attributes.get("id")?;
    let data: &RawValue = serde_json::from_slice(value).ok()?;
    let mut document: BTreeMap<&str, Box<RawValue>> = BTreeMap::new();
    for (name, text) in attributes {
        document.insert(name, serde_json::value::to_raw_value(text).ok()?);
    }
    document.insert("data", data.to_owned());
    serde_json::to_vec(&document).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a binary event, telemetry without attributes, a value that is not JSON. Guarantees: the event becomes
    /// one document with its data untouched, the others stay as they are.
    #[test]
    fn a_binary_event_becomes_one_document() {
        let attributes = BTreeMap::from([("id", "7".to_owned()), ("type", "a \"b\"".to_owned())]);
        let document = structured(&attributes, br#"{"b":1.50,"a":2}"#).unwrap();
        assert_eq!(document, br#"{"data":{"b":1.50,"a":2},"id":"7","type":"a \"b\""}"#);
        assert_eq!(structured(&BTreeMap::new(), b"{}"), None);
        assert_eq!(structured(&attributes, &[0xff]), None);
    }
}
