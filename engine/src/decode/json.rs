//! OTLP JSON to protobuf bytes, driven by tables of the messages' fields.
//!
//! As the OTLP specification has it: ids in hex, 64-bit numbers as text or number, enumerations as numbers (names are
//! taken too), lowerCamelCase keys (snake_case is taken too), unknown keys ignored, `null` like absent.

use serde_json::{Map, Value};

use super::error::DecodeError;
use crate::record::RecordKind;

/// How a field is written in protobuf.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Base64,
    Hex,
    Bool,
    Double,
    Fixed64,
    Varint,
    Sint32,
    Enum(&'static [&'static str]),
    Message(&'static [Field]),
    Many(&'static [Field]),
    PackedFixed64,
    PackedDouble,
    PackedVarint,
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    number: u32,
    kind: Kind,
}

const fn f(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind }
}

use Kind::{
    Base64, Bool, Double, Enum, Fixed64, Hex, Many, Message, PackedDouble, PackedFixed64, PackedVarint,
    Sint32, Text, Varint,
};

static KEY_VALUE: [Field; 2] = [f("key", 1, Text), f("value", 2, Message(&ANY_VALUE))];
static LIST: [Field; 1] = [f("values", 1, Many(&ANY_VALUE))];
static MAP: [Field; 1] = [f("values", 1, Many(&KEY_VALUE))];
static ANY_VALUE: [Field; 7] = [
    f("stringValue", 1, Text),
    f("boolValue", 2, Bool),
    f("intValue", 3, Varint),
    f("doubleValue", 4, Double),
    f("arrayValue", 5, Message(&LIST)),
    f("kvlistValue", 6, Message(&MAP)),
    f("bytesValue", 7, Base64),
];
static RESOURCE: [Field; 1] = [f("attributes", 1, Many(&KEY_VALUE))];
static SCOPE: [Field; 3] = [f("name", 1, Text), f("version", 2, Text), f("attributes", 3, Many(&KEY_VALUE))];

const TEMPORALITY: &[&str] = &[
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
];
static NUMBER_POINT: [Field; 6] = [
    f("startTimeUnixNano", 2, Fixed64),
    f("timeUnixNano", 3, Fixed64),
    f("asDouble", 4, Double),
    f("asInt", 6, Fixed64),
    f("attributes", 7, Many(&KEY_VALUE)),
    f("flags", 8, Varint),
];
static HISTOGRAM_POINT: [Field; 10] = [
    f("startTimeUnixNano", 2, Fixed64),
    f("timeUnixNano", 3, Fixed64),
    f("count", 4, Fixed64),
    f("sum", 5, Double),
    f("bucketCounts", 6, PackedFixed64),
    f("explicitBounds", 7, PackedDouble),
    f("attributes", 9, Many(&KEY_VALUE)),
    f("flags", 10, Varint),
    f("min", 11, Double),
    f("max", 12, Double),
];
static BUCKETS: [Field; 2] = [f("offset", 1, Sint32), f("bucketCounts", 2, PackedVarint)];
static EXPONENTIAL_POINT: [Field; 12] = [
    f("attributes", 1, Many(&KEY_VALUE)),
    f("startTimeUnixNano", 2, Fixed64),
    f("timeUnixNano", 3, Fixed64),
    f("count", 4, Fixed64),
    f("sum", 5, Double),
    f("scale", 6, Sint32),
    f("zeroCount", 7, Fixed64),
    f("positive", 8, Message(&BUCKETS)),
    f("negative", 9, Message(&BUCKETS)),
    f("flags", 10, Varint),
    f("min", 12, Double),
    f("max", 13, Double),
];
static QUANTILE: [Field; 2] = [f("quantile", 1, Double), f("value", 2, Double)];
static SUMMARY_POINT: [Field; 7] = [
    f("startTimeUnixNano", 2, Fixed64),
    f("timeUnixNano", 3, Fixed64),
    f("count", 4, Fixed64),
    f("sum", 5, Double),
    f("quantileValues", 6, Many(&QUANTILE)),
    f("attributes", 7, Many(&KEY_VALUE)),
    f("flags", 8, Varint),
];
static GAUGE: [Field; 1] = [f("dataPoints", 1, Many(&NUMBER_POINT))];
static SUM: [Field; 3] = [
    f("dataPoints", 1, Many(&NUMBER_POINT)),
    f("aggregationTemporality", 2, Enum(TEMPORALITY)),
    f("isMonotonic", 3, Bool),
];
static HISTOGRAM: [Field; 2] =
    [f("dataPoints", 1, Many(&HISTOGRAM_POINT)), f("aggregationTemporality", 2, Enum(TEMPORALITY))];
static EXPONENTIAL: [Field; 2] =
    [f("dataPoints", 1, Many(&EXPONENTIAL_POINT)), f("aggregationTemporality", 2, Enum(TEMPORALITY))];
