//! Commit messages: what ours says, and what others' say about reverts.

use super::Request;

const TEXT_CHARS_MAX: usize = 2000;
const WRAP_CHARS: usize = 90;

/// Trailer that makes a remedy once per incident, also when the ledger is lost.
pub(super) const RISK_INCIDENT: &str = "Risk-Incident";
const RISK_EVENT: &str = "Risk-Event";
const REVERTS: &str = "Reverts";

/// The message of a revert: subject, explanation, trailers.
#[must_use]
pub fn commit_message(request: &Request, guilty: &str, guilty_subject: &str) -> String {
    let short: String = guilty.chars().take(10).collect();
    let intro = format!(
        "{short} changed {} and was found guilty of incident {}. {}",
        request.path, request.incident_id, request.explanation
    );
    let subject: String = one_line(guilty_subject).chars().take(100).collect();
    let mut message = format!("Revert \"{subject}\"\n\n{}\n\n", wrap(&one_line(&intro)));
    let mut trailer = |name: &str, value: &str| message.push_str(&format!("{name}: {}\n", one_line(value)));
    trailer(RISK_EVENT, &request.event_id);
    trailer(RISK_INCIDENT, &request.incident_id);
    trailer("Risk-Evidence", &request.evidence_digest);
    trailer(REVERTS, guilty);
    trailer("Policy", &request.policy);
    if let Some(by) = &request.approved_by {
        trailer("Approved-by", by);
    }
    message
}

/// Text from outside must not begin a paragraph, a trailer or a divider of its own.
fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").replace("---", "-").chars().take(TEXT_CHARS_MAX).collect()
}

fn wrap(text: &str) -> String {
    let (mut out, mut n_chars) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if n_chars > 0 {
            let full = n_chars + 1 + length > WRAP_CHARS;
            out.push(if full { '\n' } else { ' ' });
            n_chars = if full { 0 } else { n_chars + 1 };
        }
        out.push_str(word);
        n_chars += length;
    }
    out
}

/// What a message says about reverts and about us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Marks {
    pub(super) incident_id: Option<String>,
    pub(super) event_id: Option<String>,
    /// Commits that it says it reverts.
    pub(super) reverts: Vec<String>,
    /// Whether it is a revert, of whatever.
    pub(super) is_revert: bool,
}

/// Reads a message.
pub(super) fn marks_of(message: &[u8]) -> Marks {
    let message = String::from_utf8_lossy(message).replace('\0', " ");
    let mut marks = Marks::default();
    if let Ok(trailers) = git2::message_trailers_strs(&message) {
        for (name, value) in trailers.iter() {
            match name {
                RISK_INCIDENT => marks.incident_id = Some(value.trim().to_owned()),
                RISK_EVENT => marks.event_id = Some(value.trim().to_owned()),
                REVERTS => marks.reverts.push(value.trim().to_owned()),
                _ => {}
            }
        }
    }
    let phrase = message.split("This reverts commit ").skip(1);
    marks
        .reverts
        .extend(phrase.map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>()));
    let subject = message.lines().next().unwrap_or_default().to_ascii_lowercase();
    let says_so = ["revert ", "revert:", "revert(", "reverts ", "revert\""]
        .iter()
        .any(|begin| subject.starts_with(begin));
    marks.is_revert = says_so || !marks.reverts.is_empty();
    marks
}
