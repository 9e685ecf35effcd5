//! Reading and finding announcements.

use std::collections::VecDeque;

use contract::{Change, ChangeKind, ContractError, Timestamp};
use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::features::{Arm, ServiceKey};
use crate::scoring::Suspect;

/// Announcements kept.
const KEPT: usize = 1_000;
/// An announcement and the first sign in the telemetry belong together if they are not further apart.
const NEAR: UnixNanos = 900 * NANOS_PER_SEC;

/// One announced change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The announcer's id.
    pub id: String,
    /// `service.name`.
    pub service: String,
    /// Environment or namespace; empty if not told.
    pub environment: String,
    /// Version as announced: tag, digest or free text.
    pub version: String,
    /// Commit, if told.
    pub commit: Option<String>,
    /// Who, if told.
    pub author: Option<String>,
    /// Whether it announces a return to an earlier version.
    pub is_rollback: bool,
    /// When.
    pub at: UnixNanos,
}

fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |at, key| at.get(key)).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Version out of a purl or image reference: the tag, else what follows the last `@`.
fn version_in(artifact: &str) -> String {
    let query = artifact.split_once('?').map_or("", |(_, query)| query);
    if let Some(tag) = query.split('&').find_map(|pair| pair.strip_prefix("tag=")) {
        return tag.to_owned();
    }
    let bare = artifact.split('?').next().unwrap_or(artifact);
    match bare.rsplit_once('@') {
        Some((_, version)) => version.replace("%3A", ":"),
        None => bare.to_owned(),
    }
}

impl Announcement {
    /// Reads a CDEvent (0.3 service and environment events), or the same wrapped in a structured CloudEvent.
    ///
    /// # Errors
    /// [`ContractError::Shape`] that names the missing field.
    pub fn from_json(body: &[u8], arrived_at: UnixNanos) -> Result<Self, ContractError> {
        let shape = |why: String| ContractError::Shape { what: "change", why };
        let outer: Value = serde_json::from_slice(body).map_err(|e| shape(format!("is not JSON: {e}")))?;
        let event = if outer.get("specversion").is_some() {
            outer.get("data").unwrap_or(&Value::Null)
        } else {
            &outer
        };
        let kind = text(event, &["context", "type"]).or_else(|| text(&outer, &["type"]));
        let kind = kind.ok_or_else(|| {
            shape("context.type is missing, as in dev.cdevents.service.deployed.0.3.0".to_owned())
        })?;
        let subject = text(event, &["subject", "id"]).or_else(|| text(&outer, &["subject"]));
        let subject =
            subject.ok_or_else(|| shape("subject.id is missing: it names the service".to_owned()))?;
        let id = text(event, &["context", "id"]).or_else(|| text(&outer, &["id"]));
        let id = id.ok_or_else(|| shape("context.id is missing".to_owned()))?;
        let at = text(event, &["context", "timestamp"]).or_else(|| text(&outer, &["time"]));
        let at = match at {
            Some(given) => given.parse::<Timestamp>()?.unix_nanos(),
            None => arrived_at,
        };
        let content = |key: &str| {
            text(event, &["subject", "content", key]).or_else(|| text(event, &["customData", key]))
        };
        let artifact = content("artifactId").or_else(|| content("version"));
        Ok(Self {
            id: id.to_owned(),
            service: subject.rsplit('/').next().unwrap_or(subject).to_owned(),
            environment: text(event, &["subject", "content", "environment", "id"])
                .unwrap_or_default()
                .to_owned(),
            version: artifact.map(version_in).unwrap_or_default(),
            commit: content("commit").or_else(|| content("revision")).map(str::to_owned),
            author: content("author").map(str::to_owned),
            is_rollback: kind.contains("rolledback"),
            at,
        })
    }
}

/// Whether a body can be read as an announced change; the front door asks before it acknowledges.
///
/// # Errors
/// As [`Announcement::from_json`].
pub fn check_announcement(body: &[u8]) -> Result<(), ContractError> {
    Announcement::from_json(body, 0).map(|_| ())
}

