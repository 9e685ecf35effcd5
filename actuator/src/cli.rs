//! The command line: arguments in, exit code out. Results go to the writer given, logs to stderr.
//!
//! Exit codes: 0 fine, 1 failed, 2 bad usage or configuration, 3 "no" as an answer (`check` or `ledger verify` found a
//! fault).

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::json;

use crate::config::{Fault, Plan, read_files};
use crate::error::{ActuatorError, Result, Turn};
use crate::freeze;
use crate::ledger::{LEDGER_FILE, read_ledger};
use crate::oversight;
use crate::run::{Clock, run};

const EXAMPLES: &str = "Examples:
  bellwether-actuator run --config actuator.yaml
  bellwether-actuator check --config actuator.yaml --json
  bellwether-actuator approve ID --by ada@sso.example
  bellwether-actuator freeze --why 'migration until noon'
  bellwether-actuator ledger verify --set data_dir=/var/lib/bellwether-actuator";

/// Reverts the commit behind a failing change, once, with a record of why.
#[derive(Debug, Parser)]
#[command(name = "bellwether-actuator", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// YAML file; several lie on top of each other, in the order given
    #[arg(long = "config", value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
    /// One setting, on top of all files
    #[arg(long = "set", value_name = "PATH=VALUE", global = true)]
    set: Vec<String>,
    /// Results as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Logs on stderr as JSON
    #[arg(long, global = true)]
    log_json: bool,
    /// What is logged: error, warn, info, debug, or a filter as in info,actuator=debug
    #[arg(long, global = true, default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take in risk events, decide, act, report
    Run,
    /// Validate configuration and policy: all faults at once
    Check {
        /// YAML files, as with --config, on top of those
        files: Vec<PathBuf>,
    },
    /// Print the ledger, or verify its hash chain
    Ledger {
        #[command(subcommand)]
        command: Option<LedgerCommand>,
    },
    /// Let the remedy be made that waits for a person, on exactly this evidence
    Approve {
        /// Id of the event, or of its incident
        id: String,
        /// Who approves: name@identity-provider; stands in ledger and commit
        #[arg(long)]
        by: String,
    },
    /// Do not let it be made
    Reject {
        /// Id of the event, or of its incident
        id: String,
        /// Who rejects
        #[arg(long)]
        by: String,
        /// For those who wonder later
        #[arg(long, default_value = "no reason given")]
        why: String,
    },
    /// Let a scope act by itself again that was demoted because a person took its revert back
    Rearm {
        /// Name of the policy's scope
        scope: String,
        /// Who says so
        #[arg(long)]
        by: String,
        /// For those who wonder later
        #[arg(long, default_value = "no reason given")]
        why: String,
    },
    /// Stop all actions at once, until thaw
    Freeze {
        /// For those who wonder later
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Allow actions again
    Thaw,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Name the first broken link of the hash chain, if there is one
    Verify,
}

/// Runs one command line.
pub fn main(arguments: impl IntoIterator<Item = OsString>, clock: Clock, out: &mut dyn Write) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, and come this way as well.
            let code = if error.use_stderr() { 2 } else { 0 };
            error.print().ok();
            return code;
        }
    };
    start_logs(&arguments.common);
    match execute(&arguments, clock, out) {
        Ok(code) => code,
        Err(error) => {
            report(&error, arguments.common.json, out);
            if matches!(error, ActuatorError::Config { .. }) { 2 } else { 1 }
        }
    }
}

fn start_logs(common: &Common) {
    let filter = tracing_subscriber::EnvFilter::try_new(&common.log).unwrap_or_else(|_| "info".into());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start within one process, as in tests, keeps the first.
    if common.log_json {
        logs.json().try_init().ok()
    } else {
        logs.try_init().ok()
    };
}

fn report(error: &ActuatorError, as_json: bool, out: &mut dyn Write) {
    let retry = error.may_retry();
    match error {
        ActuatorError::Config { faults } if as_json => {
            writeln!(out, "{}", json!({"ok": false, "faults": faults})).ok();
        }
        _ if as_json => {
            writeln!(out, "{}", json!({"ok": false, "error": error.chain(), "retry": retry})).ok();
        }
        _ => {
            let hint = if error.turn() == Turn::External { " (may be tried again)" } else { "" };
            writeln!(std::io::stderr(), "{}{hint}", error.chain()).ok();
        }
    }
}

