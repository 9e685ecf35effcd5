//! The policy as checked values, and which scope speaks for whom.

use contract::{Scope, Timestamp};

/// What may be done for a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Record only.
    Observe,
    /// Say what would be done.
    Suggest,
    /// Wait for a person.
    Approve,
    /// Act.
    Auto,
}

/// Who stands on the commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Name.
    pub name: String,
    /// Mail address.
    pub email: String,
}

/// Patterns on the parts of a scope; `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeMatch {
    /// Pattern on the tenant.
    pub tenant: String,
    /// Pattern on the cluster.
    pub cluster: String,
    /// Pattern on the environment.
    pub environment: String,
    /// Pattern on the namespace.
    pub namespace: String,
    /// Pattern on the service.
    pub service: String,
}

impl ScopeMatch {
    fn covers(&self, scope: &Scope) -> bool {
        let parts = [
            (&self.tenant, &scope.tenant),
            (&self.cluster, &scope.cluster),
            (&self.environment, &scope.environment),
            (&self.namespace, &scope.namespace),
            (&self.service, &scope.service),
        ];
        parts.iter().all(|(pattern, text)| glob(pattern.as_bytes(), text.as_bytes()))
    }
}

/// `*` stands for any text, also none; everything else for itself. Linear in the text for each star.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        if pattern.get(at_pattern) == Some(&b'*') {
            star = Some((at_pattern, at_text));
            at_pattern += 1;
        } else if pattern.get(at_pattern) == text.get(at_text) {
            at_pattern += 1;
            at_text += 1;
        } else if let Some((after_star, taken)) = star {
            star = Some((after_star, taken + 1));
            at_pattern = after_star + 1;
            at_text = taken + 1;
        } else {
            return false;
        }
    }
    pattern.iter().skip(at_pattern).all(|byte| *byte == b'*')
}

/// When nothing is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FreezeWindow {
    /// On days (Monday first) between two minutes of the day, UTC; past midnight if `until` is not after `from`.
    Weekly {
        /// Monday first.
        days: [bool; 7],
        /// First minute.
        from_minute: u16,
        /// First minute after.
        until_minute: u16,
    },
    /// Between two instants.
    Once {
        /// First instant.
        from: Timestamp,
        /// First instant after.
        until: Timestamp,
    },
}

impl FreezeWindow {
    /// Whether `now` lies in it.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        match self {
            Self::Once { from, until } => (*from..*until).contains(&now),
            Self::Weekly { days, from_minute, until_minute } => {
                const MINUTE_NANOS: i64 = 60_000_000_000;
                let minutes = now.unix_nanos().div_euclid(MINUTE_NANOS);
                let minute = minutes.rem_euclid(1440) as u16;
                // 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
                let weekday = (minutes.div_euclid(1440) + 3).rem_euclid(7) as usize;
                let yesterday = (weekday + 6) % 7;
                if from_minute < until_minute {
                    days[weekday] && (*from_minute..*until_minute).contains(&minute)
                } else {
                    (days[weekday] && minute >= *from_minute) || (days[yesterday] && minute < *until_minute)
                }
            }
        }
    }
}

/// One scope of the policy.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeRule {
    /// Name for ledger and trailers.
    pub name: String,
    /// Whom it speaks for.
    pub matches: ScopeMatch,
    /// What may be done.
    pub mode: Mode,
    /// Path or file:// URL.
    pub repository: String,
    /// Branch that the delivery follows.
    pub branch: String,
    /// Template of the path of the desired state.
    pub path: String,
    /// Floor of the event's confidence.
    pub min_confidence: f64,
    /// Between two actions on one service.
    pub cool_down_secs: u64,
    /// Per service, in any 24 hours.
    pub max_actions_per_day: u32,
    /// Of the whole scope, in any 24 hours.
    pub scope_actions_per_day: u32,
    /// Older commits only if the event names them.
    pub max_commit_age_secs: u64,
    /// How long before a configuration change its commit may have been made.
    pub config_window_secs: u64,
    /// Whether a commit that also touches other paths may be reverted.
    pub whole_commit: bool,
    /// When nothing is done.
    pub freeze: Vec<FreezeWindow>,
}

/// The policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Older windows are not acted on.
    pub max_event_age_secs: u64,
    /// Windows that end further in the future are not acted on.
    pub max_clock_skew_secs: u64,
    /// Who stands on the commits.
    pub author: Author,
    /// Digest of the policy as written.
    pub revision: String,
    /// First match decides.
    pub scopes: Vec<ScopeRule>,
}

impl Rules {
    /// The rule that speaks for a scope.
    #[must_use]
    pub fn rule_for(&self, scope: &Scope) -> Option<&ScopeRule> {
        self.scopes.iter().find(|rule| rule.matches.covers(scope))
    }
}

const PLACEHOLDERS: [&str; 5] = ["tenant", "cluster", "environment", "namespace", "service"];

/// Whether a path template stays inside of the repository and uses known placeholders only.
///
/// # Errors
/// Says what is wrong and what is allowed.
pub fn check_path_template(template: &str) -> Result<(), String> {
    let known =
        PLACEHOLDERS.iter().fold(template.to_owned(), |text, name| text.replace(&format!("{{{name}}}"), "x"));
    if known.contains(['{', '}']) {
        return Err(format!("must use only the placeholders {{{}}}", PLACEHOLDERS.join("} {")));
    }
    if known.starts_with('/') || known.contains(['\\', '\0']) || !sound_path(known.trim_end_matches('/')) {
        return Err("must be a relative path inside of the repository, without . and ..".to_owned());
    }
    Ok(())
}

fn sound_path(path: &str) -> bool {
    path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && part != ".git")
}

/// The path for one scope; `None` if a part of the scope cannot stand in a path.
pub(super) fn path_for(template: &str, scope: &Scope) -> Option<String> {
    let values = [&scope.tenant, &scope.cluster, &scope.environment, &scope.namespace, &scope.service];
    let mut path = template.to_owned();
    for (name, value) in PLACEHOLDERS.iter().zip(values) {
        let placeholder = format!("{{{name}}}");
        if !path.contains(&placeholder) {
            continue;
        }
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if value.is_empty() || !value.chars().all(fine) {
            return None;
        }
        path = path.replace(&placeholder, value);
    }
    sound_path(&path).then_some(path)
}