/// The newest announcements.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Announced {
    kept: VecDeque<Announcement>,
}

impl Announced {
    /// Keeps an announcement; one with a known id is ignored.
    pub fn take(&mut self, announcement: Announcement) {
        if self.kept.iter().any(|known| known.id == announcement.id) {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(announcement);
    }

    fn find(&self, service: &ServiceKey, arm: &Arm, near: UnixNanos) -> Option<&Announcement> {
        let fits = |known: &&Announcement| {
            *known.service == *service.service
                && (known.at - near).abs() <= NEAR
                && (known.version.is_empty()
                    || arm.version.is_empty()
                    || known.version.contains(&*arm.version))
        };
        self.kept.iter().rev().find(fits)
    }

    /// The change behind a suspect: announced, or else as the telemetry shows it.
    #[must_use]
    pub fn change_of(&self, service: &ServiceKey, suspect: &Suspect) -> Change {
        let scope = suspect.scope(service);
        let announcement = self.find(service, &suspect.arm, suspect.first_at);
        let at = Timestamp::from_unix_nanos(suspect.first_at);
        let id = match announcement {
            Some(known) => known.id.clone(),
            None => contract::content_id(&[
                "change",
                &scope.key(),
                &scope.version,
                &suspect.arm.template_hash,
                &at.to_string(),
            ]),
        };
        let revision = (!suspect.arm.revision.is_empty()).then(|| suspect.arm.revision.to_string());
        Change {
            id,
            kind: kind_of(suspect, announcement.is_some_and(|known| known.is_rollback)),
            from: scope.stable_version.clone(),
            to: scope.version.clone(),
            commit: announcement.and_then(|known| known.commit.clone()).or(revision),
            at,
            author: announcement.and_then(|known| known.author.clone()),
            scope,
        }
    }
}

fn kind_of(suspect: &Suspect, is_rollback: bool) -> ChangeKind {
    if is_rollback {
        ChangeKind::Rollback
    } else if suspect.arm.version == suspect.stable.version {
        ChangeKind::Config
    } else {
        ChangeKind::Deploy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CDEVENT: &str = r#"{"context":{"specversion":"0.5.1","id":"c-1","source":"/argo","type":"dev.cdevents.service.upgraded.0.3.0","timestamp":"2026-11-24T07:00:00Z"},
        "subject":{"id":"shop/cart","content":{"environment":{"id":"production"},"artifactId":"pkg:oci/cart@sha256%3Aab?tag=2.1.0"}},
        "customData":{"commit":"abc","author":"dev"}}"#;

    /// Scenario: a CDEvent, plain and inside a CloudEvent. Guarantees: both give the same announcement.
    #[test]
    fn a_cdevent_is_read_plain_and_wrapped() {
        let plain = Announcement::from_json(CDEVENT.as_bytes(), 5).expect("valid");
        assert_eq!(
            (plain.service.as_str(), plain.version.as_str(), plain.commit.as_deref()),
            ("cart", "2.1.0", Some("abc"))
        );
        let wrapped = format!(r#"{{"specversion":"1.0","id":"x","source":"s","type":"t","data":{CDEVENT}}}"#);
        assert_eq!(Announcement::from_json(wrapped.as_bytes(), 5).expect("valid"), plain);
    }

    /// Scenario: bodies that are no change. Guarantees: the fault names what is missing.
    #[test]
    fn faults_name_the_missing_field() {
        let check = |body: &str, expected: &str| {
            let fault = check_announcement(body.as_bytes()).expect_err("a fault").to_string();
            assert!(fault.contains(expected), "{fault}");
        };
        check("[1", "is not JSON");
        check("{}", "context.type is missing");
        check(r#"{"context":{"type":"t"}}"#, "subject.id is missing");
        check(
            r#"{"context":{"type":"t","id":"1","timestamp":"yesterday"},"subject":{"id":"a"}}"#,
            "RFC 3339",
        );
    }
}
