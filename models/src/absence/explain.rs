//! Why series are silent, from all the series that one reporter sends.

use serde::{Deserialize, Serialize};

/// Share of a reporter's series that must be silent to say that the reporter is.
const REPORTER_SHARE: f64 = 0.9;
/// Fewer series say nothing about their reporter.
const REPORTER_SERIES_MIN: usize = 3;

/// What is known of the process behind a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It should be there.
    Expected,
    /// It ended as it was meant to: scaled down, replaced, or completed.
    Ended,
}

/// One series of a reporter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// Whether it should have spoken by now.
    pub is_overdue: bool,
    /// What is known of its process.
    pub standing: Standing,
}

/// What the silence of a reporter's series means.
///
/// ```
/// use models::absence::{Absence, Member, Standing, explain};
/// let speaks = Member { is_overdue: false, standing: Standing::Expected };
/// let silent = Member { is_overdue: true, standing: Standing::Expected };
/// assert_eq!(explain(&[speaks, speaks, silent]), Absence::Signals(vec![2]));
/// assert_eq!(explain(&[silent, silent, silent]), Absence::Reporter);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Absence {
    /// Nothing is overdue but what ended in order.
    None,
    /// These series stopped while others of the same reporter go on, by index.
    Signals(Vec<usize>),
    /// All of them stopped: whoever reports them did.
    Reporter,
}

/// Explains the silence of the series of one reporter (a collector, a node, a pod). What ended in order neither counts as
/// silent nor as speaking.
#[must_use]
pub fn explain(members: &[Member]) -> Absence {
    let expected = members.iter().enumerate().filter(|(_, member)| member.standing == Standing::Expected);
    let (mut n_expected, mut overdue) = (0_usize, Vec::new());
    for (at, member) in expected {
        n_expected += 1;
        if member.is_overdue {
            overdue.push(at);
        }
    }
    if overdue.is_empty() {
        Absence::None
    } else if n_expected >= REPORTER_SERIES_MIN && overdue.len() as f64 >= REPORTER_SHARE * n_expected as f64
    {
        Absence::Reporter
    } else {
        Absence::Signals(overdue)
    }
}
