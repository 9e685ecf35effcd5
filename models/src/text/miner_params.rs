//! Settings of the template miner.

use serde::{Deserialize, Serialize};

use crate::params::{Faults, ParamFaults};

/// Settings of [`super::TemplateMiner`] as a person writes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MinerParams {
    /// Templates that are kept; the one not seen for longest goes.
    pub templates_max: u32,
    /// Former ids that are kept.
    pub aliases_max: u32,
    /// Different words at one place of otherwise equal lines that make the place a variable, if the lines share three
    /// words; one less for each further word that they share, but three at least.
    pub words_to_widen: u32,
    /// The same for a word that stands alone after a colon.
    pub values_to_widen: u32,
    /// Share of the words that lines may differ in and still be compared.
    pub differing_share: f64,
}

impl Default for MinerParams {
    fn default() -> Self {
        Self {
            templates_max: 1000,
            aliases_max: 4096,
            words_to_widen: 8,
            values_to_widen: 2,
            differing_share: 0.4,
        }
    }
}

/// Checked settings of [`super::TemplateMiner`].
///
/// ```
/// assert!(models::text::MinerParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MinerValidParams(MinerParams);

impl MinerParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<MinerValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut within = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        within("templates_max", f64::from(self.templates_max), 2.0, 100_000.0, "2 to 100000");
        within("aliases_max", f64::from(self.aliases_max), 0.0, 1e6, "0 to 1000000");
        within("words_to_widen", f64::from(self.words_to_widen), 2.0, 100.0, "2 to 100");
        within("values_to_widen", f64::from(self.values_to_widen), 2.0, 100.0, "2 to 100");
        within("differing_share", self.differing_share, 0.0, 0.9, "0 to 0.9");
        faults.done(MinerValidParams(self))
    }
}

impl MinerValidParams {
    /// The settings.
    #[must_use]
    pub fn values(&self) -> MinerParams {
        self.0
    }
}
