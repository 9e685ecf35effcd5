//! Whether an event may be believed: CloudEvents envelope, schema version, digest, and an id that follows from the
//! content. Pure.

use contract::{CloudEvent, ContractError, RiskEvent, revision_id};
use serde_json::value::RawValue;

/// Why an event is not believed, as a word for counters and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable word.
    pub code: &'static str,
    /// Sentence.
    pub text: String,
    /// Its id, if it has one.
    pub event_id: Option<String>,
}

fn refusal(code: &'static str, text: impl Into<String>, event_id: Option<&str>) -> Refusal {
    Refusal { code, text: text.into(), event_id: event_id.map(str::to_owned) }
}

/// Verifies an event in structured mode.
///
/// # Errors
/// Why it is not believed.
pub fn verify_structured(text: &[u8]) -> Result<RiskEvent, Refusal> {
    let envelope: CloudEvent<Box<RawValue>> =
        serde_json::from_slice(text).map_err(|e| refusal("not_a_cloud_event", e.to_string(), None))?;
    envelope.check().map_err(|e| refusal("envelope", e.to_string(), Some(&envelope.id)))?;
    verify(&envelope.id, &envelope.kind, envelope.data.get().as_bytes())
}

/// Verifies an event in binary mode, `header` giving the value of a `ce_` header.
///
/// # Errors
/// Why it is not believed.
pub fn verify_binary(header: impl Fn(&str) -> Option<String>, data: &[u8]) -> Result<RiskEvent, Refusal> {
    let id = header("ce_id").unwrap_or_default();
    let envelope = CloudEvent {
        specversion: header("ce_specversion").unwrap_or_default(),
        id: id.clone(),
        source: header("ce_source").unwrap_or_default(),
        kind: header("ce_type").unwrap_or_default(),
        subject: None,
        time: None,
        datacontenttype: None,
        partitionkey: None,
        correlationid: None,
        data: (),
    };
    envelope.check().map_err(|e| refusal("envelope", e.to_string(), Some(&id)))?;
    verify(&id, &envelope.kind, data)
}

fn verify(id: &str, kind: &str, data: &[u8]) -> Result<RiskEvent, Refusal> {
    let event = RiskEvent::from_json(data).map_err(|error| {
        let code = if matches!(error, ContractError::Version { .. }) { "version" } else { "content" };
        refusal(code, error.to_string(), Some(id))
    })?;
    let expected = revision_id(&event.incident_id, event.revision);
    if id != expected {
        let text = format!("id is {id}, its incident and revision have {expected}");
        return Err(refusal("id", text, Some(id)));
    }
    let expected = RiskEvent::type_of(event.status);
    if kind != expected {
        return Err(refusal("type", format!("type is {kind}, its status has {expected}"), Some(id)));
    }
    Ok(event)
}
