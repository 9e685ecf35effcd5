//! `bellwether check`: configuration without running it.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, print_faults};
use crate::config;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// YAML files, read in order on top of the defaults
    files: Vec<PathBuf>,
    /// One setting on top of them
    #[arg(long = "set", value_name = "PATH=VALUE")]
    overrides: Vec<String>,
    /// Print every setting with its default, unit and range
    #[arg(long)]
    defaults: bool,
    /// Print faults as one JSON document
    #[arg(long)]
    json: bool,
}

/// Exit 0 if there are no faults, 3 if there are.
pub(crate) fn main(args: &CheckArgs) -> Exit {
    if args.defaults {
        print!("{}", config::DEFAULT_YAML);
        return Exit::Fine;
    }
    let faults = config::read_files(&args.files, &args.overrides).err().unwrap_or_default();
    if args.json {
        let list: Vec<_> = faults
            .iter()
            .map(|f| serde_json::json!({"file": f.file, "line": f.line, "key": f.key, "fault": f.text}))
            .collect();
        println!("{}", serde_json::json!({"ok": faults.is_empty(), "faults": list}));
    } else if faults.is_empty() {
        println!("no faults");
    } else {
        print_faults(&faults);
    }
    if faults.is_empty() { Exit::Fine } else { Exit::No }
}
