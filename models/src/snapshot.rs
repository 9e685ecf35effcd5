//! The state of a model as bytes that say whose they are and which layout they have.
//!
//! Every model is also plain `Serialize`, so that a larger state can hold it; then the version of the larger state covers
//! it, and raising [`Snapshot::VERSION`] means raising that one. A state of another model or another layout is refused
//! in words, never read as something else. Not done here: where the bytes are kept, and sums over them.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are no state of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// They belong to another model.
    #[error("state of `{found}` found where that of `{wanted}` was expected")]
    Model {
        /// Whose state it is.
        found: String,
        /// Whose it should be.
        wanted: &'static str,
    },
    /// Their layout is not the one that this build knows.
    #[error("state of `{model}` has version {found}, this build reads version {known}: start without it")]
    Version {
        /// The model.
        model: &'static str,
        /// Version of the bytes.
        found: u16,
        /// Version of this build.
        known: u16,
    },
    /// They contradict themselves or end early.
    #[error("state of `{model}` is damaged: {why}")]
    Damaged {
        /// The model.
        model: &'static str,
        /// What does not fit.
        why: String,
    },
}

/// A model whose state, settings included, can be written and read on its own.
///
/// ```
/// use models::{Snapshot, SnapshotError};
/// use models::absence::{AbsenceParams, Arrivals};
/// use models::calibrate::{AlarmBudget, BudgetParams};
/// let mut arrivals = Arrivals::new(&AbsenceParams::default().check().unwrap());
/// arrivals.learn(60_000_000_000);
/// let bytes = arrivals.snapshot();
/// assert_eq!(Arrivals::restore(&bytes), Ok(arrivals));
/// let wrong = AlarmBudget::restore(&bytes).unwrap_err();
/// assert_eq!(wrong.to_string(), "state of `arrivals` found where that of `alarm_budget` was expected");
/// ```
pub trait Snapshot: Serialize + DeserializeOwned {
    /// Name of the model, for ever.
    const MODEL: &'static str;
    /// Version of the layout; rises with every change of it.
    const VERSION: u16;

    /// The state as bytes.
    fn snapshot(&self) -> Vec<u8> {
        append(opened(Self::MODEL, Self::VERSION), self)
    }

    /// The model as it was, bit for bit.
    ///
    /// # Errors
    /// [`SnapshotError`] for bytes that are not a state of this model in this version.
    fn restore(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let body = body(bytes, Self::MODEL, Self::VERSION)?;
        let damaged = |why: String| SnapshotError::Damaged { model: Self::MODEL, why };
        match postcard::take_from_bytes(body) {
            Ok((model, [])) => Ok(model),
            Ok((_, rest)) => Err(damaged(format!("{} bytes too many", rest.len()))),
            Err(error) => Err(damaged(error.to_string())),
        }
    }
}

/// The models that can be written on their own: type, name, version of the layout. The bank, whose settings are not part of
/// its state, does it itself ([`crate::bank::Bank::save`]).
macro_rules! snapshots {
    ($($model:ty, $name:literal, $version:literal;)*) => {$(
        impl Snapshot for $model {
            const MODEL: &'static str = $name;
            const VERSION: u16 = $version;
        }
    )*};
}

snapshots! {
    crate::absence::Arrivals, "arrivals", 1;
    crate::calibrate::AlarmBudget, "alarm_budget", 1;
    crate::calibrate::BudgetColumns, "budget_columns", 1;
    crate::calibrate::PooledBudget, "pooled_budget", 1;
    crate::calibrate::ProbabilityMap, "probability_map", 1;
    crate::calibrate::TailCalibrator, "tail_calibrator", 1;
    crate::exhaustion::ExhaustionModel, "exhaustion_model", 1;
    crate::exhaustion::LearnedLimit, "learned_limit", 1;
    crate::families::Families, "families", 2;
    crate::multivariate::VectorDetector, "vector_detector", 1;
    crate::siblings::SiblingDetector, "sibling_detector", 1;
    crate::univariate::MeanSurprise, "mean_surprise", 3;
}

/// Bytes that begin with whose they are.
pub(crate) fn opened(model: &str, version: u16) -> Vec<u8> {
    append(Vec::new(), &(model, version))
}

/// The bytes with a value behind them.
pub(crate) fn append(bytes: Vec<u8>, value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, bytes).expect("plain values always serialise")
}

/// What follows the name and the version, if these are the expected ones.
pub(crate) fn body<'a>(
    bytes: &'a [u8],
    model: &'static str,
    version: u16,
) -> Result<&'a [u8], SnapshotError> {
    match postcard::take_from_bytes::<(&str, u16)>(bytes) {
        Ok(((found, _), _)) if found != model => {
            Err(SnapshotError::Model { found: found.to_owned(), wanted: model })
        }
        Ok(((_, found), _)) if found != version => {
            Err(SnapshotError::Version { model, found, known: version })
        }
        Ok((_, body)) => Ok(body),
        Err(error) => Err(SnapshotError::Damaged { model, why: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Known(u32, f64);

    impl Snapshot for Known {
        const MODEL: &'static str = "known";
        const VERSION: u16 = 300;
    }

    /// Scenario: a state as written; of another version; of another model; cut at every length; with a byte too many.
    /// Guarantees: the first comes back, all others are refused, version and model in words that name both sides.
    #[test]
    fn only_the_own_layout_is_read() {
        let bytes = Known(7, 0.1).snapshot();
        assert_eq!(Known::restore(&bytes), Ok(Known(7, 0.1)));
        let older = append(opened("known", 299), &Known(7, 0.1));
        let error = Known::restore(&older).unwrap_err().to_string();
        assert_eq!(error, "state of `known` has version 299, this build reads version 300: start without it");
        let other = append(opened("other", 300), &Known(7, 0.1));
        assert!(matches!(Known::restore(&other), Err(SnapshotError::Model { .. })));
        for length in 0..bytes.len() {
            assert!(
                matches!(Known::restore(&bytes[..length]), Err(SnapshotError::Damaged { .. })),
                "{length}"
            );
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(Known::restore(&longer), Err(SnapshotError::Damaged { .. })));
    }
}
