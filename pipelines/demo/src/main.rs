//! `bellwether-demo`: reads the options, plays the runs, says how they went.

use std::process::ExitCode;

use clap::Parser;
use demo::output::Style;
use demo::{DemoError, Options, orchestrate};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(EnvFilter::new("warn")).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime cannot be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(play(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(source) = cause {
                text = format!("{text}: {source}");
                cause = source.source();
            }
            demo::output::error(&text);
            ExitCode::from(error.exit_code())
        }
    }
}

async fn play(options: &Options) -> Result<bool, DemoError> {
    let plan = options.check()?;
    let style = Style::choose(options.json, options.headless);
    let mut summaries = Vec::with_capacity(plan.runs.len());
    for run in &plan.runs {
        let summary = orchestrate::run(options, &plan, *run, style).await?;
        style.summary(&summary);
        summaries.push(summary);
    }
    if summaries.len() > 1 {
        style.totals(&summaries);
    }
    Ok(summaries.iter().all(|summary| summary.ok))
}
