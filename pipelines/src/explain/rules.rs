//! What each rule does, in a sentence.

/// The sentence of a rule.
pub(super) fn sentence(name: &str) -> &'static str {
    match name {
        "canary_test" => {
            "compares each tick of the new version's pods with the stable version's: failed requests, and requests slower \
             than the stable version's own median, p90 and p99; where spans tell it, also requests that took longer in the \
             service itself, its calls left out. Limits are stretched for young pods as far as earlier releases showed. It may be looked at every second: of sound releases, about \
             alpha_act are ever called harmful. The evidence is an e-value, tempered by how much stable pods differ among \
             themselves; 1/alpha_pause pauses, 1/alpha_act on more than one pod acts"
        }
        "silence" => {
            "asks how many requests the new version should have served by its share of the pods; the chance of none is about \
             exp(-expected). Restarts of its containers count as evidence of their own"
        }
        "before_after" => {
            "compares the time after a switch without control arm with the time before, and with quiet times"
        }
        "slo" => {
            "holds the last minute against fixed limits, whatever the history says; it never asks to act"
        }
        "baseline" => "holds a service's own signals against their robust baseline",
        _ => "is not known to this program",
    }
}
