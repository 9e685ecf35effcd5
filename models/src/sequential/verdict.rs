//! From evidence to a decision and the reason why it is not a better one. Pure.

use super::canary_params::CanaryParams;
use super::{Decision, Reason};

/// All that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence {
    pub(crate) ln_e: f64,
    pub(crate) ln_e_without_worst_pod: Option<f64>,
    pub(crate) ln_pass: f64,
    pub(crate) elapsed_secs: f64,
    pub(crate) n_control_pods: usize,
    pub(crate) n_canary_pods: usize,
    pub(crate) node_clean: bool,
    pub(crate) pod_sd: f64,
    pub(crate) warm_in_secs: f64,
    pub(crate) both_degraded: bool,
    pub(crate) canary_requests: f64,
}

/// The decision after `before`. `Act` is final; a pause is lifted only by evidence for promotion.
pub(crate) fn decide(params: &CanaryParams, seen: &Evidence, before: Decision) -> Decision {
    if before == Decision::Act {
        return before;
    }
    let enough = -libm::log(params.alpha_pass);
    if seen.ln_e >= -libm::log(params.alpha_act) {
        return match (seen.n_control_pods, seen.n_canary_pods, seen.ln_e_without_worst_pod) {
            (0 | 1, ..) => Decision::Pause(Some(Reason::NoPeers)),
            (_, 2.., Some(without)) if without >= enough => Decision::Act,
            (_, 0 | 1, _) if seen.node_clean => Decision::Act,
            _ => Decision::Pause(Some(Reason::SinglePod)),
        };
    }
    if seen.ln_e >= -libm::log(params.alpha_pause) {
        return Decision::Pause(None);
    }
    let harmless = seen.ln_pass >= enough && seen.ln_e < enough && seen.n_control_pods >= 2;
    if harmless && seen.elapsed_secs >= params.promote_after_secs {
        return if seen.both_degraded {
            Decision::Inconclusive(Reason::BothArmsDegraded)
        } else {
            Decision::Promote
        };
    }
    match before {
        Decision::Pause(_) | Decision::Promote => before,
        _ if seen.elapsed_secs >= params.horizon_secs => Decision::Inconclusive(obstacle(params, seen)),
        _ => Decision::Continue,
    }
}

/// What stands in the way of a decision, the most telling first.
pub(crate) fn obstacle(params: &CanaryParams, seen: &Evidence) -> Reason {
    let needs = needs_secs(params, seen);
    if seen.n_control_pods == 0 {
        Reason::NoControlArm
    } else if seen.n_control_pods == 1 {
        Reason::NoPeers
    } else if seen.both_degraded {
        Reason::BothArmsDegraded
    } else if seen.warm_in_secs >= 1.0 {
        Reason::WarmingUp { needs_secs: seen.warm_in_secs as u32 }
    } else if seen.pod_sd >= 0.15 {
        Reason::PodsDiffer(seen.pod_sd)
    } else if seen.elapsed_secs >= 60.0 && seen.canary_requests < seen.elapsed_secs / 10.0 {
        Reason::Starved
    } else {
        Reason::NeedsSeconds(needs)
    }
}

/// Seconds to a decision if the evidence keeps its pace; at most the horizon.
pub(crate) fn needs_secs(params: &CanaryParams, seen: &Evidence) -> u32 {
    let elapsed = seen.elapsed_secs.max(1.0);
    let to_go =
        |now: f64, goal: f64| if now > 0.1 { (goal / now - 1.0).max(0.0) * elapsed } else { f64::INFINITY };
    let pass = to_go(seen.ln_pass, -libm::log(params.alpha_pass)).max(params.promote_after_secs - elapsed);
    let stop = to_go(seen.ln_e, -libm::log(params.alpha_act));
    libm::ceil(pass.min(stop).min(params.horizon_secs)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Evidence = Evidence {
        ln_e: 0.0,
        ln_e_without_worst_pod: None,
        ln_pass: 0.0,
        elapsed_secs: 300.0,
        n_control_pods: 10,
        n_canary_pods: 1,
        node_clean: false,
        pod_sd: 0.05,
        warm_in_secs: 0.0,
        both_degraded: false,
        canary_requests: 1e5,
    };

    fn check(seen: Evidence, want: Decision) {
        assert_eq!(decide(&CanaryParams::default(), &seen, Decision::Continue), want, "{seen:?}");
    }

    /// Scenario: the rows of the table of what a verdict must say.
    /// Guarantees: harm on one pod pauses, on two acts; missing peers never act; the rest is named.
    #[test]
    fn decisions_follow_the_evidence() {
        let strong = Evidence { ln_e: 8.0, ..QUIET };
        check(QUIET, Decision::Continue);
        check(Evidence { ln_e: 5.0, ..QUIET }, Decision::Pause(None));
        check(strong, Decision::Pause(Some(Reason::SinglePod)));
        check(Evidence { node_clean: true, ..strong }, Decision::Act);
        let two = Evidence { n_canary_pods: 2, ln_e_without_worst_pod: Some(4.0), ..strong };
        check(two, Decision::Act);
        check(
            Evidence { ln_e_without_worst_pod: Some(1.0), ..two },
            Decision::Pause(Some(Reason::SinglePod)),
        );
        check(Evidence { n_control_pods: 1, ..two }, Decision::Pause(Some(Reason::NoPeers)));
        let good = Evidence { ln_pass: 3.5, ln_e: -4.0, ..QUIET };
        check(good, Decision::Promote);
        check(Evidence { elapsed_secs: 60.0, ..good }, Decision::Continue);
        check(Evidence { both_degraded: true, ..good }, Decision::Inconclusive(Reason::BothArmsDegraded));
        let late = Evidence { elapsed_secs: 3600.0, ..QUIET };
        check(late, Decision::Inconclusive(Reason::NeedsSeconds(3600)));
        check(Evidence { pod_sd: 0.2, ..late }, Decision::Inconclusive(Reason::PodsDiffer(0.2)));
        check(Evidence { canary_requests: 9.0, ..late }, Decision::Inconclusive(Reason::Starved));
        check(Evidence { n_control_pods: 0, ..late }, Decision::Inconclusive(Reason::NoControlArm));
    }

    /// Scenario: a pause and an act, followed by quiet evidence.
    /// Guarantees: both stand; the pause gives way to evidence for promotion, the act to nothing.
    #[test]
    fn decisions_are_held() {
        let params = CanaryParams::default();
        let good = Evidence { ln_pass: 3.5, ..QUIET };
        assert_eq!(decide(&params, &QUIET, Decision::Pause(None)), Decision::Pause(None));
        assert_eq!(decide(&params, &good, Decision::Pause(None)), Decision::Promote);
        assert_eq!(decide(&params, &good, Decision::Act), Decision::Act);
    }
}
