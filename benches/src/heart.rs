//! One lane's heart, and what it takes in, record by record.

use contract::Origin;
use engine::decode::{DecodeLimits, Decoder};
use engine::record::RecordKind;
use engine::runtime::Core;
use engine::source::Received;
use engine::telemetry::Telemetry;
use pipelines::config::Plan;
use pipelines::service::core_config;
use pipelines::wiring::Judge;

use crate::batches::record;

/// Decoding, watermark, features, scoring and incidents, with nothing seen yet.
///
/// # Panics
/// If the plan, which was checked, cannot be followed.
#[must_use]
pub fn heart(plan: &Plan) -> Core<Decoder, Judge> {
    let why = "a checked plan with nothing to restore";
    let (judge, _) = Judge::new(plan, Origin::Replay).expect(why);
    let parts = (Decoder::new(DecodeLimits::default()), judge);
    Core::restore(core_config(plan), parts, None, &Telemetry::new().expect(why)).expect(why)
}

/// A request for each of the first `secs` seconds.
pub fn received(kind: RecordKind, secs: u64, body: fn(u64) -> Vec<u8>) -> Vec<Received> {
    let one = |sec| Received {
        partition: "log".into(),
        next_offset: sec + 1,
        record: record(kind, sec, body(sec)),
    };
    (0..secs).map(one).collect()
}
