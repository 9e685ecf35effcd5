//! Words of people to the actuator: files in the data directory, so that they arrive while it runs and while it does not.
//!
//! Promises: a word that was put down is whole and on disk; it is taken once the ledger holds it. What it does not do:
//! judge a word ([`crate::policy`]), or hold anything for longer than until the next look.

use std::io::Write;
use std::path::{Path, PathBuf};

use contract::{Timestamp, content_id};
use serde::{Deserialize, Serialize};

use crate::error::{ActuatorError, Result};

const FOLDER: &str = "inbox";
/// Words of one look; more wait for the next.
const WORDS_MAX: usize = 100;
/// Bound of a file that is read.
const BYTES_MAX: u64 = 64 << 10;

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Word {
    /// The remedy may be made, on this evidence and no other.
    Approve {
        /// The incident.
        incident_id: String,
        /// The evidence that was looked at.
        evidence_digest: String,
        /// Who.
        by: String,
        /// Not after this.
        until: Timestamp,
        /// Revision of the incident that was looked at; 0 where it was not noted.
        #[serde(default)]
        revision: u32,
    },
    /// It may not.
    Reject {
        /// The incident.
        incident_id: String,
        /// The evidence that was looked at.
        evidence_digest: String,
        /// Who.
        by: String,
        /// Why.
        why: String,
        /// Revision of the incident that was looked at; 0 where it was not noted.
        #[serde(default)]
        revision: u32,
    },
    /// A scope that was demoted may act by itself again.
    Rearm {
        /// Name of the policy's scope.
        scope: String,
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ActuatorError {
    let path = path.to_owned();
    move |source| ActuatorError::File { doing, path, source }
}

/// Puts a word down; the same word at the same time is one.
///
/// # Errors
/// [`ActuatorError::File`] if the disk refuses.
pub fn put(data_dir: &Path, word: &Word, now: Timestamp) -> Result<()> {
    let folder = data_dir.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(at("create directory", &folder))?;
    let text = serde_json::to_string(word).unwrap_or_default();
    let name = format!("{}-{}.json", now.unix_nanos(), content_id(&[&text]));
    let (path, part) = (folder.join(&name), folder.join(format!("{name}.part")));
    let write = || {
        let mut file = std::fs::File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, &path)?;
        std::fs::File::open(&folder)?.sync_all()
    };
    write().map_err(at("write", &path))
}

/// The words that wait, oldest first, each with its file.
///
/// # Errors
/// [`ActuatorError::File`] if the disk refuses. A file that holds no word is set aside as `.bad`.
pub fn waiting(data_dir: &Path) -> Result<Vec<(PathBuf, Word)>> {
    let folder = data_dir.join(FOLDER);
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at("list", &folder))?,
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    let mut words = Vec::new();
    for path in paths.into_iter().take(WORDS_MAX) {
        let length = std::fs::metadata(&path).map_err(at("measure", &path))?.len();
        let text = if length > BYTES_MAX {
            String::new()
        } else {
            std::fs::read_to_string(&path).unwrap_or_default()
        };
        match serde_json::from_str(&text) {
            Ok(word) => words.push((path, word)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a file in the inbox holds no word, set aside");
                std::fs::rename(&path, path.with_extension("bad")).map_err(at("set aside", &path))?;
            }
        }
    }
    Ok(words)
}

/// Removes a word that the ledger holds.
///
/// # Errors
/// [`ActuatorError::File`] if the disk refuses.
pub fn done(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(at("remove", path))
}
