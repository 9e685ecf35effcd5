//! Which commit is guilty: the one the event names, the one that introduced the version, or the last one before a
//! configuration change.

use contract::{Change, ChangeKind};
use git2::{Commit, Oid, Repository};

use super::Request;
use super::tree::{Touched, touched};

/// Larger files hold no desired state that a version is looked for in.
const BLOB_BYTES_MAX: usize = 1 << 20;
/// How much later than the change its commit may seem, by the clocks of two machines.
const SKEW_SECS: i64 = 60;
/// The shortest abbreviation of a commit id that is taken for one.
const COMMIT_CHARS_MIN: usize = 7;

/// How a commit was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// The event names it.
    Named,
    /// It introduced the version.
    Introduced,
    /// It is the last one before the configuration change.
    LastBefore,
}

/// Looks for the guilty commit on the branch, `walk` being its commits, newest first.
pub(super) fn find(
    repo: &Repository,
    walk: &[Oid],
    request: &Request,
) -> Result<Option<(Oid, How)>, git2::Error> {
    if let Some(id) = named(repo, walk, request)? {
        return Ok(Some((id, How::Named)));
    }
    let change = &request.change;
    if !change.to.is_empty()
        && change.from != change.to
        && let Some(id) = introduced(repo, walk, request)?
    {
        return Ok(Some((id, How::Introduced)));
    }
    if change.kind == ChangeKind::Config {
        return Ok(last_before(repo, walk, request)?.map(|id| (id, How::LastBefore)));
    }
    Ok(None)
}

fn named(repo: &Repository, walk: &[Oid], request: &Request) -> Result<Option<Oid>, git2::Error> {
    let Some(name) = request.change.commit.as_deref() else { return Ok(None) };
    let plausible = name.len() >= COMMIT_CHARS_MIN && name.chars().all(|c| c.is_ascii_hexdigit());
    if !plausible {
        return Ok(None);
    }
    let Ok(commit) = repo.find_commit_by_prefix(name) else { return Ok(None) };
    if !walk.contains(&commit.id()) {
        return Ok(None);
    }
    // A merge touches what it brought to its first parent; it is found here, and refused by the rules.
    let brought = commit.parent_count() > 1;
    let touches = brought || !touched(repo, &commit, Some(&request.path))?.is_empty();
    Ok(touches.then(|| commit.id()))
}

fn introduced(repo: &Repository, walk: &[Oid], request: &Request) -> Result<Option<Oid>, git2::Error> {
    for id in walk {
        let commit = repo.find_commit(*id)?;
        for file in touched(repo, &commit, Some(&request.path))? {
            if introduces(repo, &commit, &file, &request.change)? {
                return Ok(Some(*id));
            }
        }
    }
    Ok(None)
}

fn introduces(
    repo: &Repository,
    commit: &Commit<'_>,
    file: &Touched,
    change: &Change,
) -> Result<bool, git2::Error> {
    if !holds(repo, file.after, &change.to)? || holds(repo, file.before, &change.to)? {
        return Ok(false);
    }
    for parent in commit.parents().skip(1) {
        let entry = parent.tree()?.get_path(std::path::Path::new(&file.path)).ok().map(|entry| entry.id());
        if holds(repo, entry, &change.to)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(repo: &Repository, blob: Option<Oid>, version: &str) -> Result<bool, git2::Error> {
    let Some(id) = blob else { return Ok(false) };
    // A submodule is no blob, and holds no version.
    let Ok(blob) = repo.find_blob(id) else { return Ok(false) };
    if blob.size() > BLOB_BYTES_MAX {
        return Ok(false);
    }
    Ok(mentions(&String::from_utf8_lossy(blob.content()), version))
}

/// Whether a text holds a version as a word of its own: `1.2` is neither in `1.2.3` nor in `11.2`. A bare number counts
/// only on a line that speaks of a version, because `replicas: 2` is no version.
pub(super) fn mentions(text: &str, version: &str) -> bool {
    let bare = version.chars().all(|c| c.is_ascii_digit());
    text.lines().any(|line| (!bare || speaks_of_version(line)) && mentions_in_line(line, version))
}

/// Whether a line is about which version runs.
pub(super) fn speaks_of_version(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    ["image", "tag", "version", "revision", "hash"].iter().any(|word| lower.contains(word))
}

fn mentions_in_line(line: &str, version: &str) -> bool {
    line.match_indices(version).any(|(at, found)| {
        let (before, rest) = line.split_at(at);
        let after = rest.strip_prefix(found).unwrap_or_default();
        begins_word(before) && ends_word(after)
    })
}

fn begins_word(before: &str) -> bool {
    let mut back = before.chars().rev();
    match back.next() {
        // `v1.2` is version 1.2, `dev1.2` is not.
        Some('v' | 'V') => !back.next().is_some_and(|c| c.is_alphanumeric() || c == '.'),
        Some(c) => !(c.is_alphanumeric() || c == '.' || c == '_'),
        None => true,
    }
}

fn ends_word(after: &str) -> bool {
    let mut ahead = after.chars();
    match ahead.next() {
        Some('.' | '-' | '+') => !ahead.next().is_some_and(char::is_alphanumeric),
        Some(c) => !(c.is_alphanumeric() || c == '_'),
        None => true,
    }
}

fn last_before(repo: &Repository, walk: &[Oid], request: &Request) -> Result<Option<Oid>, git2::Error> {
    let at = request.change.at.unix_nanos().div_euclid(1_000_000_000);
    let window_secs = i64::try_from(request.config_window_secs).unwrap_or(i64::MAX);
    let allowed = at.saturating_sub(window_secs)..=at.saturating_add(SKEW_SECS);
    for id in walk {
        let commit = repo.find_commit(*id)?;
        let in_time = allowed.contains(&commit.time().seconds());
        if in_time && !touched(repo, &commit, Some(&request.path))?.is_empty() {
            return Ok(Some(*id));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::mentions;

    /// Scenario: versions inside of words, behind a `v`, and bare numbers. Guarantees: only whole versions count.
    #[test]
    fn a_version_is_a_word_of_its_own() {
        let check = |text: &str, version: &str, expected: bool| {
            assert_eq!(mentions(text, version), expected, "{version:?} in {text:?}");
        };
        check("image: shop/cart:1.2", "1.2", true);
        check("image: shop/cart:1.2.3", "1.2", false);
        check("image: shop/cart:11.2", "1.2", false);
        check("image: shop/cart:1.2-rc1", "1.2", false);
        check("image: shop/cart:v1.2", "1.2", true);
        check("image: shop/cart:dev1.2", "1.2", false);
        check("uses 1.2.", "1.2", true);
        check("image: cart:v2\n", "v2", true);
        check("image: cart:v20\n", "v2", false);
        check("replicas: 2\n", "2", false);
        check("  tag: \"2\"\n", "2", true);
        check("image: cart@sha256:abc", "sha256:abc", true);
        check("x", "é", false);
    }
}
