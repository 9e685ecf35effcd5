//! Options of `bellwether-demo`.
//!
//! Promises: an option that cannot be honoured is an error with the way out, before anything is started. It does not
//! start anything.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::DemoError;
use crate::story::{Fault, Pace};

/// Healthy seconds before a fault at speed 1.
const HEALTHY_SECS: f64 = 75.0;
/// Seconds that a decoy lasts at speed 1.
const DECOY_SECS: f64 = 60.0;
/// Seconds in which a leak fills a container's memory at speed 1.
const LEAK_SECS: f64 = 150.0;
/// Runs in one call.
const RUNS_MAX: u64 = 1_000;

/// The whole loop on one machine: a simulated shop sends real telemetry, a bad commit lands in its git repository,
/// the engine finds it, the actuator reverts it, the shop heals.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "bellwether-demo",
    version,
    after_help = "Examples:\n  bellwether demo\n  bellwether demo --fault crash-loop --seed 7\n  \
                  bellwether demo --headless --json --fault traffic-peak\n  \
                  bellwether demo --headless --fault error-burst --fault latency --seeds 1..11\n  \
                  bellwether demo --headless --fault none --minutes 10\n\n\
                  Exit status: 0 all went as it should, 1 it did not, 2 wrong usage."
)]
pub struct Options {
    /// No colours: for logs and pipelines
    #[arg(long)]
    pub headless: bool,
    /// One JSON object per line; the last one is the summary
    #[arg(long)]
    pub json: bool,
    /// What goes wrong: error-burst, latency, memory-leak, crash-loop, bad-config; decoys that must not be reverted:
    /// traffic-peak, shared-database; none. Several for several runs [default: error-burst]
    #[arg(long = "fault", value_name = "NAME", value_delimiter = ',')]
    pub faults: Vec<String>,
    /// Seed of chance
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Runs with the seeds SEED, SEED+1, …
    #[arg(long, default_value_t = 1, conflicts_with = "seeds")]
    pub runs: u64,
    /// Seeds from A up to but not B
    #[arg(long, value_name = "A..B")]
    pub seeds: Option<String>,
    /// Shortens the healthy phases, and the time that a leak takes, by this factor, 0.1 to 10
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
    /// Healthy minutes before the fault, or in all with --fault none, 0.2 to 120 [default: 1.25]
    #[arg(long)]
    pub minutes: Option<f64>,
    /// How often pods export spans; lines twice as often, metrics 2.5 times as seldom; 200ms to 5s
    #[arg(long, default_value = "1s")]
    pub export_interval: String,
    /// Requests per second at the front, 5 to 500
    #[arg(long, default_value_t = 200.0)]
    pub rps: f64,
    /// Keeps repositories, configuration, logs and the ledger in DIR, one folder per run
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// The engine's program [default: `bellwether` beside this one]
    #[arg(long, value_name = "PATH")]
    pub engine: Option<PathBuf>,
    /// The actuator's program [default: `bellwether-actuator` beside this one]
    #[arg(long, value_name = "PATH")]
    pub actuator: Option<PathBuf>,
    /// A setting for the engine, as in `canary.act_alpha=0.001`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub settings: Vec<String>,
}

/// The options after they were checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Runs, in order.
    pub runs: Vec<(Fault, u64)>,
    /// How long the phases take.
    pub pace: Pace,
    /// How often pods export spans.
    pub export_interval: Duration,
    /// Requests per second at the front.
    pub front_rps: f64,
}

impl Options {
    /// Checks the options.
    ///
    /// # Errors
    /// [`DemoError::Usage`] names the option, its value and what is allowed.
    pub fn check(&self) -> Result<Plan, DemoError> {
        let speed = within("--speed", self.speed, 0.1, 10.0)?;
        let minutes = self.minutes.map(|minutes| within("--minutes", minutes, 0.2, 120.0)).transpose()?;
        let front_rps = within("--rps", self.rps, 5.0, 500.0)?;
        let export_secs = seconds(&self.export_interval).ok_or_else(|| {
            usage(format!(
                "--export-interval {} is no duration, must be as in 2s or 500ms",
                self.export_interval
            ))
        })?;
        let export_secs = within("--export-interval", export_secs, 0.2, 5.0)?;
        let healthy_secs = minutes.map_or(HEALTHY_SECS, |minutes| minutes * 60.0) / speed;
        let pace = Pace { healthy_secs, decoy_secs: DECOY_SECS / speed, leak_secs: LEAK_SECS / speed };
        let faults = self.faults()?;
        let seeds = self.seed_list()?;
        let runs = faults.iter().flat_map(|fault| seeds.iter().map(|seed| (*fault, *seed))).collect();
        Ok(Plan { runs, pace, export_interval: Duration::from_secs_f64(export_secs), front_rps })
    }