static SUMMARY: [Field; 1] = [f("dataPoints", 1, Many(&SUMMARY_POINT))];
static METRIC: [Field; 8] = [
    f("name", 1, Text),
    f("description", 2, Text),
    f("unit", 3, Text),
    f("gauge", 5, Message(&GAUGE)),
    f("sum", 7, Message(&SUM)),
    f("histogram", 9, Message(&HISTOGRAM)),
    f("exponentialHistogram", 10, Message(&EXPONENTIAL)),
    f("summary", 11, Message(&SUMMARY)),
];
static SCOPE_METRICS: [Field; 2] = [f("scope", 1, Message(&SCOPE)), f("metrics", 2, Many(&METRIC))];
static RESOURCE_METRICS: [Field; 2] =
    [f("resource", 1, Message(&RESOURCE)), f("scopeMetrics", 2, Many(&SCOPE_METRICS))];
static METRICS: [Field; 1] = [f("resourceMetrics", 1, Many(&RESOURCE_METRICS))];

const SPAN_KINDS: &[&str] = &[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
const STATUS_CODES: &[&str] = &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];
static EVENT: [Field; 3] =
    [f("timeUnixNano", 1, Fixed64), f("name", 2, Text), f("attributes", 3, Many(&KEY_VALUE))];
static LINK: [Field; 4] = [
    f("traceId", 1, Hex),
    f("spanId", 2, Hex),
    f("traceState", 3, Text),
    f("attributes", 4, Many(&KEY_VALUE)),
];
static STATUS: [Field; 2] = [f("message", 2, Text), f("code", 3, Enum(STATUS_CODES))];
static SPAN: [Field; 12] = [
    f("traceId", 1, Hex),
    f("spanId", 2, Hex),
    f("traceState", 3, Text),
    f("parentSpanId", 4, Hex),
    f("name", 5, Text),
    f("kind", 6, Enum(SPAN_KINDS)),
    f("startTimeUnixNano", 7, Fixed64),
    f("endTimeUnixNano", 8, Fixed64),
    f("attributes", 9, Many(&KEY_VALUE)),
    f("events", 11, Many(&EVENT)),
    f("links", 13, Many(&LINK)),
    f("status", 15, Message(&STATUS)),
];
static SCOPE_SPANS: [Field; 2] = [f("scope", 1, Message(&SCOPE)), f("spans", 2, Many(&SPAN))];
static RESOURCE_SPANS: [Field; 2] =
    [f("resource", 1, Message(&RESOURCE)), f("scopeSpans", 2, Many(&SCOPE_SPANS))];
static SPANS: [Field; 1] = [f("resourceSpans", 1, Many(&RESOURCE_SPANS))];

static LOG_RECORD: [Field; 9] = [
    f("timeUnixNano", 1, Fixed64),
    f("severityNumber", 2, Enum(&[])),
    f("severityText", 3, Text),
    f("body", 5, Message(&ANY_VALUE)),
    f("attributes", 6, Many(&KEY_VALUE)),
    f("traceId", 9, Hex),
    f("spanId", 10, Hex),
    f("observedTimeUnixNano", 11, Fixed64),
    f("eventName", 12, Text),
];
static SCOPE_LOGS: [Field; 2] = [f("scope", 1, Message(&SCOPE)), f("logRecords", 2, Many(&LOG_RECORD))];
static RESOURCE_LOGS: [Field; 2] =
    [f("resource", 1, Message(&RESOURCE)), f("scopeLogs", 2, Many(&SCOPE_LOGS))];
static LOGS: [Field; 1] = [f("resourceLogs", 1, Many(&RESOURCE_LOGS))];

/// Transcodes a request.
///
/// # Errors
/// [`DecodeError::Json`] names the key that does not hold what it should.
pub(crate) fn to_proto(kind: RecordKind, text: &[u8], depth_max: u32) -> Result<Vec<u8>, DecodeError> {
    let (what, table): (&'static str, &'static [Field]) = match kind {
        RecordKind::Metrics => ("metrics request", &METRICS),
        RecordKind::Spans => ("trace request", &SPANS),
        _ => ("logs request", &LOGS),
    };
    let fail = |why: String| DecodeError::Json { what, why };
    let value: Value = serde_json::from_slice(text).map_err(|e| fail(e.to_string()))?;
    let mut proto = Vec::with_capacity(text.len() / 2);
    // attribute values nest two messages per level; the envelope adds a few
    message(&value, table, 3 * depth_max + 16, &mut proto).map_err(fail)?;
    Ok(proto)
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn bytes_field(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn snake(name: &str) -> String {
    name.chars()
        .flat_map(|c| c.is_ascii_uppercase().then_some('_').into_iter().chain([c.to_ascii_lowercase()]))
        .collect()
}

fn lookup<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.get(&snake(name))).filter(|value| !value.is_null())
}

