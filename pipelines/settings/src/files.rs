//! The files of a configuration, read once.

use std::path::PathBuf;

use crate::Fault;

/// A document with the name that its faults carry.
pub type NamedText = (String, String);

/// Reads every file and has them checked; a file that cannot be read does not hide the faults of the others.
///
/// # Errors
/// All faults at once: files that cannot be read first, then what `check` says.
pub fn read_files<P>(
    files: &[PathBuf],
    check: impl FnOnce(&[NamedText]) -> Result<P, Vec<Fault>>,
) -> Result<P, Vec<Fault>> {
    let (mut texts, mut faults) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => texts.push((name, text)),
            Err(error) => {
                let text = format!("cannot be read: {error}");
                faults.push(Fault { file: name, line: 0, key: String::new(), text });
            }
        }
    }
    match check(&texts) {
        Ok(plan) if faults.is_empty() => Ok(plan),
        checked => {
            faults.extend(checked.err().unwrap_or_default());
            Err(faults)
        }
    }
}
