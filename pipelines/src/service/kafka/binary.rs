//! Risk events on Kafka: `CloudEvents` in binary mode, attributes in headers and only the data as the value; or in structured
//! mode, the whole event as the value and the attributes in headers too.
//!
//! What this module does not do: write them; the sink below it does.

use engine::error::EngineError;
use engine::operator::Message;
use engine::sink::Sink;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::EventMode;

/// The header that says how the value is written.
const CONTENT_TYPE: &str = "content-type";

/// Gives a sink each event in one of the two modes.
#[derive(Debug)]
pub(super) struct InMode<S>(pub(super) EventMode, pub(super) S);

/// The whole event; its bytes stay as they are.
fn structured(message: &Message) -> Message {
    let mut event = message.clone();
    event.headers.push((CONTENT_TYPE.to_owned(), "application/cloudevents+json; charset=UTF-8".to_owned()));
    event
}

#[derive(Deserialize)]
struct Structured<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The event without its envelope; its bytes stay as they are.
fn binary(message: &Message) -> Result<Message, EngineError> {
    let event: Structured<'_> = serde_json::from_slice(&message.value)
        .map_err(|error| EngineError::Invariant(format!("message {} is no event: {error}", message.key)))?;
    let value = message.value.slice_ref(event.data.get().as_bytes());
    let mut headers = message.headers.clone();
    headers.push((CONTENT_TYPE.to_owned(), "application/json".to_owned()));
    Ok(Message { topic: message.topic.clone(), key: message.key.clone(), headers, value })
}

impl<S: Sink> Sink for InMode<S> {
    async fn resume(&mut self, from: u64) -> Result<Vec<Option<u64>>, EngineError> {
        // digests of a sink below would be those of other bytes: this one finds by id what it holds, and gives none
        self.1.resume(from).await
    }

    fn pass_over(&mut self) {
        self.1.pass_over();
    }

    async fn write(&mut self, messages: &[Message]) -> Result<(), EngineError> {
        let events: Vec<Message> = match self.0 {
            EventMode::Binary => messages.iter().map(binary).collect::<Result<_, _>>()?,
            EventMode::Structured => messages.iter().map(structured).collect(),
        };
        self.1.write(&events).await
    }

    async fn flush(&mut self) -> Result<u64, EngineError> {
        self.1.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::sink::MemorySink;

    fn message(value: &'static str) -> Message {
        let headers = vec![("ce_id".to_owned(), "7".to_owned())];
        Message {
            topic: "risk-events".to_owned(),
            key: "k".to_owned(),
            headers,
            value: value.as_bytes().into(),
        }
    }

    /// Scenario: an event in structured mode; a value that is none. Guarantees: the data goes on byte for byte with the
    /// attributes in the headers; what is no event is an error, not a message.
    #[tokio::test]
    async fn the_data_goes_on_without_its_envelope() {
        let kept = MemorySink::default();
        let mut sink = InMode(EventMode::Binary, kept.clone());
        sink.write(&[message(r#"{"specversion":"1.0","id":"7","data":{"b": 1.50,"a":2}}"#)]).await.unwrap();
        let [event] = &kept.messages()[..] else { panic!("one message") };
        assert_eq!(&event.value[..], br#"{"b": 1.50,"a":2}"#);
        assert_eq!(
            (event.header("ce_id"), event.header("content-type")),
            (Some("7"), Some("application/json"))
        );
        assert!(sink.write(&[message("{}")]).await.is_err());
        assert_eq!(kept.messages().len(), 1);
    }

    /// Scenario: an event, sent in structured mode. Guarantees: its bytes are the value, and the headers say so.
    #[tokio::test]
    async fn the_whole_event_goes_on_where_asked() {
        let kept = MemorySink::default();
        let text = r#"{"specversion":"1.0","id":"7","data":{"b": 1.50,"a":2}}"#;
        InMode(EventMode::Structured, kept.clone()).write(&[message(text)]).await.unwrap();
        let [event] = &kept.messages()[..] else { panic!("one message") };
        assert_eq!(&event.value[..], text.as_bytes());
        assert_eq!(event.header("ce_id"), Some("7"));
        assert!(
            event.header("content-type").is_some_and(|kind| kind.starts_with("application/cloudevents+json"))
        );
    }
}
