//! Settings before and after checking are two types; this file holds what both share: the faults.
//!
//! A `…Params` has public fields and defaults, its `check` names every fault at once, and only the
//! `…ValidParams` it returns is accepted by a model. Reading settings from a file is not done here.

use std::fmt;

/// One setting that cannot be used: which, what it is, and what is allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name} is {value}, must be {allowed}")]
pub struct ParamFault {
    /// The field, spelled as in the struct.
    pub name: &'static str,
    /// The refused value.
    pub value: f64,
    /// What would be accepted.
    pub allowed: &'static str,
}

/// Every fault of one set of settings, in the order of the fields.
///
/// ```
/// use models::sequential::CanaryParams;
/// let faults = CanaryParams { alpha_act: 2.0, ..CanaryParams::default() }.check().unwrap_err();
/// assert!(faults.to_string().starts_with("alpha_act is 2, must be"));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct ParamFaults(pub Vec<ParamFault>);

impl fmt::Display for ParamFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, fault) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// Collects faults while a set of settings is looked through.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<ParamFault>);

impl Faults {
    /// Notes a fault unless `holds`. Comparisons with NaN are false, so NaN is always refused.
    pub(crate) fn require(&mut self, holds: bool, name: &'static str, value: f64, allowed: &'static str) {
        if !holds {
            self.0.push(ParamFault { name, value, allowed });
        }
    }

    /// The checked value, or everything that was wrong with it.
    pub(crate) fn done<T>(self, valid: T) -> Result<T, ParamFaults> {
        if self.0.is_empty() { Ok(valid) } else { Err(ParamFaults(self.0)) }
    }
}
