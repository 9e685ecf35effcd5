//! `bellwether replay`: recorded telemetry in, risk events out; the same bytes on every run.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use contract::{CloudEvent, RiskEvent};
use engine::error::EngineError;
use engine::operator::Message;

use super::{ConfigArgs, Exit, chain_of};
use crate::service::replay;

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Recorded OTLP: .jsonl, .jsonl.zst, .pb, or folders of them (files named expected* in a folder are passed over)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One CloudEvent per line instead of a table
    #[arg(long)]
    json: bool,
    /// Keep messages and checkpoints here; a replay that was stopped goes on
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Exit 0 after the whole recording, 1 if a part failed, 2 for wrong paths or a wrong configuration.
pub(crate) fn main(args: &ReplayArgs) -> Exit {
    let plan = match args.config.plan() {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let replayed = match replay(&plan, args.paths.clone(), args.out.as_deref()) {
        Ok(replayed) => replayed,
        Err(error) => {
            eprintln!("error: {}", chain_of(&error));
            return if matches!(error, EngineError::Setting(_)) { Exit::Usage } else { Exit::Failed };
        }
    };
    let mut stdout = std::io::stdout().lock();
    for message in &replayed.messages {
        let line = if args.json { message.value.to_vec() } else { readable(message).into_bytes() };
        if let Err(error) = stdout.write_all(&line).and_then(|()| stdout.write_all(b"\n")) {
            eprintln!("error: cannot write to stdout: {error}");
            return Exit::Failed;
        }
    }
    let end = replayed.end;
    let passed_over = match replayed.passed_over {
        0 => String::new(),
        n => format!(", {n} lines passed over"),
    };
    eprintln!(
        "{} records{passed_over}, {} risk events, digest {:016x}",
        end.records, end.emitted, end.digest
    );
    Exit::Fine
}

/// Time, status, level, scope, explanation.
fn readable(message: &Message) -> String {
    let Ok(CloudEvent { data: event, .. }) = serde_json::from_slice::<CloudEvent<RiskEvent>>(&message.value)
    else {
        return format!("{} {}", message.topic, String::from_utf8_lossy(&message.value));
    };
    let (status, level) = (format!("{:?}", event.status), format!("{:?}", event.assessment.level));
    let version = if event.scope.version.is_empty() { "" } else { "@" };
    format!(
        "{}  {:<8} {:<7} {}{version}{}  {}",
        event.window.end,
        status.to_lowercase(),
        level.to_lowercase(),
        event.scope,
        event.scope.version,
        event.explanation
    )
}
