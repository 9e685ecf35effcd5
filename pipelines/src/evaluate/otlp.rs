//! Small pieces of OTLP requests, for recordings that become one.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, metric::Data, number_data_point,
};

pub(super) fn text(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// One value at a time in ns since 1970.
pub(super) fn gauge(name: &str, at: u64, value: f64, attributes: Vec<KeyValue>) -> Metric {
    let point = NumberDataPoint {
        attributes,
        time_unix_nano: at,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
    Metric { name: name.to_owned(), data, ..Metric::default() }
}
