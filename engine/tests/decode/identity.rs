//! Who says it: identities depend on content alone.

use engine::batch::{Numbers, Payload};
use engine::decode::{DecodeLimits, Decoder};
use engine::record::{Encoding, Record, RecordKind};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message as _;

use super::generate::{self, Reals};
use super::{expect, record};

/// One gauge point.
#[derive(Debug, Clone)]
struct Speaker {
    resource: Vec<KeyValue>,
    point: Vec<KeyValue>,
    scope: InstrumentationScope,
    name: String,
    unit: String,
    monotonic: Option<bool>,
}

impl Speaker {
    fn new(resource: Vec<KeyValue>, point: Vec<KeyValue>) -> Self {
        let (name, unit) = ("requests".into(), "1".into());
        Self { resource, point, scope: scope("http", "1", vec![]), name, unit, monotonic: None }
    }

    fn request(&self) -> ExportMetricsServiceRequest {
        let point = NumberDataPoint {
            attributes: self.point.clone(),
            time_unix_nano: 5,
            value: Some(PointValue::AsInt(1)),
            ..NumberDataPoint::default()
        };
        let data = match self.monotonic {
            None => Data::Gauge(Gauge { data_points: vec![point] }),
            Some(is_monotonic) => {
                Data::Sum(Sum { data_points: vec![point], aggregation_temporality: 2, is_monotonic })
            }
        };
        let metric = Metric {
            name: self.name.clone(),
            unit: self.unit.clone(),
            data: Some(data),
            ..Metric::default()
        };
        let scope = Some(self.scope.clone());
        let scoped = ScopeMetrics { scope, metrics: vec![metric], ..ScopeMetrics::default() };
        let resource = Resource { attributes: self.resource.clone(), ..Resource::default() };
        let resourced =
            ResourceMetrics { resource: Some(resource), scope_metrics: vec![scoped], ..Default::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resourced] }
    }

    /// Series and resource id, read with `decoder`.
    fn ids(&self, tenant: &str, decoder: &mut Decoder) -> (u128, u128) {
        let body = self.request().encode_to_vec();
        let record =
            Record { tenant: tenant.into(), ..record(RecordKind::Metrics, Encoding::OtlpProto, body) };
        let (batch, _) = decoder.decode(&record).unwrap();
        expect::ids(&batch.payload)[0]
    }
}

fn scope(name: &str, version: &str, attributes: Vec<KeyValue>) -> InstrumentationScope {
    InstrumentationScope {
        name: name.to_owned(),
        version: version.to_owned(),
        attributes,
        ..InstrumentationScope::default()
    }
}

