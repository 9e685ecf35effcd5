//! Prints what it costs that many services start at once, one series each: `cargo run --release -p benches --bin starts`.
//!
//! Half of them run in a second cluster too, as after a disaster test. Processor time of the scoring stage for the first step in which
//! they are seen and for the second; medians. A cost by service that grows with their number would be a scan over all of them.
#![expect(clippy::unwrap_used, reason = "a bench may stop at any surprise")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use benches::measure::alone;
use engine::record::NANOS_PER_SEC;
use models::sequential::CanaryParams;
use pipelines::config::read_files;
use pipelines::features::{FeatureRows, SeriesRow, ServiceKey};
use pipelines::scoring::{Scoring, ScoringParams, SeriesParams};

const ROUNDS: usize = 5;

fn rows(services: usize, sec: i64) -> FeatureRows {
    let name: Arc<str> = "queue.depth".into();
    let (tenant, environment, namespace): (Arc<str>, Arc<str>, Arc<str>) =
        ("default".into(), "production".into(), "shop".into());
    let row = |nth: usize| SeriesRow {
        service: ServiceKey {
            tenant: Arc::clone(&tenant),
            cluster: if nth.is_multiple_of(2) { "eu1".into() } else { "us1".into() },
            environment: Arc::clone(&environment),
            namespace: Arc::clone(&namespace),
            service: format!("service-{}", nth / 2).into(),
        },
        name: Arc::clone(&name),
        at: sec * NANOS_PER_SEC,
        value: nth as f64,
    };
    FeatureRows {
        upto: sec * NANOS_PER_SEC,
        series: (0..services).map(row).collect(),
        ..FeatureRows::default()
    }
}

fn main() -> std::io::Result<()> {
    let plan = read_files(&[], &[]).unwrap();
    let canary = CanaryParams::default().check().unwrap();
    let series = SeriesParams::new(&plan.series, plan.time.window_secs).unwrap();
    let params = ScoringParams { canary, slo: plan.slo.clone(), series, services_max: 100_000 };
    let calm = BTreeSet::new();
    let mut out = std::io::stdout().lock();
    writeln!(out, "| services | first step, us a service | second step, us a service |\n|---|---|---|")?;
    for services in [1_000, 3_000, 10_000] {
        let (first, second) = (rows(services, 10), rows(services, 20));
        let us = |ns: f64| ns / 1e3 / services as f64;
        let began = alone(
            ROUNDS,
            || Scoring::new(params.clone()),
            |mut scoring| {
                black_box(scoring.on_rows(&first, &calm));
                scoring
            },
        );
        let met = || {
            let mut scoring = Scoring::new(params.clone());
            scoring.on_rows(&first, &calm);
            scoring
        };
        let went_on = alone(ROUNDS, met, |mut scoring| {
            black_box(scoring.on_rows(&second, &calm));
            scoring
        });
        writeln!(out, "| {services} | {:.1} | {:.1} |", us(began), us(went_on))?;
    }
    Ok(())
}
