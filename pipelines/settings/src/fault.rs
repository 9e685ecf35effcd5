//! What is wrong with a setting, and where it stands.

use std::fmt;

/// One thing that is wrong with a configuration. Sorts by file and line.
///
/// ```
/// let fault = settings::Fault {
///     file: "a.yaml".into(), line: 3, key: "mode".into(), text: "is \"loud\", must be one of calm, quiet".into(),
/// };
/// assert_eq!(fault.to_string(), "a.yaml:3: mode: is \"loud\", must be one of calm, quiet");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Fault {
    /// File, or `--set`.
    pub file: String,
    /// Line, from 1; 0 where there is none.
    pub line: u64,
    /// Dotted path of the key; empty where the whole document is meant.
    pub key: String,
    /// What is wrong and what is allowed.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)
    }
}
