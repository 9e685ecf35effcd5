//! A cluster that forgets itself: a proxy before librdkafka's mock cluster that can leave all brokers out of the
//! answers about the cluster, as a broker does that is fenced.
//!
//! What it does not do: read anything but the heads of requests and the list of brokers in answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

const METADATA: i16 = 3;
const FIND_COORDINATOR: i16 = 10;
const HOST: &[u8] = b"127.0.0.1";

/// What the proxy does and has done.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    /// Whether brokers are left out.
    pub(crate) is_down: AtomicBool,
    /// Answers that named none.
    pub(crate) empty_answers: AtomicUsize,
}

/// Starts it before this cluster; its address.
pub(crate) async fn veiled(cluster: &str, veil: Arc<Veil>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let behind: u16 = cluster.rsplit_once(':').unwrap().1.parse().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(("127.0.0.1", behind)).await else { continue };
            let asked = Arc::new(Mutex::new(HashMap::new()));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(ask(from_client, to_server, Arc::clone(&asked)));
            let answers = Answers { asked, veil: Arc::clone(&veil), ports: (behind, own) };
            tokio::spawn(answers.pass(from_server, to_client));
        }
    });
    format!("127.0.0.1:{own}")
}

type Asked = Arc<Mutex<HashMap<[u8; 4], (i16, i16)>>>;

async fn frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    let mut body = vec![0; usize::try_from(length).ok()?];
    from.read_exact(&mut body).await.ok()?;
    Some(body)
}

async fn send(to: &mut OwnedWriteHalf, body: &[u8]) -> Option<()> {
    to.write_u32(u32::try_from(body.len()).ok()?).await.ok()?;
    to.write_all(body).await.ok()
}

async fn ask(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, asked: Asked) -> Option<()> {
    loop {
        let body = frame(&mut client).await?;
        let number = |at: usize| i16::from_be_bytes([body[at], body[at + 1]]);
        asked.lock().unwrap().insert([body[4], body[5], body[6], body[7]], (number(0), number(2)));
        send(&mut server, &body).await?;
    }
}

struct Answers {
    asked: Asked,
    veil: Arc<Veil>,
    ports: (u16, u16),
}

impl Answers {
    async fn pass(self, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) -> Option<()> {
        loop {
            let mut body = frame(&mut server).await?;
            let asked = self.asked.lock().unwrap().remove(&body[..4]);
            if let Some((key @ (METADATA | FIND_COORDINATOR), version)) = asked {
                self.lead_back_here(&mut body);
                if key == METADATA && self.veil.is_down.load(Ordering::SeqCst) {
                    assert!(version >= 9, "this proxy reads the compact form only, not version {version}");
                    body = without_brokers(&body);
                    self.veil.empty_answers.fetch_add(1, Ordering::SeqCst);
                }
            }
            send(&mut client, &body).await?;
        }
    }

    /// Clients are to come through here again.
    fn lead_back_here(&self, body: &mut [u8]) {
        let port = |port: u16| u32::from(port).to_be_bytes();
        let there = [HOST, &port(self.ports.0)].concat();
        for at in 0..=body.len().saturating_sub(there.len()) {
            if body[at..].starts_with(&there) {
                body[at + HOST.len()..at + there.len()].copy_from_slice(&port(self.ports.1));
            }
        }
    }
}

/// Correlation id, no tags, throttle time; then the list, whose entries are id, host, port, rack, no tags.
fn without_brokers(body: &[u8]) -> Vec<u8> {
    let (head, list) = body.split_at(4 + 1 + 4);
    let mut rest = &list[1..];
    for _ in 1..list[0] {
        let host_bytes = usize::from(rest[4]);
        rest = &rest[4 + host_bytes + 4..];
        let rack_bytes = usize::from(rest[0].max(1));
        rest = &rest[rack_bytes + 1..];
    }
    [head, &[1], rest].concat()
}