fn message(value: &Value, table: &[Field], depth_left: u32, out: &mut Vec<u8>) -> Result<(), String> {
    let below = depth_left.checked_sub(1).ok_or("is nested too deeply")?;
    let object = value.as_object().ok_or_else(|| format!("expected an object, found {}", short(value)))?;
    for field in table {
        if let Some(value) = lookup(object, field.name) {
            write(value, field, below, out).map_err(|why| format!("{}: {why}", field.name))?;
        }
    }
    Ok(())
}

fn write(value: &Value, field: &Field, below: u32, out: &mut Vec<u8>) -> Result<(), String> {
    let tag = |wire: u64| u64::from(field.number) << 3 | wire;
    match field.kind {
        Text => bytes_field(field.number, value.as_str().ok_or("must be text")?.as_bytes(), out),
        Hex => bytes_field(field.number, &hex(value.as_str().ok_or("must be hex text")?)?, out),
        Base64 => bytes_field(field.number, &base64(value.as_str().ok_or("must be base64 text")?)?, out),
        Bool => {
            varint(tag(0), out);
            varint(u64::from(value.as_bool().ok_or("must be true or false")?), out);
        }
        Double => {
            varint(tag(1), out);
            out.extend_from_slice(&double(value)?.to_le_bytes());
        }
        Fixed64 => {
            varint(tag(1), out);
            out.extend_from_slice(&whole(value)?.to_le_bytes());
        }
        Varint => {
            varint(tag(0), out);
            varint(whole(value)?, out);
        }
        Sint32 => {
            let number = i32::try_from(whole(value)? as i64).map_err(|_| "must fit 32 bits")?;
            varint(tag(0), out);
            varint(u64::from((number << 1 ^ number >> 31) as u32), out);
        }
        Enum(names) => {
            varint(tag(0), out);
            varint(enumeration(value, names)?, out);
        }
        Message(table) => {
            let mut inner = Vec::new();
            message(value, table, below, &mut inner)?;
            bytes_field(field.number, &inner, out);
        }
        Many(table) => {
            for item in value.as_array().ok_or("must be a list")? {
                let mut inner = Vec::new();
                message(item, table, below, &mut inner)?;
                bytes_field(field.number, &inner, out);
            }
        }
        PackedFixed64 | PackedDouble | PackedVarint => {
            let mut packed = Vec::new();
            for item in value.as_array().ok_or("must be a list")? {
                match field.kind {
                    PackedFixed64 => packed.extend_from_slice(&whole(item)?.to_le_bytes()),
                    PackedDouble => packed.extend_from_slice(&double(item)?.to_le_bytes()),
                    _ => varint(whole(item)?, &mut packed),
                }
            }
            bytes_field(field.number, &packed, out);
        }
    }
    Ok(())
}

/// As much of a text as an error may repeat.
fn head(text: &str) -> String {
    text.chars().take(40).collect()
}

/// As much of a value as an error may repeat.
fn short(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("{:?}", head(text)),
        other => other.to_string(),
    }
}

/// A 64-bit whole number, signed or not, written as a number or as text.
fn whole(value: &Value) -> Result<u64, String> {
    let parsed = match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_i64().map(|signed| signed as u64)),
        Value::String(text) => {
            text.parse::<u64>().ok().or_else(|| text.parse::<i64>().ok().map(|signed| signed as u64))
        }
        _ => None,
    };
    parsed.ok_or_else(|| format!("must be a whole number, is {}", short(value)))
}

fn double(value: &Value) -> Result<f64, String> {
    let parsed = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            other => other.parse().ok(),
        },
        _ => None,
    };
    parsed.ok_or_else(|| format!("must be a number, is {}", short(value)))
}

fn enumeration(value: &Value, names: &[&str]) -> Result<u64, String> {
    match value {
        Value::String(name) => {
            let known = names.iter().position(|known| known == name).map(|at| at as u64);
            let severity = || super::severity_of_name(name).map(u64::from);
            known
                .or_else(severity)
                .or_else(|| name.parse().ok())
                .ok_or_else(|| format!("{} is not a known name", short(value)))
        }
        other => whole(other),
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => {
            Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => Err(format!("must be an even number of hex digits, is {:?}", head(text))),
    }
}

fn base64(text: &str) -> Result<Vec<u8>, String> {
    let (mut bits, mut n_bits, mut bytes) = (0u32, 0, Vec::new());
    for c in text.bytes().filter(|c| *c != b'=') {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return Err("must be base64".to_owned()),
        };
        bits = bits << 6 | u32::from(digit);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits) as u8);
            bits &= (1 << n_bits) - 1;
        }
    }
    Ok(bytes)
}
