//! `CloudEvents` over HTTP: both modes become one JSON document.
//!
//! Promises: a structured event or a bare `CDEvent` is stored as it came; a binary one becomes the structured event
//! that says the same. What this module does not do: judge what the event means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::HeaderMap;
use serde_json::value::RawValue;

use crate::receive::fault::Fault;

const ALLOWED: &str = "application/cloudevents+json or application/json";
/// Prefix of the headers of the binary mode.
const PREFIX: &str = "ce-";
/// Attributes that every event has.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];
/// The version of the envelope that is understood.
const SPEC_VERSION: &str = "1.0";

/// The JSON document of an event; `media_type` is the content type without parameters, in lower case.
pub(crate) fn document(media_type: &str, headers: &HeaderMap, body: Bytes) -> Result<Bytes, Fault> {
    let not_json = |e: serde_json::Error| Fault::Undecodable(format!("the body is not JSON: {e}"));
    let data: &RawValue = serde_json::from_slice(&body).map_err(not_json)?;
    match media_type {
        "application/cloudevents+json" => structured(data).map(|()| body),
        "application/json" if !headers.contains_key("ce-id") => {
            if data.get().starts_with('{') {
                Ok(body)
            } else {
                Err(Fault::Undecodable("the body is not a JSON object".to_owned()))
            }
        }
        "application/json" => binary(headers, data),
        other => Err(Fault::MediaType { got: other.to_owned(), allowed: ALLOWED }),
    }
}

/// Whether the document has what every event has.
fn structured(document: &RawValue) -> Result<(), Fault> {
    let parsed: Result<BTreeMap<Cow<'_, str>, &RawValue>, _> = serde_json::from_str(document.get());
    let event = parsed.map_err(|e| Fault::Undecodable(format!("the event is not a JSON object: {e}")))?;
    for name in REQUIRED {
        let value = event.get(name).and_then(|value| serde_json::from_str::<String>(value.get()).ok());
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Err(Fault::Undecodable(format!("the event has no {name}")));
        };
        if name == REQUIRED[0] {
            of_known_version(&value)?;
        }
    }
    Ok(())
}

fn of_known_version(version: &str) -> Result<(), Fault> {
    if version == SPEC_VERSION {
        return Ok(());
    }
    Err(Fault::Undecodable(format!("the event's specversion is {version:?}, must be {SPEC_VERSION:?}")))
}

/// Puts the attributes of the headers and the data into one document.
fn binary(headers: &HeaderMap, data: &RawValue) -> Result<Bytes, Fault> {
    let quoted = |text: &str| serde_json::to_string(text).and_then(RawValue::from_string);
    let mut event: BTreeMap<&str, Cow<'_, RawValue>> = BTreeMap::new();
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix(PREFIX) else { continue };
        let text = value.to_str().ok().and_then(percent_decoded);
        let Some(text) = text else {
            return Err(Fault::Undecodable(format!("header {name} is not percent-encoded UTF-8")));
        };
        if attribute == REQUIRED[0] {
            of_known_version(&text)?;
        }
        let value = quoted(&text).map_err(|e| Fault::Undecodable(format!("header {name}: {e}")))?;
        event.insert(attribute, Cow::Owned(value));
    }
    for name in REQUIRED {
        if event.get(name).is_none_or(|value| value.get() == "\"\"") {
            return Err(Fault::Undecodable(format!("the event has no header {PREFIX}{name}")));
        }
    }
    event.insert("data", Cow::Borrowed(data));
    let json = serde_json::to_vec(&event).map_err(|e| Fault::Undecodable(e.to_string()))?;
    Ok(json.into())
}

/// Text with `%41` instead of `A`, as the HTTP binding asks for outside of printable ASCII.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (hex, after) = rest.split_first_chunk::<2>()?;
        let digits = std::str::from_utf8(hex).ok().filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const STRUCTURED: &str =
        r#"{"specversion":"1.0","id":"1","source":"/ci","type":"t","data":{"b":1.50,"a":2}}"#;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// Scenario: an event in each mode. Guarantees: structured and bare ones stay byte for byte, a binary one says
    /// the same in one document, data untouched.
    #[test]
    fn both_modes_become_one_document() {
        let none = HeaderMap::new();
        let kept = document("application/cloudevents+json", &none, STRUCTURED.into()).unwrap();
        assert_eq!(kept, STRUCTURED);
        let bare = r#"{"context":{"id":"1"}}"#;
        assert_eq!(document("application/json", &none, bare.into()).unwrap(), bare);
        let binary = headers(&[
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/ci"),
            ("ce-type", "t"),
            ("ce-subject", "caf%C3%A9"),
        ]);
        let got = document("application/json", &binary, r#"{"b":1.50,"a":2}"#.into()).unwrap();
        let mut expected: Value = serde_json::from_str(STRUCTURED).unwrap();
        expected["subject"] = json!("café");
        assert_eq!(serde_json::from_slice::<Value>(&got).unwrap(), expected);
        assert!(String::from_utf8_lossy(&got).contains(r#"{"b":1.50,"a":2}"#), "data stays as it came");
    }

    /// Scenario: events with each sort of fault. Guarantees: refused in words that name the fault.
    #[test]
    fn faulty_events_are_refused() {
        let check = |media_type: &str, pairs: &[(&'static str, &'static str)], body: &str, expected: &str| {
            let got = document(media_type, &headers(pairs), Bytes::copy_from_slice(body.as_bytes()));
            let text = got.unwrap_err().to_string();
            assert!(text.contains(expected), "{text} should say {expected}");
        };
        check("application/cloudevents+json", &[], "{", "not JSON");
        check("application/cloudevents+json", &[], "[]", "not a JSON object");
        check(
            "application/cloudevents+json",
            &[],
            r#"{"specversion":"1.0","id":"1","source":"s"}"#,
            "no type",
        );
        check(
            "application/cloudevents+json",
            &[],
            r#"{"specversion":"1.0","id":"","source":"s","type":"t"}"#,
            "no id",
        );
        check(
            "application/cloudevents+json",
            &[],
            r#"{"specversion":"0.3","id":"1","source":"s","type":"t"}"#,
            "specversion is \"0.3\", must be \"1.0\"",
        );
        check("application/json", &[("ce-id", "1"), ("ce-specversion", "2.0")], "{}", "must be \"1.0\"");
        check("application/json", &[], "5", "not a JSON object");
        check("application/json", &[("ce-id", "1")], "{}", "no header ce-specversion");
        check("application/json", &[("ce-id", "%4")], "{}", "header ce-id");
        check("application/json", &[("ce-id", "%+4")], "{}", "header ce-id");
        check("text/plain", &[], "{}", "text/plain");
    }
}
