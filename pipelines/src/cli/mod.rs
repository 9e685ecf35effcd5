//! The commands. Results on stdout, logs on stderr; exit 0 fine, 1 failed, 2 bad usage or configuration, 3 "no".
//!
//! The only module that prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its caller")]

mod check;
mod demo;
mod evaluate;
mod evaluate_ablation;
mod evaluate_canary;
mod evaluate_exhaustion;
mod evaluate_logs;
mod evaluate_series;
mod evaluate_vectors;
mod explain;
mod replay;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Fault, Plan};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Fine,
    /// It could not be done.
    Failed,
    /// The call or the configuration is wrong.
    Usage,
    /// Done, and the answer is no.
    No,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::No => 3,
        })
    }
}

/// Streaming anomaly detection that closes the self-healing loop of GitOps delivery.
#[derive(Debug, Parser)]
#[command(name = "bellwether", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  bellwether demo                                  the whole loop on this machine, in about two minutes
  bellwether run --data-dir /var/lib/bellwether    the engine: OTLP on 4317 and 4318, API on 8080
  bellwether replay testdata/canaryrec/err15       a recorded rollout through the very same engine
  bellwether explain ID --data-dir DIR             why: seen, expected, ruled out, by which rule
  bellwether check bellwether.yaml                 all faults of a configuration at once";

#[derive(Debug, Subcommand)]
enum Command {
    /// The engine: receives telemetry, publishes risk events
    Run(run::RunArgs),
    /// The whole loop on one machine: a simulated shop, a real git repository, a real revert
    #[command(disable_help_flag = true)]
    Demo {
        /// Handed to bellwether-demo as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Recorded telemetry through the very same engine; risk events out, the same bytes on every run
    Replay(replay::ReplayArgs),
    /// Labelled recordings through the very same engine; figures out
    Evaluate(evaluate::EvaluateArgs),
    /// One event or incident in words: what was seen, expected, ruled out, by which rule; made again from the event alone
    Explain(explain::ExplainArgs),
    /// Configuration files: all faults at once, each with file, line, key and what is allowed
    Check(check::CheckArgs),
}

/// Where settings come from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigArgs {
    /// YAML file; several are read in order, the last one wins
    #[arg(long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// One setting, as in --set receive.grpc_address=127.0.0.1:4317
    #[arg(long = "set", value_name = "PATH=VALUE")]
    overrides: Vec<String>,
}

impl ConfigArgs {
    /// Reads and checks; prints every fault.
    fn plan(&self) -> Result<Plan, Exit> {
        crate::config::read_files(&self.files, &self.overrides).map_err(|faults| {
            print_faults(&faults);
            Exit::Usage
        })
    }
}

fn print_faults(faults: &[Fault]) {
    faults.iter().for_each(|fault| eprintln!("error: {fault}"));
    eprintln!("{} fault{} in the configuration", faults.len(), if faults.len() == 1 { "" } else { "s" });
}

/// An error with its causes, on one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logs();
    let exit = match cli.command {
        Command::Run(args) => run::main(&args),
        Command::Demo { args } => demo::main(&args),
        Command::Replay(args) => replay::main(&args),
        Command::Evaluate(args) => evaluate::main(&args),
        Command::Explain(args) => explain::main(&args),
        Command::Check(args) => check::main(&args),
    };
    exit.into()
}

/// Logs on stderr; `RUST_LOG` selects, `info` by default.
fn start_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("info,opentelemetry=warn,opentelemetry_sdk=warn")
    });
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
