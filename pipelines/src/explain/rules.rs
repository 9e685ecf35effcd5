//! What each rule does, in a sentence.

/// The sentence of a rule.
pub(super) fn sentence(name: &str) -> &'static str {
    match name {
        "canary_test" => {
            "compares each tick of the new version's pods with the stable version's: failed requests, and requests slower \
             than the stable version's own median, p90 and p99; where spans tell it, also the time that requests take in \
             the service itself, its calls left out: its mean on a log scale, and requests beyond its p90. Limits are \
             stretched for young pods as far as earlier releases showed. It may be looked at every second: of sound \
             releases, about alpha_act are ever called harmful. The evidence is an e-value, tempered by how much stable \
             pods differ among themselves; 1/alpha_pause pauses, 1/alpha_act on more than one pod acts"
        }
        "silence" => {
            "asks how many requests the new version should have served by its share of the pods; the chance of none is about \
             exp(-expected). Restarts of its containers count as evidence of their own"
        }
        "before_after" => {
            "compares failed requests after a switch that leaves no old version with what the time before and other \
             services lead to expect. It acts only if the evidence is beyond 99.9 % of what pretended switches in quiet \
             times gave, and beyond alpha_act"
        }
        "slo" => {
            "holds the last minute against fixed limits, whatever the history says; it never asks to act"
        }
        "exhaustion" => {
            "follows the lows of a resource of each pod, in parts of its limit, and says when it is full if it goes on like this. \
             It must rise evenly, above everything held before; only the strict form, on a new version whose predecessor did not \
             leak, asks to act"
        }
        "absence" => {
            "learns how far apart the signs of life of a service, and the values of each of its signals, come. A service is missed \
             when it is silent for three times its longest pause while its callers go on calling it: failed calls mean that it is \
             gone, answered ones that its telemetry is lost. A signal is missed when others of its service go on. When all fall \
             silent at once, whoever reports them did, and nothing is said of them; it never asks to act"
        }
        "baseline" => {
            "holds every signal of a service against its own past: requests of all and of each operation, resources, and what \
             else the service reports, at workload level. A point is judged by how rarely its value, its means and its distance \
             to the usual day were seen, and that by how rare such a score is in its series. An alarm budget bounds what is said, \
             whatever the series does. A lone series is worth watching; failed or slow requests beside another signal alert; it \
             never asks to act"
        }
        _ => "is not known to this program",
    }
}
