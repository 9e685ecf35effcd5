//! Our own bare clone of a repository, and the one place that writes to a remote.
//!
//! # Invariants
//! The branch of a remote moves only by a compare-and-swap from the head that the rules were checked against.

use std::path::Path;

use contract::Timestamp;
use git2::{ErrorCode, FetchOptions, Oid, Repository, Signature, Time};

use super::examine::{Finding, Target, examine, taken_back};
use super::message::commit_message;
use super::{Request, tree};
use crate::error::{ActuatorError, Result};
use crate::policy::Reason;

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The branch points to our commit.
    Done,
    /// Somebody else was faster; nothing was changed.
    Raced,
}

/// What became of a revert in our clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reverted {
    /// The commit that can be pushed.
    Commit(Oid),
    /// It cannot be made without guessing.
    Refused(Reason),
}

/// Our clone of one repository.
pub struct Mirror {
    repo: Repository,
    url: String,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("url", &self.url).field("path", &self.repo.path()).finish()
    }
}

impl Mirror {
    /// Opens or creates the clone of `url` below `dir`.
    ///
    /// # Errors
    /// [`ActuatorError::Git`] if it cannot be opened or created.
    pub fn open(dir: &Path, url: &str) -> Result<Self> {
        let path = dir.join(format!("{}.git", contract::content_id(&["repository", url])));
        let opened = Repository::open_bare(&path).or_else(|_| Repository::init_bare(&path));
        let repo = opened.map_err(fault("open the clone of", url))?;
        Ok(Self { repo, url: url.to_owned() })
    }

    /// Fetches a branch; gives back what it points to.
    ///
    /// # Errors
    /// [`ActuatorError::Git`] if the repository cannot be reached or has no such branch.
    pub fn fetch(&self, branch: &str) -> Result<Oid> {
        let tracking = format!("refs/bellwether/{branch}");
        let spec = format!("+refs/heads/{branch}:{tracking}");
        let mut options = FetchOptions::new();
        options.download_tags(git2::AutotagOption::None);
        let fetched = self.repo.remote_anonymous(&self.url).and_then(|mut remote| {
            remote.fetch(&[spec], Some(&mut options), None)?;
            self.repo.refname_to_id(&tracking)
        });
        fetched.map_err(fault("fetch", &self.url))
    }

    /// Asks every rule of the branch as fetched.
    ///
    /// # Errors
    /// [`ActuatorError::Git`] if the clone cannot answer.
    pub fn examine(&self, head: Oid, request: &Request, now: Timestamp) -> Result<Finding> {
        examine(&self.repo, head, request, now).map_err(fault("examine", &self.url))
    }

    /// The first of our commits that a person took back on the branch as fetched, and by which commit.
    ///
    /// # Errors
    /// [`ActuatorError::Git`] if the clone cannot answer.
    pub fn taken_back(
        &self,
        head: Oid,
        ours: &[String],
        walk_commits: usize,
    ) -> Result<Option<(String, Oid)>> {
        taken_back(&self.repo, head, (ours, walk_commits)).map_err(fault("examine", &self.url))
    }

    /// Makes the revert on top of `head`, in our clone only.
    ///
    /// # Errors
    /// [`ActuatorError::Git`] if the clone refuses.
    pub fn revert(&self, head: Oid, target: &Target, request: &Request, now: Timestamp) -> Result<Reverted> {
        self.try_revert(head, target, request, now)
            .map_err(fault("prepare the revert in the clone of", &self.url))
    }

    fn try_revert(
        &self,
        head: Oid,
        target: &Target,
        request: &Request,
        now: Timestamp,
    ) -> std::result::Result<Reverted, git2::Error> {
        let (guilty, onto) = (self.repo.find_commit(target.commit)?, self.repo.find_commit(head)?);
        let mut index = self.repo.revert_commit(&guilty, &onto, 0, None)?;
        if index.has_conflicts() {
            let text = format!("{} cannot be reverted on {head} without a conflict", target.commit);
            return Ok(Reverted::Refused(Reason::new("conflict", text)));
        }
        let tree = self.repo.find_tree(index.write_tree_to(&self.repo)?)?;
        if tree.id() == onto.tree_id() {
            let text = format!("reverting {} changes nothing on {head}", target.commit);
            return Ok(Reverted::Refused(Reason::new("no_effect", text)));
        }
        let at = Time::new(now.unix_nanos().div_euclid(1_000_000_000), 0);
        let who = Signature::new(&request.author.name, &request.author.email, &at)?;
        let message = commit_message(request, &target.commit.to_string(), &target.subject);
        let id = self.repo.commit(None, &who, &who, &message, &tree, &[&onto])?;
        let ours = tree::touched_paths(&self.repo, &self.repo.find_commit(id)?, None)?;
        let theirs = tree::touched_paths(&self.repo, &guilty, None)?;
        if let Some(file) = ours.iter().find(|file| !theirs.contains(file)) {
            let text =
                format!("reverting {} would also change {file}, which it never touched", target.commit);
            return Ok(Reverted::Refused(Reason::new("spill", text)));
        }
        Ok(Reverted::Commit(id))
    }

    /// Moves the remote's branch from `head` to `commit`, or not at all.
    ///
    /// # Errors
    /// [`ActuatorError::Git`] if the repository cannot be reached or refuses.
    pub fn push(&self, branch: &str, head: Oid, commit: Oid) -> Result<Pushed> {
        let staged = format!("refs/bellwether/{commit}");
        let pushed = self.stage(commit, &staged).and_then(|()| self.swap(branch, head, commit, &staged));
        pushed.map_err(fault("push to", &self.url))
    }

    /// Brings the objects over under a name of our own.
    fn stage(&self, commit: Oid, staged: &str) -> std::result::Result<(), git2::Error> {
        self.repo.reference(staged, commit, true, "staged by bellwether-actuator")?;
        let mut remote = self.repo.remote_anonymous(&self.url)?;
        let pushed = remote.push(&[format!("{staged}:{staged}")], None);
        self.repo.find_reference(staged)?.delete()?;
        pushed
    }

    /// The local transport of libgit2 checks for a fast-forward and then overwrites, with a gap between the two; the
    /// reference lock of the repository itself has none.
    fn swap(
        &self,
        branch: &str,
        head: Oid,
        commit: Oid,
        staged: &str,
    ) -> std::result::Result<Pushed, git2::Error> {
        let path = self.url.strip_prefix("file://").unwrap_or(&self.url);
        let theirs = Repository::open_bare(path)?;
        let name = format!("refs/heads/{branch}");
        let swapped = theirs.reference_matching(&name, commit, true, head, "revert by bellwether-actuator");
        theirs.find_reference(staged)?.delete()?;
        match swapped {
            Ok(_) => Ok(Pushed::Done),
            Err(error) if matches!(error.code(), ErrorCode::Modified | ErrorCode::Locked) => {
                Ok(Pushed::Raced)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks again: whether the remote's branch contains a commit.
    ///
    /// # Errors
    /// [`ActuatorError::Git`] if the repository cannot be reached.
    pub fn contains(&self, branch: &str, commit: Oid) -> Result<bool> {
        let head = self.fetch(branch)?;
        let below = self.repo.graph_descendant_of(head, commit).map_err(fault("examine", &self.url))?;
        Ok(head == commit || below)
    }
}

fn fault(doing: &'static str, repository: &str) -> impl FnOnce(git2::Error) -> ActuatorError {
    let repository = repository.to_owned();
    move |source| ActuatorError::Git { doing, repository, source }
}
