//! Which series of a service a point belongs to, and what that series means.

use std::sync::Arc;

use engine::record::UnixNanos;
use serde::{Deserialize, Serialize};

use crate::features::ResourceSignal;
use crate::scoring::exhaustion_wording::named;

/// What of a service's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum CallSignal {
    /// Requests a second.
    Rate,
    /// Share of them that failed.
    ErrorShare,
    /// How long they took: p90 of all, mean of one operation; milliseconds.
    Duration,
}

/// A series of a service. All are at workload level: versions and pods come and go beneath it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum SeriesName {
    /// Requests of one operation; without a name, of all.
    Calls(CallSignal, Arc<str>),
    /// Mean over the pods.
    Resource(ResourceSignal),
    /// `metric{attribute=value,…}`, mean over the pods.
    Other(Arc<str>),
    /// How unlike its siblings the oddest pod is.
    Siblings,
    /// How unusual the signals are together.
    Together,
}

/// What two series must differ in to be two witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Rate,
    Errors,
    Duration,
    Resource(ResourceSignal),
    Other,
    /// Made of other signals, which makes it no witness beside them.
    Derived,
}

/// One value of one series of a service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) name: SeriesName,
    pub(crate) at: UnixNanos,
    pub(crate) value: f64,
}

impl SeriesName {
    /// How much it deserves the full tier, 0 to 1.
    pub(crate) fn weight(&self) -> f32 {
        match self {
            Self::Calls(_, operation) if operation.is_empty() => 1.0,
            Self::Calls(..) => 0.6,
            Self::Resource(_) | Self::Siblings | Self::Together => 0.5,
            Self::Other(_) => 0.3,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Calls(CallSignal::Rate, _) => Kind::Rate,
            Self::Calls(CallSignal::ErrorShare, _) => Kind::Errors,
            Self::Calls(CallSignal::Duration, _) => Kind::Duration,
            Self::Resource(signal) => Kind::Resource(*signal),
            Self::Other(_) => Kind::Other,
            Self::Siblings | Self::Together => Kind::Derived,
        }
    }

    /// The signal on the wire, and its unit.
    pub(crate) fn words(&self) -> (String, &'static str) {
        let of = |what: &str, operation: &str| {
            if operation.is_empty() { what.to_owned() } else { format!("{what} of {operation}") }
        };
        match self {
            Self::Calls(CallSignal::Rate, operation) => (of("request rate", operation), "{request}/s"),
            Self::Calls(CallSignal::ErrorShare, operation) => (of("error share", operation), "1"),
            Self::Calls(CallSignal::Duration, operation) if operation.is_empty() => {
                ("latency p90".to_owned(), "ms")
            }
            Self::Calls(CallSignal::Duration, operation) => (of("mean latency", operation), "ms"),
            Self::Resource(signal) => (format!("{} a pod", named(*signal).0), named(*signal).1),
            Self::Other(name) => (name.to_string(), ""),
            Self::Siblings => ("difference between pods".to_owned(), "{decade}"),
            Self::Together => ("signals together".to_owned(), "{decade}"),
        }
    }
}