fn execute(arguments: &Arguments, clock: Clock, out: &mut dyn Write) -> Result<u8> {
    let mut config = arguments.common.config.clone();
    if let Command::Check { files } = &arguments.command {
        config.extend_from_slice(files);
    }
    let plan = read_files(&config, &arguments.common.set);
    if matches!(arguments.command, Command::Check { .. }) {
        return Ok(check(plan, arguments.common.json, out));
    }
    let plan = plan.map_err(|faults| ActuatorError::Config { faults })?;
    let as_json = arguments.common.json;
    match &arguments.command {
        Command::Run => start(plan, clock).map(|()| 0),
        Command::Check { .. } => Ok(0),
        Command::Ledger { command } => ledger(&plan, command.is_some(), as_json, out),
        Command::Approve { id, by } => told(oversight::approve(&plan, id, by, clock())?, as_json, out),
        Command::Reject { id, by, why } => {
            told(oversight::reject(&plan, id, (by, why), clock())?, as_json, out)
        }
        Command::Rearm { scope, by, why } => {
            told(oversight::rearm(&plan, scope, (by, why), clock())?, as_json, out)
        }
        Command::Freeze { why } => {
            freeze::freeze(&plan.data_dir, why, clock())?;
            say(out, as_json, &json!({"frozen": true, "why": why}), "frozen: nothing is done until thaw");
            Ok(0)
        }
        Command::Thaw => {
            freeze::thaw(&plan.data_dir)?;
            say(out, as_json, &json!({"frozen": false}), "thawed: the policy decides again");
            Ok(0)
        }
    }
}

fn told(answer: oversight::Answer, as_json: bool, out: &mut dyn Write) -> Result<u8> {
    say(out, as_json, &answer.document, &answer.text);
    Ok(answer.code)
}

fn say(out: &mut dyn Write, as_json: bool, object: &serde_json::Value, text: &str) {
    // A closed pipe is the reader's decision.
    if as_json {
        writeln!(out, "{object}").ok()
    } else {
        writeln!(out, "{text}").ok()
    };
}

fn check(plan: std::result::Result<Plan, Vec<Fault>>, as_json: bool, out: &mut dyn Write) -> u8 {
    match plan {
        Ok(plan) => {
            let n = plan.rules.scopes.len();
            let object = json!({"ok": true, "scopes": n, "policy": plan.rules.revision, "faults": []});
            say(out, as_json, &object, &format!("no faults, {n} scopes, policy {}", plan.rules.revision));
            0
        }
        Err(faults) => {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            say(out, as_json, &json!({"ok": false, "faults": faults}), &lines.join("\n"));
            3
        }
    }
}

fn ledger(plan: &Plan, verify: bool, as_json: bool, out: &mut dyn Write) -> Result<u8> {
    match read_ledger(&plan.data_dir) {
        Err(ActuatorError::LedgerBroken { path, line, why }) => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let place =
                if file == LEDGER_FILE { format!("line {line}") } else { format!("line {line} of {file}") };
            let object = json!({"ok": false, "file": file, "line": line, "why": why});
            say(out, as_json, &object, &format!("broken at {place}: {why}"));
            Ok(3)
        }
        Err(other) => Err(other),
        Ok(chain) if verify => {
            let first = chain.entries.first().map_or(1, |entry| entry.seq);
            let (n, head) = (chain.entries.len(), chain.head);
            let since = match chain.entries.first() {
                Some(entry) if first > 1 => {
                    format!(", from entry {first} ({}) on: older ones were let go", entry.at)
                }
                _ => String::new(),
            };
            let object = json!({"ok": true, "entries": n, "first": first, "head": head});
            say(out, as_json, &object, &format!("whole: {n} entries, head {head}{since}"));
            Ok(0)
        }
        Ok(chain) => {
            for entry in &chain.entries {
                let text = serde_json::to_string(entry).unwrap_or_default();
                writeln!(out, "{text}").ok();
            }
            Ok(0)
        }
    }
}

fn start(plan: Plan, clock: Clock) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
    let runtime = runtime.map_err(|source| ActuatorError::File {
        doing: "start threads for",
        path: plan.data_dir.clone(),
        source,
    })?;
    runtime.block_on(async move {
        let (stop, shutdown) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            wait_for_signal().await;
            stop.send(true).ok();
        });
        run(plan, clock, shutdown).await
    })
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
