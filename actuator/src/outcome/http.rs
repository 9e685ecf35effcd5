//! Outcomes by `POST {engine}/v1/outcomes`, structured CloudEvents.

use std::time::Duration;

use bytes::Bytes;
use contract::Outcome;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use super::{Delivery, envelope};

const TIMEOUT_SECS: u64 = 10;
const ANSWER_BYTES_MAX: usize = 4096;

/// Posts outcomes.
#[derive(Debug)]
pub struct HttpSender {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

impl HttpSender {
    /// For the engine at a base URL.
    #[must_use]
    pub fn new(engine_url: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { client, url: format!("{engine_url}/v1/outcomes") }
    }

    /// Sends one outcome.
    pub async fn send(&self, outcome: &Outcome) -> Delivery {
        let body = match serde_json::to_vec(&envelope(outcome)) {
            Ok(body) => body,
            Err(error) => return Delivery::Rejected(error.to_string()),
        };
        let request =
            Request::post(&self.url).header("content-type", "application/cloudevents+json; charset=UTF-8");
        let request = match request.body(Full::new(Bytes::from(body))) {
            Ok(request) => request,
            Err(error) => return Delivery::Later(format!("{}: {error}", self.url)),
        };
        let limit = Duration::from_secs(TIMEOUT_SECS);
        let answer = match tokio::time::timeout(limit, self.client.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Delivery::Later(format!("{}: {error}", self.url)),
            Err(_) => return Delivery::Later(format!("{}: no answer in {TIMEOUT_SECS} s", self.url)),
        };
        let status = answer.status();
        let text = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let text =
            text.map(|text| String::from_utf8_lossy(&text.to_bytes()).into_owned()).unwrap_or_default();
        judge(status, &format!("{}: {status} {text}", self.url))
    }
}

fn judge(status: StatusCode, why: &str) -> Delivery {
    if status.is_success() {
        return Delivery::Accepted;
    }
    // Only what says "this message is wrong" is final; everything else may heal, also a path that is not there yet.
    if matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE
    ) {
        return Delivery::Rejected(why.to_owned());
    }
    Delivery::Later(why.to_owned())
}
