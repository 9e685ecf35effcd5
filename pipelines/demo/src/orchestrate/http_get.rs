//! Plain HTTP GET, whole or line by line.
//!
//! Promises: a line has a bound; longer ones end the stream. It does not retry.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longest line that is taken.
const LINE_MAX: usize = 4 << 20;

/// The lines of a response, as they come.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Incoming,
    held: Vec<u8>,
}

/// Status of a GET; `None` if nobody answers.
pub(crate) async fn status(address: SocketAddr, path: &str) -> Option<u16> {
    Some(get(address, path).await?.status().as_u16())
}

/// Opens a stream of lines; `None` if the answer is not 200.
pub(crate) async fn lines(address: SocketAddr, path: &str) -> Option<Lines> {
    let response = get(address, path).await.filter(|response| response.status().is_success())?;
    Some(Lines { body: response.into_body(), held: Vec::new() })
}

impl Lines {
    /// The next line without its end; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let rest = self.held.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.held, rest);
                line.pop();
                return Some(line);
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(part) = frame.into_data() {
                self.held.extend_from_slice(&part);
            }
            if self.held.len() > LINE_MAX {
                return None;
            }
        }
    }
}

async fn get(address: SocketAddr, path: &str) -> Option<http::Response<Incoming>> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", address.to_string()).body(Empty::<Bytes>::new()).ok()?;
    sender.send_request(request).await.ok()
}