fn fresh() -> Decoder {
    Decoder::new(DecodeLimits::default())
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn distinct() -> impl Strategy<Value = Vec<KeyValue>> {
    generate::attributes(Reals::All).prop_map(|mut pairs| {
        pairs.sort_by(|a, b| a.key.cmp(&b.key));
        pairs.dedup_by(|a, b| a.key == b.key);
        pairs
    })
}

fn shuffled() -> impl Strategy<Value = (Vec<KeyValue>, Vec<KeyValue>)> {
    distinct().prop_flat_map(|pairs| (Just(pairs.clone()), Just(pairs).prop_shuffle()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Scenario: the same speaker lists its attributes in another order, to a cold and to a warm decoder.
    /// Guarantees: the ids are the same; for another tenant both differ.
    #[test]
    fn order_does_not_matter_and_tenants_do((resource, resource_too) in shuffled(), (point, point_too) in shuffled()) {
        let (one, other) = (Speaker::new(resource, point), Speaker::new(resource_too, point_too));
        let mut decoder = fresh();
        let ids = one.ids("a", &mut decoder);
        prop_assert_eq!(ids, other.ids("a", &mut decoder));
        prop_assert_eq!(ids, other.ids("a", &mut fresh()));
        let foreign = one.ids("b", &mut decoder);
        prop_assert!(ids.0 != foreign.0 && ids.1 != foreign.1);
    }

    /// Scenario: a decoder whose caches hold two entries. Guarantees: the same rows and ids as with large caches.
    #[test]
    fn caches_change_the_speed_only(request in generate::metrics(Reals::All)) {
        let record = record(RecordKind::Metrics, Encoding::OtlpProto, request.encode_to_vec());
        let mut small = Decoder::new(DecodeLimits { cached_max: 2, ..DecodeLimits::default() });
        let (large, _) = fresh().decode(&record).unwrap();
        for _ in 0..2 {
            let (batch, _) = small.decode(&record).unwrap();
            prop_assert_eq!(expect::rows(&batch.payload), expect::rows(&large.payload));
            prop_assert_eq!(expect::ids(&batch.payload), expect::ids(&large.payload));
        }
    }
}

/// Scenario: one request whose points report two series in turn, three times each. Guarantees: the table has one
/// place per series, also when the next request is decoded.
#[test]
fn a_series_stands_once_in_the_table() {
    let speaker = |n: i64| Speaker::new(vec![], vec![pair("n", Value::IntValue(n))]);
    let mut request = speaker(1).request();
    let metric = &mut request.resource_metrics[0].scope_metrics[0].metrics[0];
    let Some(Data::Gauge(gauge)) = &mut metric.data else { panic!("a gauge was made") };
    let one = gauge.data_points[0].clone();
    let other = NumberDataPoint { attributes: speaker(2).point, ..one.clone() };
    gauge.data_points = vec![[one, other]; 3].concat();
    let record = record(RecordKind::Metrics, Encoding::OtlpProto, request.encode_to_vec());
    let mut decoder = fresh();
    for _ in 0..2 {
        let (batch, _) = decoder.decode(&record).unwrap();
        let Payload::Metrics(metrics) = &batch.payload else { panic!("metrics were sent") };
        let places: Vec<u32> = Numbers::of(&metrics.numbers).series_idx.to_vec();
        assert_eq!(places, [0, 1, 0, 1, 0, 1]);
        assert!(metrics.series.get(1).is_some() && metrics.series.get(2).is_none());
    }
}

/// Scenario: more speakers than a cache holds. Guarantees: it starts anew, and says so.
#[test]
fn a_full_cache_starts_anew() {
    let mut decoder = Decoder::new(DecodeLimits { cached_max: 2, ..DecodeLimits::default() });
    let speaker = |n: i64| Speaker::new(vec![], vec![pair("n", Value::IntValue(n))]);
    let first = speaker(0).ids("a", &mut decoder);
    for n in 1..5 {
        assert_ne!(speaker(n).ids("a", &mut decoder), first);
    }
    assert_eq!((decoder.n_cache_resets(), speaker(0).ids("a", &mut decoder)), (2, first));
}

/// Scenario: speakers that differ in one thing. Guarantees: every one of them has a series of its own.
#[test]
fn whatever_differs_is_another_series() {
    let text = |value: &str| vec![pair("k", Value::StringValue(value.to_owned()))];
    let base = Speaker::new(text("1"), text("1"));
    let speakers = [
        base.clone(),
        Speaker { resource: text("2"), ..base.clone() },
        Speaker { point: text("2"), ..base.clone() },
        Speaker { point: vec![pair("k", Value::IntValue(1))], ..base.clone() },
        Speaker { point: vec![pair("k", Value::DoubleValue(1.0))], ..base.clone() },
        Speaker { point: vec![pair("j", Value::StringValue("1".into()))], ..base.clone() },
        Speaker { point: vec![], ..base.clone() },
        Speaker { scope: scope("grpc", "1", vec![]), ..base.clone() },
        Speaker { scope: scope("http", "2", vec![]), ..base.clone() },
        Speaker { scope: scope("http1", "", vec![]), ..base.clone() },
        Speaker { scope: scope("http", "1", text("1")), ..base.clone() },
        Speaker { scope: scope("http", "1", text("1")), point: vec![], ..base.clone() },
        Speaker { name: "errors".into(), ..base.clone() },
        Speaker { unit: "s".into(), ..base.clone() },
        Speaker { name: "request".into(), unit: "s1".into(), ..base.clone() },
        Speaker { monotonic: Some(true), ..base.clone() },
        Speaker { monotonic: Some(false), ..base },
    ];
    let mut decoder = fresh();
    let mut ids: Vec<u128> = speakers.iter().map(|speaker| speaker.ids("a", &mut decoder).0).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), speakers.len());
}
