//! The CloudEvents 1.0 envelope, in structured mode; binary mode is the same attributes as headers.

use serde::{Deserialize, Serialize};

use crate::{ContractError, Timestamp};

/// The version of CloudEvents that is spoken.
pub const SPEC_VERSION: &str = "1.0";

/// A CloudEvent with JSON data and the extensions that Bellwether uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudEvent<T> {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique together with `source`.
    pub id: String,
    /// Who says it.
    pub source: String,
    /// What kind of event.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Media type of `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// Extension: the record key on Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitionkey: Option<String>,
    /// Extension: the incident that ties events together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    /// The payload.
    pub data: T,
}

impl<T> CloudEvent<T> {
    /// The attributes of binary mode as `(header, value)`, without `content-type`.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("ce_specversion", self.specversion.clone()),
            ("ce_id", self.id.clone()),
            ("ce_source", self.source.clone()),
            ("ce_type", self.kind.clone()),
        ];
        let optional = [
            ("ce_subject", self.subject.clone()),
            ("ce_time", self.time.map(|at| at.to_string())),
            ("ce_partitionkey", self.partitionkey.clone()),
            ("ce_correlationid", self.correlationid.clone()),
        ];
        headers.extend(optional.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))));
        headers
    }

    /// Checks what the specification requires of every event.
    ///
    /// # Errors
    /// [`ContractError::CloudEvent`] names the attribute that is missing or wrong.
    pub fn check(&self) -> Result<(), ContractError> {
        let fault = |attribute, why: &str| Err(ContractError::CloudEvent { attribute, why: why.to_owned() });
        if self.specversion != SPEC_VERSION {
            return fault("specversion", &format!("is {:?}, must be \"1.0\"", self.specversion));
        }
        let required = [("id", &self.id), ("source", &self.source), ("type", &self.kind)];
        match required.iter().find(|(_, value)| value.is_empty()) {
            Some((name, _)) => fault(name, "is empty, must be a non-empty string"),
            None => Ok(()),
        }
    }
}
