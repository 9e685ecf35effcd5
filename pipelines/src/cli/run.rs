//! `bellwether run`: opens the log, the lane, the front door and the API, and closes them in the right order.

use std::path::PathBuf;

use clap::Args;
use engine::error::EngineError;

use super::{ConfigArgs, Exit, chain_of};
use crate::service;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where log, checkpoints and events are kept (same as --set data_dir=…)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Exit 0 after a clean stop, 1 if a part failed, 2 for a wrong configuration.
pub(crate) fn main(args: &RunArgs) -> Exit {
    let mut config = args.config.clone();
    config.overrides.extend(args.data_dir.iter().map(|folder| format!("data_dir={}", folder.display())));
    let plan = match config.plan() {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    match service::run(&plan) {
        Ok(()) => {
            tracing::info!("stopped");
            Exit::Fine
        }
        Err(error) => {
            tracing::error!(error = chain_of(&error), "stopped");
            eprintln!("error: {}", chain_of(&error));
            if matches!(error, EngineError::Setting(_)) { Exit::Usage } else { Exit::Failed }
        }
    }
}
