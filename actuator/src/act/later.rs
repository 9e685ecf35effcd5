//! Whether a later commit on the branch is a decision about the same thing: about the lines that the guilty commit
//! changed, or about the version that is to run. A later commit about other keys or files is none.
//!
//! What it does not do: notice that a revert conflicts; the revert itself does.

use git2::{BlameOptions, Commit, Diff, DiffOptions, Oid, Patch, Repository};

use super::Request;
use super::find::speaks_of_version;
use super::tree::{lies_under, touched_paths};
use crate::policy::Reason;

/// The guilty commit and where the branch is.
pub(super) struct Place<'a> {
    pub(super) head: Oid,
    pub(super) guilty: &'a Commit<'a>,
    /// Files that the guilty commit touched.
    pub(super) touched: &'a [String],
    /// Commits after it, newest first.
    pub(super) later: &'a [Oid],
}

/// The first later decision, newest first.
pub(super) fn superseded(
    repo: &Repository,
    place: &Place<'_>,
    request: &Request,
) -> Result<Option<Reason>, git2::Error> {
    for newer in place.later {
        let newer = repo.find_commit(*newer)?;
        for file in touched_paths(repo, &newer, None)? {
            let decides = if place.touched.contains(&file) {
                !lines_stand(repo, place, &file)?
            } else {
                lies_under(&file, &request.path) && changes_version(repo, &newer, &file)?
            };
            if decides {
                let (newer, guilty) = (newer.id(), place.guilty.id());
                let text = format!("{newer} decided about {file} after {guilty}: a later decision stands");
                return Ok(Some(Reason::new("superseded", text)));
            }
        }
    }
    Ok(None)
}

/// Whether every line that the guilty commit wrote into a file is still there, and still from it.
fn lines_stand(repo: &Repository, place: &Place<'_>, file: &str) -> Result<bool, git2::Error> {
    let diff = diff_of(repo, place.guilty, file)?;
    let Some(patch) = Patch::from_diff(&diff, 0)? else { return Ok(false) };
    let (_, written, _) = patch.line_stats()?;
    let head = repo.find_commit(place.head)?.tree()?;
    if head.get_path(std::path::Path::new(file)).is_err() {
        return Ok(false);
    }
    let mut options = BlameOptions::new();
    options.newest_commit(place.head);
    let blame = repo.blame_file(std::path::Path::new(file), Some(&mut options))?;
    let ours = blame.iter().filter(|hunk| hunk.final_commit_id() == place.guilty.id());
    Ok(ours.map(|hunk| hunk.lines_in_hunk()).sum::<usize>() >= written)
}

/// Whether a commit writes or removes a line that speaks of a version.
fn changes_version(repo: &Repository, commit: &Commit<'_>, file: &str) -> Result<bool, git2::Error> {
    let mut speaks = false;
    let diff = diff_of(repo, commit, file)?;
    diff.foreach(
        &mut |_, _| true,
        None,
        None,
        Some(&mut |_, _, line| {
            let changed = matches!(line.origin(), '+' | '-');
            speaks |= changed && speaks_of_version(&String::from_utf8_lossy(line.content()));
            true
        }),
    )?;
    Ok(speaks)
}

/// What a commit did to one file, against its first parent.
fn diff_of<'a>(repo: &'a Repository, commit: &Commit<'_>, file: &str) -> Result<Diff<'a>, git2::Error> {
    let old = commit.parent(0).ok().map(|parent| parent.tree()).transpose()?;
    let mut options = DiffOptions::new();
    options.pathspec(file).disable_pathspec_match(true).context_lines(0);
    repo.diff_tree_to_tree(old.as_ref(), Some(&commit.tree()?), Some(&mut options))
}
