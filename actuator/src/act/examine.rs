//! Every rule about what may be reverted, asked of the branch as it is now. Reads only.

use contract::Timestamp;
use git2::{Commit, Oid, Repository, Sort};

use super::Request;
use super::find::{How, find};
use super::later::{Place, superseded};
use super::message::{Marks, marks_of};
use super::tree::{lies_under, touched_paths};
use crate::policy::Reason;

/// A commit that may be reverted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The guilty commit.
    pub commit: Oid,
    /// First line of its message.
    pub subject: String,
}

/// What the branch says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// This commit may be reverted.
    Guilty(Target),
    /// The branch holds the remedy already.
    AlreadyDone {
        /// The guilty commit, if the remedy names it.
        target: String,
        /// The remedy.
        commit: Oid,
        /// The event that the remedy names.
        event_id: Option<String>,
    },
    /// A rule says no.
    Refused {
        /// The suspect, if there is one.
        target: String,
        /// Which rule, and why.
        reason: Reason,
    },
}

/// Asks every rule.
///
/// # Errors
/// What the repository cannot answer.
pub fn examine(
    repo: &Repository,
    head: Oid,
    request: &Request,
    now: Timestamp,
) -> Result<Finding, git2::Error> {
    let walk = commits(repo, head, None, request.walk_commits)?;
    for id in &walk {
        let marks = marks_of(repo.find_commit(*id)?.message_bytes());
        if marks.incident_id.as_deref() == Some(request.incident_id.as_str()) {
            return Ok(done(&marks, *id, String::new()));
        }
    }
    let Some((guilty, how)) = find(repo, &walk, request)? else { return Ok(not_found(request)) };
    let commit = repo.find_commit(guilty)?;
    let later = commits(repo, head, Some(guilty), request.walk_commits)?;
    if let Some(finding) = reverted_already(repo, guilty, &later)? {
        return Ok(finding);
    }
    let refusal = match by_itself(&commit, how, request, now) {
        Some(reason) => Some(reason),
        None => by_others(repo, &commit, (head, &later), request)?,
    };
    Ok(match refusal {
        Some(reason) => Finding::Refused { target: guilty.to_string(), reason },
        None => Finding::Guilty(Target { commit: guilty, subject: subject_of(&commit) }),
    })
}

fn subject_of(commit: &Commit<'_>) -> String {
    let message = String::from_utf8_lossy(commit.message_bytes());
    message.lines().next().unwrap_or_default().to_owned()
}

/// The first of our commits that a person took back, and by which commit.
///
/// # Errors
/// What the repository cannot answer.
pub fn taken_back(
    repo: &Repository,
    head: Oid,
    (ours, walk_commits): (&[String], usize),
) -> Result<Option<(String, Oid)>, git2::Error> {
    for id in commits(repo, head, None, walk_commits)? {
        let marks = marks_of(repo.find_commit(id)?.message_bytes());
        let reverts = |our: &&String| {
            marks.reverts.iter().any(|name| name.len() >= 7 && our.starts_with(&name.to_ascii_lowercase()))
        };
        if let Some(our) = ours.iter().find(reverts) {
            return Ok(Some((our.clone(), id)));
        }
    }
    Ok(None)
}

/// Commits reachable from `head` and not from `without`, newest first.
fn commits(repo: &Repository, head: Oid, without: Option<Oid>, max: usize) -> Result<Vec<Oid>, git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
    walk.push(head)?;
    if let Some(without) = without {
        walk.hide(without)?;
    }
    walk.take(max).collect()
}

fn done(marks: &Marks, commit: Oid, target: String) -> Finding {
    let target = if target.is_empty() { marks.reverts.first().cloned().unwrap_or_default() } else { target };
    Finding::AlreadyDone { target, commit, event_id: marks.event_id.clone() }
}

fn not_found(request: &Request) -> Finding {
    let change = &request.change;
    let text = format!(
        "no commit on {} of {} explains the change to {:?} under {}",
        request.branch, request.repository, change.to, request.path
    );
    Finding::Refused { target: String::new(), reason: Reason::new("not_found", text) }
}

/// A revert of the guilty commit, and whether a person took it back.
fn reverted_already(repo: &Repository, guilty: Oid, later: &[Oid]) -> Result<Option<Finding>, git2::Error> {
    let reverts = |what: Oid| -> Result<Option<(Oid, Marks)>, git2::Error> {
        for id in later {
            let marks = marks_of(repo.find_commit(*id)?.message_bytes());
            let named =
                |name: &String| name.len() >= 7 && what.to_string().starts_with(&name.to_ascii_lowercase());
            if marks.reverts.iter().any(named) {
                return Ok(Some((*id, marks)));
            }
        }
        Ok(None)
    };
    let Some((revert, marks)) = reverts(guilty)? else { return Ok(None) };
    Ok(Some(match reverts(revert)? {
        None => done(&marks, revert, guilty.to_string()),
        Some((restored, _)) => {
            let text =
                format!("{guilty} was reverted by {revert}, and {restored} took that back: a person decided");
            Finding::Refused { target: guilty.to_string(), reason: Reason::new("superseded", text) }
        }
    }))
}

fn by_itself(commit: &Commit<'_>, how: How, request: &Request, now: Timestamp) -> Option<Reason> {
    let id = commit.id();
    if commit.parent_count() > 1 {
        return Some(Reason::new("merge_commit", format!("{id} is a merge, which a person must take apart")));
    }
    if commit.parent_count() == 0 {
        return Some(Reason::new(
            "first_commit",
            format!("{id} is the first commit, there is nothing before it"),
        ));
    }
    if marks_of(commit.message_bytes()).is_revert {
        return Some(Reason::new("revert_of_revert", format!("{id} is itself a revert")));
    }
    let now_secs = now.unix_nanos().div_euclid(1_000_000_000);
    let age_secs = now_secs.saturating_sub(commit.time().seconds());
    let limit = i64::try_from(request.max_commit_age_secs).unwrap_or(i64::MAX);
    if how != How::Named && age_secs > limit {
        let (age, limit) = (age_secs / 3600, limit / 3600);
        let text = format!("{id} is {age} h old, limit is {limit} h unless the event names the commit");
        return Some(Reason::new("too_old", text));
    }
    None
}

fn by_others(
    repo: &Repository,
    commit: &Commit<'_>,
    (head, later): (Oid, &[Oid]),
    request: &Request,
) -> Result<Option<Reason>, git2::Error> {
    let id = commit.id();
    let touched = touched_paths(repo, commit, None)?;
    let outside: Vec<&String> = touched.iter().filter(|file| !lies_under(file, &request.path)).collect();
    if let (Some(first), false) = (outside.first(), request.whole_commit) {
        let (n, path) = (outside.len(), &request.path);
        let text = format!(
            "{id} also touches {n} files outside of {path}, for example {first}; whole_commit is false"
        );
        return Ok(Some(Reason::new("mixed_commit", text)));
    }
    superseded(repo, &Place { head, guilty: commit, touched: &touched, later }, request)
}
