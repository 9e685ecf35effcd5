//! Settings of families.

use serde::{Deserialize, Serialize};

use crate::params::{Faults, ParamFaults};

/// Settings of [`super::Families`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FamilyParams {
    /// How far from a family's centre an incident may be to belong to it.
    pub reach: f64,
    /// Members that a centre follows about evenly.
    pub memory_members: u32,
    /// Families kept.
    pub families_max: usize,
    /// Incidents that are remembered one by one.
    pub incidents_max: usize,
}

impl Default for FamilyParams {
    fn default() -> Self {
        Self { reach: 0.7, memory_members: 20, families_max: 64, incidents_max: 256 }
    }
}

/// Checked settings of [`super::Families`].
///
/// ```
/// use models::families::FamilyParams;
/// assert!(FamilyParams::default().check().is_ok());
/// let fault = FamilyParams { reach: 0.0, ..FamilyParams::default() }.check().unwrap_err();
/// assert_eq!(fault.to_string(), "reach is 0, must be 0.01 to 5");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FamilyValidParams(pub(super) FamilyParams);

impl FamilyParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<FamilyValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut range = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        range("reach", self.reach, 0.01, 5.0, "0.01 to 5");
        range("memory_members", f64::from(self.memory_members), 1.0, 10_000.0, "1 to 10000");
        range("families_max", self.families_max as f64, 1.0, 1_024.0, "1 to 1024");
        range("incidents_max", self.incidents_max as f64, 1.0, 4_096.0, "1 to 4096");
        faults.done(FamilyValidParams(self))
    }
}
