//! What commits touch, read from the repository.

use git2::{Commit, Delta, DiffOptions, Oid, Repository};

/// One file that a commit changed against one parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) path: String,
    pub(super) before: Option<Oid>,
    pub(super) after: Option<Oid>,
}

/// Files that differ between a commit and one of its parents, all of them or those under a path.
fn against(
    repo: &Repository,
    commit: &Commit<'_>,
    parent: Option<usize>,
    under: Option<&str>,
) -> Result<Vec<Touched>, git2::Error> {
    let old = parent.map(|idx| commit.parent(idx).and_then(|parent| parent.tree())).transpose()?;
    let mut options = DiffOptions::new();
    if let Some(path) = under {
        options.pathspec(path).disable_pathspec_match(true);
    }
    let diff = repo.diff_tree_to_tree(old.as_ref(), Some(&commit.tree()?), Some(&mut options))?;
    let touched = diff.deltas().map(|delta| {
        let file = if delta.status() == Delta::Deleted { delta.old_file() } else { delta.new_file() };
        let present = |id: Oid| (!id.is_zero()).then_some(id);
        Touched {
            path: String::from_utf8_lossy(file.path_bytes().unwrap_or_default()).into_owned(),
            before: present(delta.old_file().id()),
            after: present(delta.new_file().id()),
        }
    });
    Ok(touched.collect())
}

/// What a commit itself changed: against its parent, or for a merge only what differs from every parent.
pub(super) fn touched(
    repo: &Repository,
    commit: &Commit<'_>,
    under: Option<&str>,
) -> Result<Vec<Touched>, git2::Error> {
    if commit.parent_count() == 0 {
        return against(repo, commit, None, under);
    }
    let mut common = against(repo, commit, Some(0), under)?;
    for idx in 1..commit.parent_count() {
        let other = against(repo, commit, Some(idx), under)?;
        common.retain(|touched| other.iter().any(|same| same.path == touched.path));
    }
    Ok(common)
}

/// The same, at most `max` files, as paths.
pub(super) fn touched_paths(
    repo: &Repository,
    commit: &Commit<'_>,
    under: Option<&str>,
) -> Result<Vec<String>, git2::Error> {
    Ok(touched(repo, commit, under)?.into_iter().map(|touched| touched.path).collect())
}

/// Whether a file is the path or lies under it.
pub(super) fn lies_under(file: &str, path: &str) -> bool {
    file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