    fn faults(&self) -> Result<Vec<Fault>, DemoError> {
        if self.faults.is_empty() {
            return Ok(vec![Fault::ErrorBurst]);
        }
        self.faults.iter().map(|name| name.parse().map_err(|why| usage(format!("--fault: {why}")))).collect()
    }

    fn seed_list(&self) -> Result<Vec<u64>, DemoError> {
        let range = match &self.seeds {
            None => self.seed..self.seed.saturating_add(self.runs),
            Some(text) => range_of(text)
                .ok_or_else(|| usage(format!("--seeds {text} is no range, must be as in 1..11")))?,
        };
        let n = range.end.saturating_sub(range.start);
        if n == 0 || n > RUNS_MAX {
            return Err(usage(format!("--runs is {n}, must be 1 to {RUNS_MAX}")));
        }
        Ok(range.collect())
    }
}

fn within(name: &str, value: f64, least: f64, most: f64) -> Result<f64, DemoError> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(usage(format!("{name} is {value}, must be {least} to {most}")))
    }
}

fn usage(text: String) -> DemoError {
    DemoError::Usage(text)
}

fn range_of(text: &str) -> Option<std::ops::Range<u64>> {
    let (from, to) = text.split_once("..")?;
    Some(from.trim().parse().ok()?..to.trim().parse().ok()?)
}

fn seconds(text: &str) -> Option<f64> {
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.parse::<f64>().ok().map(|millis| millis / 1000.0);
    }
    text.strip_suffix('s').unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str]) -> Result<Plan, String> {
        let args = std::iter::once("bellwether-demo").chain(args.iter().copied());
        let options = Options::try_parse_from(args).map_err(|e| e.to_string())?;
        options.check().map_err(|e| e.to_string())
    }

    /// Scenario: options that are fine.
    /// Guarantees: defaults as documented; speed shortens the phases; seeds and faults multiply.
    #[test]
    fn good_options_become_a_plan() {
        let plan = check(&[]).unwrap();
        assert_eq!(plan.runs, [(Fault::ErrorBurst, 1)]);
        assert_eq!(plan.pace, Pace { healthy_secs: 75.0, decoy_secs: 60.0, leak_secs: 150.0 });
        let plan = check(&["--speed", "2", "--fault", "latency,none", "--seeds", "3..5"]).unwrap();
        assert_eq!(plan.runs, [(Fault::Latency, 3), (Fault::Latency, 4), (Fault::None, 3), (Fault::None, 4)]);
        assert_eq!(plan.pace, Pace { healthy_secs: 37.5, decoy_secs: 30.0, leak_secs: 75.0 });
        let plan = check(&["--minutes", "10", "--runs", "2", "--export-interval", "500ms"]).unwrap();
        assert_eq!(
            (plan.pace.healthy_secs, plan.runs.len(), plan.export_interval.as_millis()),
            (600.0, 2, 500)
        );
    }

    /// Scenario: options that are wrong.
    /// Guarantees: each is named with its value and what is allowed.
    #[test]
    fn wrong_options_say_what_is_allowed() {
        let cases: [(&[&str], &str); 6] = [
            (&["--speed", "0"], "--speed is 0, must be 0.1 to 10"),
            (&["--fault", "fire"], "fault fire is not known"),
            (&["--seeds", "7"], "must be as in 1..11"),
            (&["--seeds", "7..7"], "must be 1 to 1000"),
            (&["--export-interval", "soon"], "must be as in 2s or 500ms"),
            (&["--export-interval", "9s"], "must be 0.2 to 5"),
        ];
        for (args, expected) in cases {
            let why = check(args).unwrap_err();
            assert!(why.contains(expected), "{args:?}: {why}");
        }
    }
}
