//! The shop's repository: a bare origin, the developers' clone, and what the controller reads of the origin.
//!
//! Promises: every change is a commit on the origin's branch, made in the clone and pushed; a push that lost a race is
//! rebuilt on the new head and tried again. Reading the origin never changes it. It does not revert anything: that is
//! the actuator's.

use std::path::{Path, PathBuf};

use git2::{Oid, Repository as Git, Signature, Sort, Time};

use super::{Manifest, manifest_path, parse, render};
use crate::DemoError;

/// Branch that is deployed.
const BRANCH: &str = "refs/heads/main";
/// Attempts of a push that others overtake.
const PUSH_ATTEMPTS: u32 = 5;

/// A commit on the origin's branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: String,
    /// Who.
    pub author: String,
    /// First line of its message.
    pub subject: String,
    /// The whole message.
    pub message: String,
}

/// Both sides of the shop's desired state.
pub struct Repository {
    origin: PathBuf,
    clone: PathBuf,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Repository {
    /// Makes `DIR/origin.git` (bare) and `DIR/clone` with a first commit of all manifests.
    ///
    /// # Errors
    /// [`DemoError::Git`] names the repository that could not be made.
    pub fn create(dir: &Path, manifests: &[Manifest], at_secs: i64) -> Result<Self, DemoError> {
        let (origin, clone) = (dir.join("origin.git"), dir.join("clone"));
        let fault = |what| git_fault(what, &origin);
        let bare = Git::init_bare(&origin).map_err(fault("init"))?;
        bare.set_head(BRANCH).map_err(fault("set head"))?;
        let work = Git::init(&clone).map_err(git_fault("init", &clone))?;
        work.remote("origin", &origin.to_string_lossy()).map_err(git_fault("add remote", &clone))?;
        let repository = Self { origin, clone };
        repository.commit(manifests, "ops", "Import the shop as it runs", at_secs)?;
        Ok(repository)
    }

    /// The bare repository that the controller watches and the actuator pushes to.
    #[must_use]
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// Commits manifests and pushes them; returns the commit's id.
    ///
    /// # Errors
    /// [`DemoError::Git`] if the push fails or is overtaken time and again.
    pub fn commit(
        &self,
        manifests: &[Manifest],
        author: &str,
        message: &str,
        at_secs: i64,
    ) -> Result<String, DemoError> {
        let work = Git::open(&self.clone).map_err(git_fault("open", &self.clone))?;
        let mut last = None;
        for _ in 0..PUSH_ATTEMPTS {
            match self.try_commit(&work, manifests, (author, message, at_secs)) {
                Ok(id) => return Ok(id.to_string()),
                Err(e) => last = Some(e),
            }
        }
        let source = last.unwrap_or_else(|| git2::Error::from_str("no attempt was made"));
        Err(git_fault("push", &self.origin)(source))
    }

    fn try_commit(
        &self,
        work: &Git,
        manifests: &[Manifest],
        (author, message, at_secs): (&str, &str, i64),
    ) -> Result<Oid, git2::Error> {
        let mut remote = work.find_remote("origin")?;
        let head = self.head_oid()?;
        let parent = match head {
            None => None,
            Some(oid) => {
                remote.fetch(&["+refs/heads/main:refs/remotes/origin/main"], None, None)?;
                Some(work.find_commit(oid)?)
            }
        };
        let mut index = git2::Index::new()?;
        if let Some(parent) = &parent {
            index.read_tree(&parent.tree()?)?;
        }
        for manifest in manifests {
            let blob = work.blob(render(manifest).as_bytes())?;
            index.add(&entry(manifest_path(&manifest.service), blob))?;
        }
        let tree = work.find_tree(index.write_tree_to(work)?)?;
        let email = format!("{author}@shop.example");
        let signature = Signature::new(author, &email, &Time::new(at_secs, 0))?;
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let oid = work.commit(None, &signature, &signature, message, &tree, &parents)?;
        work.reference(BRANCH, oid, true, "commit")?;
        remote.push(&[format!("{BRANCH}:{BRANCH}")], None)?;
        // A refused update is not an error of the transport: look whether it arrived.
        if self.head_oid()? == Some(oid) { Ok(oid) } else { Err(git2::Error::from_str("push was overtaken")) }
    }

    /// Head of the deployed branch, if it has a commit.
    ///
    /// # Errors
    /// [`DemoError::Git`] if the origin cannot be read.
    pub fn head(&self) -> Result<Option<String>, DemoError> {
        let head = self.head_oid().map_err(git_fault("read head", &self.origin))?;
        Ok(head.map(|oid| oid.to_string()))
    }

    fn head_oid(&self) -> Result<Option<Oid>, git2::Error> {
        let bare = Git::open_bare(&self.origin)?;
        let oid = match bare.refname_to_id(BRANCH) {
            Ok(oid) => Some(oid),
            Err(e) if e.code() == git2::ErrorCode::NotFound => None,
            Err(e) => return Err(e),
        };
        Ok(oid)
    }

    /// All manifests at a commit, in order of their service.
    ///
    /// # Errors
    /// [`DemoError::Git`] if the origin cannot be read, [`DemoError::Manifest`] if a manifest cannot.
    pub fn manifests(&self, commit: &str) -> Result<Vec<Manifest>, DemoError> {
        let fault = |what| git_fault(what, &self.origin);
        let bare = Git::open_bare(&self.origin).map_err(fault("open"))?;
        let tree = Oid::from_str(commit)
            .and_then(|oid| bare.find_commit(oid))
            .and_then(|commit| commit.tree())
            .map_err(fault("read commit"))?;
        let apps = tree.get_path(Path::new("apps")).map_err(fault("read apps"))?;
        let apps = bare.find_tree(apps.id()).map_err(fault("read apps"))?;
        let mut manifests = Vec::with_capacity(apps.len());
        for service in apps.iter() {
            let path = manifest_path(service.name().unwrap_or_default());
            let entry = tree.get_path(Path::new(&path)).map_err(fault("read manifest"))?;
            let blob = bare.find_blob(entry.id()).map_err(fault("read manifest"))?;
            manifests.push(parse(&path, &String::from_utf8_lossy(blob.content()))?);
        }
        Ok(manifests)
    }

    /// Commits after `since` (exclusive) up to the head, oldest first.
    ///
    /// # Errors
    /// [`DemoError::Git`] if the origin cannot be read.
    pub fn commits_since(&self, since: &str) -> Result<Vec<Commit>, DemoError> {
        let list = || -> Result<Vec<Commit>, git2::Error> {
            let bare = Git::open_bare(&self.origin)?;
            let mut walk = bare.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
            walk.push_ref(BRANCH)?;
            walk.hide(Oid::from_str(since)?)?;
            walk.map(|oid| bare.find_commit(oid?).map(|commit| describe(&commit))).collect()
        };
        list().map_err(git_fault("list commits", &self.origin))
    }
}

/// The commit that this commit says it reverts: trailer `Reverts:`, or git's own sentence.
#[must_use]
pub fn reverted_by(message: &str) -> Option<String> {
    let trailer = message.lines().find_map(|line| line.strip_prefix("Reverts: "));
    let sentence = message
        .lines()
        .find_map(|line| line.strip_prefix("This reverts commit ")?.split(['.', ',', ' ']).next());
    trailer.or(sentence).map(|id| id.trim().to_owned())
}

fn describe(commit: &git2::Commit<'_>) -> Commit {
    let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    Commit {
        id: commit.id().to_string(),
        author: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
        subject: message.lines().next().unwrap_or_default().to_owned(),
        message,
    }
}

fn entry(path: String, blob: Oid) -> git2::IndexEntry {
    let zero = git2::IndexTime::new(0, 0);
    git2::IndexEntry {
        ctime: zero,
        mtime: zero,
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id: blob,
        flags: 0,
        flags_extended: 0,
        path: path.into_bytes(),
    }
}

fn git_fault(what: &'static str, path: &Path) -> impl Fn(git2::Error) -> DemoError + use<> {
    let path = path.to_owned();
    move |source| DemoError::Git { what, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(service: &str, version: &str) -> Manifest {
        Manifest {
            service: service.to_owned(),
            version: version.to_owned(),
            replicas: 3,
            env: std::collections::BTreeMap::new(),
        }
    }

    /// Scenario: a repository is made, a release is committed, somebody else pushes, another release follows.
    /// Guarantees: the origin's head moves with every commit, other people's commits stay, manifests read back.
    #[test]
    fn commits_reach_the_origin() {
        let dir = tempfile::tempdir().unwrap();
        let shop = Repository::create(dir.path(), &[manifest("a", "1"), manifest("b", "1")], 1000).unwrap();
        let first = shop.head().unwrap().unwrap();
        let second = shop.commit(&[manifest("a", "2")], "dev", "Release a 2\n\nfaster", 1001).unwrap();
        assert_eq!(shop.head().unwrap().as_deref(), Some(second.as_str()));
        let other = Repository { origin: shop.origin.clone(), clone: dir.path().join("other") };
        let clone = Git::clone(&shop.origin.to_string_lossy(), &other.clone).unwrap();
        drop(clone);
        other.commit(&[manifest("b", "7")], "someone", "Release b 7", 1002).unwrap();
        let last = shop.commit(&[manifest("a", "3")], "dev", "Release a 3", 1003).unwrap();
        let versions: Vec<String> = shop.manifests(&last).unwrap().into_iter().map(|m| m.version).collect();
        assert_eq!(versions, ["3", "7"]);
        let commits = shop.commits_since(&first).unwrap();
        let subjects: Vec<&str> = commits.iter().map(|c| c.subject.as_str()).collect();
        assert_eq!(subjects, ["Release a 2", "Release b 7", "Release a 3"]);
        assert_eq!(commits.first().map(|c| c.author.as_str()), Some("dev"));
    }

    /// Scenario: messages of reverts and of others.
    /// Guarantees: the reverted commit is found in the trailer and in git's sentence, and nowhere else.
    #[test]
    fn reverts_are_recognised() {
        let of = |message: &str| reverted_by(message);
        assert_eq!(of("Revert \"x\"\n\nwhy\n\nReverts: abc\nPolicy: p@1"), Some("abc".to_owned()));
        assert_eq!(of("Revert \"x\"\n\nThis reverts commit def0.\n"), Some("def0".to_owned()));
        assert_eq!(of("Release a 2"), None);
    }
}
