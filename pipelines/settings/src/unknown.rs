//! The way out for a key that is no setting.

use std::collections::BTreeSet;

/// Which key to speak of and what to say of it, when `key` was written and `asked` are all the settings there are: of a whole
/// section that is unknown the section alone, once.
pub(crate) fn way_out<'a>(key: &'a str, asked: &BTreeSet<String>) -> (&'a str, String) {
    let inner = names_below(key, asked);
    if !inner.is_empty() {
        return (key, format!("is a single value, must be a section with {}", inner.join(", ")));
    }
    if let Some((single, _)) =
        key.rsplit_once('[').filter(|(single, at)| at.ends_with(']') && asked.contains(*single))
    {
        return (key, format!("is an item of a list, {single} must be a single value"));
    }
    // the outermost name that is unknown, and what is known beside it
    let mut at = key;
    let (name, siblings) = loop {
        let (outer, name) = at.rsplit_once('.').unwrap_or(("", at));
        let siblings = names_below(outer, asked);
        if !siblings.is_empty() || outer.is_empty() {
            break (name, siblings);
        }
        at = outer;
    };
    let unknown = at.strip_suffix(']').and_then(|item| item.rsplit_once('[')).map_or(at, |(list, _)| list);
    let guess =
        nearest(name, &siblings).map_or_else(|| ",".to_owned(), |near| format!(", did you mean {near}?"));
    (unknown, format!("is not a setting{guess} known here are {}", siblings.join(", ")))
}

/// The names directly below a section, sorted.
pub(crate) fn names_below(section: &str, asked: &BTreeSet<String>) -> Vec<String> {
    let name_of = |key: &String| {
        let rest = if section.is_empty() { key } else { key.strip_prefix(section)?.strip_prefix('.')? };
        rest.split(['.', '[']).next().map(str::to_owned)
    };
    asked.iter().filter_map(name_of).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The name with the smallest edit distance, if it is near enough to be a slip.
fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let name = name.split('[').next().unwrap_or(name);
    let (distance, best) = known.iter().map(|other| (edit_distance(name, other), other.as_str())).min()?;
    (3 * distance <= name.chars().count()).then_some(best)
}

/// Levenshtein's distance: insertions, deletions and replacements of one character.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}
