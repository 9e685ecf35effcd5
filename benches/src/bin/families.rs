//! Prints how far ways to sort incidents into families find the kinds that made them, and what one costs:
//! `cargo run --release -p benches --bin families`.
//!
//! Worlds of `models::testkit::made_incidents`. The reach and the tolerance were chosen on seeds 1 to 20; the table is of others.
//! Times are processor time, medians. What it does not do: claim that real incidents are like these.

use std::io::Write as _;

use benches::measure::{alone, took_ns};
use models::families::{Families, FamilyParams};
use models::testkit::{FamilyWay, family_figures, made_incidents};

/// Incidents of a world: about two a week in a year and a half.
const INCIDENTS: usize = 150;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let chosen_on: Vec<u64> = (1..=20).collect();
    let held: Vec<u64> = (1001..=1040).collect();
    writeln!(out, "| seeds | way | Rand index | ids kept | known ones named | new ones told | ms |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let mut row = |seeds: &[u64], name: &str, way: FamilyWay| {
        let mut figures = Default::default();
        let ms = took_ns(|| figures = family_figures(way, seeds, INCIDENTS)) / 1e6 / seeds.len() as f64;
        let models::testkit::FamilyFigures { rand_index, ids_kept, known_named, new_told } = figures;
        writeln!(
            out,
            "| {} to {} | {name} | {rand_index:.3} | {ids_kept:.4} | {known_named:.3} | {new_told:.3} | {ms:.1} |",
            seeds[0],
            seeds[seeds.len() - 1]
        )
    };
    let normal = FamilyParams::default();
    for reach in [0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0] {
        row(
            &chosen_on,
            &format!("families, reach {reach}"),
            FamilyWay::Leader(FamilyParams { reach, ..normal }),
        )?;
    }
    for tolerance in [0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8] {
        row(&chosen_on, &format!("DBSCAN, tolerance {tolerance}"), FamilyWay::Density(tolerance))?;
    }
    let reach = normal.reach;
    row(&held, &format!("families, reach {reach}"), FamilyWay::Leader(normal))?;
    row(&held, "DBSCAN, tolerance 0.6", FamilyWay::Density(0.6))?;
    for memory_members in [1, 5, 1_000] {
        let name = format!("families, centres of the newest {memory_members}");
        row(&held, &name, FamilyWay::Leader(FamilyParams { memory_members, ..normal }))?;
    }
    row(&held, "k-means by silhouette", FamilyWay::Means)?;
    row(&held, "incremental k-means, 16", FamilyWay::Incremental)?;
    // the mixture takes five seconds a world
    row(&held[..4], "mixture by silhouette", FamilyWay::Mixture)?;
    row(&held[..4], "k-means by silhouette", FamilyWay::Means)?;
    row(&held[..4], &format!("families, reach {reach}"), FamilyWay::Leader(normal))?;
    cost(&mut out)
}

fn cost(out: &mut impl std::io::Write) -> std::io::Result<()> {
    let incidents = made_incidents(1, 2_000);
    let mut families = Families::new(FamilyParams::default().check().expect("a test checks the defaults"));
    for (nth, incident) in incidents.iter().enumerate() {
        families.join(nth as u128, nth as i64, &incident.at_last, 0);
    }
    let ask = alone(201, || (), |()| families.alike(&incidents[0].at_first).is_some());
    let join = alone(201, || families.clone(), |mut all| all.join(u128::MAX, 0, &incidents[0].at_last, 0));
    writeln!(
        out,
        "\n{} families and {} incidents after 2000: asked {:.1} us, joined {:.1} us",
        families.iter().count(),
        families.remembered().count(),
        ask / 1e3,
        join / 1e3
    )
}
