//! Which checkpoint is valid, what to go on from, what to delete: pure decisions over what was found.
//!
//! What this module does not do: read or delete anything.

/// How many checkpoints are kept: the newest, and one to fall back on.
pub const KEPT: usize = 2;

/// A checkpoint file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Name of the file.
    pub name: String,
    /// Its number, if it can be read whole; else why not.
    pub content: Result<u64, String>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing was ever saved: begin at the beginning.
    Fresh,
    /// Go on from this file, and note the ones that are damaged.
    Resume {
        /// Go on from it.
        name: String,
        /// Files that cannot be read, with the reason.
        damaged: Vec<(String, String)>,
        /// Files that nobody needs any more.
        delete: Vec<String>,
    },
    /// There are checkpoints, but none can be read: a person must decide.
    Refuse {
        /// The newest of them, with the reason.
        newest: (String, String),
    },
}

/// Decides. The order of `found` does not matter.
#[must_use]
pub fn decide(found: &[Found]) -> Decision {
    let mut valid: Vec<(u64, &str)> = found
        .iter()
        .filter_map(|file| file.content.as_ref().ok().map(|number| (*number, file.name.as_str())))
        .collect();
    valid.sort_unstable_by(|a, b| b.cmp(a));
    let mut damaged: Vec<(String, String)> = found
        .iter()
        .filter_map(|file| file.content.as_ref().err().map(|why| (file.name.clone(), why.clone())))
        .collect();
    damaged.sort_unstable();
    match (valid.first(), damaged.pop()) {
        (None, None) => Decision::Fresh,
        (None, Some(newest)) => Decision::Refuse { newest },
        (Some((_, name)), last) => {
            damaged.extend(last);
            let delete = valid.iter().skip(KEPT).map(|(_, name)| (*name).to_owned()).collect();
            Decision::Resume { name: (*name).to_owned(), damaged, delete }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: Result<u64, &str>) -> Found {
        Found { name: name.to_owned(), content: content.map_err(str::to_owned) }
    }

    /// Scenario: every mixture of whole and damaged files. Guarantees: the newest whole one is taken, the one before
    /// is kept, and a store with nothing whole is never mistaken for an empty one.
    #[test]
    fn the_newest_whole_one_is_taken() {
        assert_eq!(decide(&[]), Decision::Fresh);
        assert_eq!(
            decide(&[file("c1", Err("torn")), file("c2", Err("checksum"))]),
            Decision::Refuse { newest: ("c2".to_owned(), "checksum".to_owned()) }
        );
        let found = [
            file("c3", Ok(3)),
            file("c5", Err("torn")),
            file("c4", Ok(4)),
            file("c2", Ok(2)),
            file("c1", Ok(1)),
        ];
        assert_eq!(
            decide(&found),
            Decision::Resume {
                name: "c4".to_owned(),
                damaged: vec![("c5".to_owned(), "torn".to_owned())],
                delete: vec!["c2".to_owned(), "c1".to_owned()],
            }
        );
    }
}
