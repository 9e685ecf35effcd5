//! Many single-series detectors in columns, in two tiers: a small one for every series, the full one for those that are
//! worth it under a memory budget. A table of contents.

mod admission;
mod full;
mod hot;
mod tiers;

#[cfg(test)]
mod tests;

pub use admission::{Admission, AdmissionParams, AdmissionValidParams, Admitted};
pub use full::{Row, RowPoint, SurpriseColumns};
pub use hot::HotSurprise;
pub use tiers::{ASK_POINTS, Bank, BankPoint, Judged};
