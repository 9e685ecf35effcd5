//! What an incident may show, in the order in which fingerprints hold it. The order is part of the state's layout.

/// A trait of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Trait {
    /// A change is suspected.
    Change,
    /// It came some time after the change.
    Late,
    /// Callers show it too.
    Spread,
    Errors,
    Slow,
    SlowItself,
    Silence,
    Restarts,
    Gone,
    SignalStopped,
    MemoryRunsOut,
    DiskRunsOut,
    HandlesRunOut,
    ConnectionsRunOut,
    OtherRunsOut,
    NewLines,
    LineRates,
    TrafficUp,
    TrafficDown,
    OneReplica,
    Together,
    Processor,
    Memory,
    OtherResource,
    OwnMetric,
}

impl Trait {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 25] = [
        Self::Change,
        Self::Late,
        Self::Spread,
        Self::Errors,
        Self::Slow,
        Self::SlowItself,
        Self::Silence,
        Self::Restarts,
        Self::Gone,
        Self::SignalStopped,
        Self::MemoryRunsOut,
        Self::DiskRunsOut,
        Self::HandlesRunOut,
        Self::ConnectionsRunOut,
        Self::OtherRunsOut,
        Self::NewLines,
        Self::LineRates,
        Self::TrafficUp,
        Self::TrafficDown,
        Self::OneReplica,
        Self::Together,
        Self::Processor,
        Self::Memory,
        Self::OtherResource,
        Self::OwnMetric,
    ];

    /// Whether it says where and when, not what.
    pub(super) const fn is_context(self) -> bool {
        matches!(self, Self::Change | Self::Late | Self::Spread)
    }

    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Change => "a change is suspected",
            Self::Late => "some time after the change",
            Self::Spread => "callers show it too",
            Self::Errors => "errors",
            Self::Slow => "slower replies",
            Self::SlowItself => "slower in the service itself",
            Self::Silence => "silence of pods",
            Self::Restarts => "restarting pods",
            Self::Gone => "a service that is gone",
            Self::SignalStopped => "signals that stopped",
            Self::MemoryRunsOut => "memory running out",
            Self::DiskRunsOut => "disk running out",
            Self::HandlesRunOut => "file descriptors or threads running out",
            Self::ConnectionsRunOut => "connections running out",
            Self::OtherRunsOut => "a resource running out",
            Self::NewLines => "new log lines",
            Self::LineRates => "log lines of another frequency",
            Self::TrafficUp => "more traffic",
            Self::TrafficDown => "less traffic",
            Self::OneReplica => "one replica apart",
            Self::Together => "signals unusual together",
            Self::Processor => "unusual processor use",
            Self::Memory => "unusual memory use",
            Self::OtherResource => "an unusual resource",
            Self::OwnMetric => "unusual metrics of its own",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: the whole list. Guarantees: it is in the order of the numbers, complete, and fits a fingerprint.
    #[test]
    fn traits_stand_in_their_order() {
        for (nth, of) in Trait::ALL.iter().enumerate() {
            assert_eq!(*of as usize, nth);
        }
        assert_eq!(Trait::OwnMetric as usize + 1, Trait::ALL.len());
        assert!(Trait::ALL.len() <= models::families::TRAITS_MAX);
    }
}
