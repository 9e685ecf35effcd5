//! What the benches of single series and of many metrics are fed with, and the small detector's bank.

use models::bank::{Admission, AdmissionParams, Bank, SurpriseColumns};
use models::testkit::Draws;
use models::univariate::SurpriseParams;

/// Loads that go together, noise and a daily swing; one in a hundred is an outlier, so that tails are looked up too.
pub fn vectors(width: usize, n: usize) -> Vec<Vec<f64>> {
    let mut draws = Draws::new(5);
    let mut vector = |nth: usize| {
        let load = 2.0 + (nth as f64 / 1440.0 * std::f64::consts::TAU).sin() + 0.1 * draws.uniform();
        let wild = if nth % 100 == 99 { 5.0 } else { 1.0 };
        (0..width).map(|metric| load * (metric + 1) as f64 * wild + draws.uniform()).collect()
    };
    (0..n).map(&mut vector).collect()
}

/// A noisy day at a point a minute; the noise comes from a multiplicative hash, so that it is the same for everybody and cheap.
pub fn noisy_day(series: usize, minute: i64) -> f64 {
    let word = (series as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (minute as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let noise = (word >> 40) as f64 / f64::from(1_u32 << 24);
    let phase = (minute % 1440) as f64 / 1440.0;
    100.0 + 80.0 * phase * (1.0 - phase) + noise
}

/// A series of a mixed lot, by its number: of the weights that the product gives (`docs/series.md`), a quarter never
/// moving, a quarter every ten minutes, and of each sixteen one that rests for six hours and moves for six.
#[derive(Debug, Clone, Copy)]
pub struct Mixed(pub u32);

impl Mixed {
    /// A number that says what it is like.
    fn draw(self) -> u32 {
        (self.0.wrapping_add(1)).wrapping_mul(0x9e37_79b1).rotate_left(15).wrapping_mul(0x85eb_ca6b)
    }

    /// How much it matters: a golden signal, an operation, a resource, or another one.
    pub fn weight(self) -> f32 {
        match self.draw() >> 16 & 31 {
            0 | 1 => 1.0,
            2..=6 => 0.6,
            7..=12 => 0.5,
            _ => 0.3,
        }
    }

    /// Its value in a minute.
    pub fn value(self, minute: i64) -> f64 {
        let (series, draw) = (self.0 as usize, self.draw() >> 8);
        let rests = draw >> 2 & 15 == 0 && (minute + i64::from(draw & 0x3ff)) / 360 % 2 == 0;
        match draw & 3 {
            _ if rests => 100.0,
            0 => 100.0,
            1 => noisy_day(series, minute / 10),
            _ => noisy_day(series, minute),
        }
    }
}

/// The same numbers in no order.
pub fn shuffled(mut order: Vec<u32>) -> Vec<u32> {
    let mut draws = Draws::new(1);
    for last in (1..order.len()).rev() {
        order.swap(last, (draws.uniform() * (last + 1) as f64) as usize);
    }
    order
}

/// A bank of so many series, numbered from 0, without room for the full tier.
pub fn hot_bank(n: usize) -> Bank {
    let none = AdmissionParams { budget_bytes: 0, ..AdmissionParams::default() };
    let none = none.check().expect("the settings are within their ranges");
    let columns = SurpriseColumns::new(&SurpriseParams::default().check().expect("defaults are valid"));
    let mut bank = Bank::new(columns, Admission::new(&none, SurpriseColumns::bytes_per_row()), u32::MAX);
    (0..n).for_each(|_| {
        bank.add(1.0);
    });
    bank
}
