//! Risk events as Kafka wants them: `CloudEvents` in binary mode, attributes in headers and only the data as the value.
//!
//! What this module does not do: write them; the sink below it does.

use engine::error::EngineError;
use engine::operator::Message;
use engine::sink::Sink;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The header that says how the value is written, and what it says.
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/json");

/// Gives a sink each event in binary mode.
#[derive(Debug)]
pub(super) struct BinaryMode<S>(pub(super) S);

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
    headers.push((CONTENT_TYPE.0.to_owned(), CONTENT_TYPE.1.to_owned()));
    Ok(Message { topic: message.topic.clone(), key: message.key.clone(), headers, value })
}

impl<S: Sink> Sink for BinaryMode<S> {
    async fn resume(&mut self, from: u64) -> Result<Vec<Option<u64>>, EngineError> {
        // digests of a sink below would be those of binary events: this one finds by id what it holds, and gives none
        self.0.resume(from).await
    }

    fn pass_over(&mut self) {
        self.0.pass_over();
    }

    async fn write(&mut self, messages: &[Message]) -> Result<(), EngineError> {
        let events: Vec<Message> = messages.iter().map(binary).collect::<Result<_, _>>()?;
        self.0.write(&events).await
    }

    async fn flush(&mut self) -> Result<u64, EngineError> {
        self.0.flush().await
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
        let mut sink = BinaryMode(kept.clone());
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
}
