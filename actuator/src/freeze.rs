//! The one switch that stops everything: a file in the data directory, so that it works while the actuator runs, while it
//! does not, and without its API.
//!
//! Promises: from the moment `freeze` returns, nothing is pushed any more. What it does not do: write the ledger; the
//! running actuator records the change when it sees it.

use std::io::Write;
use std::path::{Path, PathBuf};

use contract::Timestamp;

use crate::error::{ActuatorError, Result};

const FREEZE_FILE: &str = "frozen";

fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(FREEZE_FILE)
}

fn at(doing: &'static str, path: PathBuf) -> impl FnOnce(std::io::Error) -> ActuatorError {
    move |source| ActuatorError::File { doing, path, source }
}

/// Stops everything.
///
/// # Errors
/// [`ActuatorError::File`] if the switch cannot be written.
pub fn freeze(data_dir: &Path, why: &str, now: Timestamp) -> Result<()> {
    std::fs::create_dir_all(data_dir).map_err(at("create directory", data_dir.to_owned()))?;
    let path = path_in(data_dir);
    let why = if why.trim().is_empty() { "no reason given" } else { why.trim() };
    let write = || {
        let mut file = std::fs::File::create(&path)?;
        writeln!(file, "{why} (since {now})")?;
        file.sync_all()?;
        std::fs::File::open(data_dir)?.sync_all()
    };
    write().map_err(at("write", path))
}

/// Allows actions again; fine if they were allowed.
///
/// # Errors
/// [`ActuatorError::File`] if the switch cannot be removed.
pub fn thaw(data_dir: &Path) -> Result<()> {
    let path = path_in(data_dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Why everything is stopped, if it is. A switch that cannot be read counts as thrown.
#[must_use]
pub fn frozen(data_dir: &Path) -> Option<String> {
    match std::fs::read_to_string(path_in(data_dir)) {
        Ok(why) => Some(why.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("the freeze switch cannot be read: {error}")),
    }
}
