//! `bellwether run` as a child process on free ports; killed when dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::http::get;

/// A running engine.
pub(crate) struct Engine {
    child: Child,
    pub(crate) otlp_http: SocketAddr,
    pub(crate) api: SocketAddr,
}

impl Engine {
    /// Starts it over a data directory and waits until it is ready to take telemetry.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    /// The same with settings.
    pub(crate) fn start_with(data_dir: &Path, settings: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .args(["run", "--data-dir"])
            .arg(data_dir)
            .args(["--set", "receive.grpc_address=127.0.0.1:0", "--set", "receive.http_address=127.0.0.1:0"])
            .args(["--set", "api.address=127.0.0.1:0", "--set", "checkpoint.every_secs=1"])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .env("NO_COLOR", "1")
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut told = Vec::new();
        let ready = lines.find(|line| {
            told.push(line.clone());
            line.contains(" ready ")
        });
        let Some(ready) = ready else {
            child.kill().ok();
            panic!("the engine did not get ready:\n{}", told.join("\n"));
        };
        // what it says later is shown with the test's own output
        std::thread::spawn(move || lines.for_each(|line| println!("engine: {line}")));
        let address = |before: &str| {
            let rest = ready.split(before).nth(1).unwrap_or_else(|| panic!("{before} is not in {ready}"));
            rest.split([')', ',', ' ']).next().unwrap().parse::<SocketAddr>().unwrap()
        };
        Self { otlp_http: address("http: Some("), api: address("api="), child }
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = wait_for("a clean end", || self.child.try_wait().unwrap());
        assert_eq!(ended.code(), Some(0), "SIGTERM ends the engine cleanly");
    }

    /// The value of a metric with exactly these labels as written, if it is there.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = get(self.api, "/metrics").text();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until this many risk events are told, and gives them.
    pub(crate) fn events(&self, n: usize) -> Vec<serde_json::Value> {
        wait_for("risk events", || {
            let text = get(self.api, "/api/v1/risk-events?limit=1000").text();
            let events: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (events.len() >= n).then_some(events)
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Asks again until there is an answer, for two minutes at most.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = now() + Duration::from_secs(120);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(now() < until, "waited too long for {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test waits on the wall clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
