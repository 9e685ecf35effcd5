//! `bellwether explain`: one event or incident in words, from the event alone.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::{CloudEvent, RiskEvent};
use engine::error::EngineError;

use super::{ConfigArgs, Exit, chain_of};
use crate::explain::{Remade, remake, words};

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Id of an event, or of an incident: then its newest revision
    id: String,
    /// Events as JSON lines, as `replay --json` and the API give them; - reads stdin. Default: what `run` keeps in data_dir
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Where `run` keeps its events (same as --set data_dir=…)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Exit 0 when it was explained, 1 if there is no such event, 2 for a wrong configuration, 3 if the judgement came out
/// differently when it was made again.
pub(crate) fn main(args: &ExplainArgs) -> Exit {
    let events = match read(args) {
        Ok(events) => events,
        Err(exit) => return exit,
    };
    let of_id = |event: &&CloudEvent<RiskEvent>| event.id == args.id || event.data.incident_id == args.id;
    let found: Vec<&CloudEvent<RiskEvent>> = events.iter().filter(of_id).collect();
    let Some(event) = found.last() else {
        eprintln!("error: no event or incident {} among {} events", args.id, events.len());
        return Exit::Failed;
    };
    if let Err(error) = RiskEvent::from_json(&serde_json::to_vec(&event.data).unwrap_or_default()) {
        eprintln!("error: {error}");
        return Exit::Failed;
    }
    let remade = remake(&event.data);
    if args.json {
        println!("{}", document(event, &remade));
    } else {
        words(event).iter().for_each(|line| println!("{line}"));
        print_history(&events, event);
    }
    if remade.differs() { Exit::No } else { Exit::Fine }
}

fn document(event: &CloudEvent<RiskEvent>, remade: &Remade) -> serde_json::Value {
    let remade = match remade {
        Remade::Not(why) => serde_json::json!({"ran": false, "why": why}),
        Remade::Ran(rerun) => serde_json::json!({
            "ran": true, "same": rerun.is_same, "ticks": rerun.n_ticks,
            "decision": format!("{:?}", rerun.decision), "ln_e": rerun.ln_e,
        }),
    };
    serde_json::json!({"id": event.id, "lines": words(event), "remade": remade, "event": event.data})
}

fn print_history(events: &[CloudEvent<RiskEvent>], event: &CloudEvent<RiskEvent>) {
    println!("\nRevisions of this incident:");
    for other in events.iter().filter(|other| other.data.incident_id == event.data.incident_id) {
        let data = &other.data;
        let (status, level) = (format!("{:?}", data.status), format!("{:?}", data.assessment.level));
        println!(
            "  {}  {:<8} {:<7} {}",
            data.window.end,
            status.to_lowercase(),
            level.to_lowercase(),
            other.id
        );
    }
}

fn read(args: &ExplainArgs) -> Result<Vec<CloudEvent<RiskEvent>>, Exit> {
    let failed = |text: String| {
        eprintln!("error: {text}");
        Exit::Failed
    };
    if let Some(file) = &args.from {
        let text = text_of(file).map_err(|e| failed(format!("cannot read {}: {e}", file.display())))?;
        let lines = text.lines().filter(|line| !line.trim().is_empty()).zip(1..);
        let event = |(line, number): (&str, u32)| {
            serde_json::from_str(line)
                .map_err(|e| failed(format!("{}, line {number}: is no risk event: {e}", file.display())))
        };
        return lines.map(event).collect();
    }
    let mut config = args.config.clone();
    config.overrides.extend(args.data_dir.iter().map(|folder| format!("data_dir={}", folder.display())));
    let path = config.plan()?.data_dir.join("risk-events.log");
    kept(&path).map_err(|error| failed(chain_of(&error)))
}

fn text_of(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        return std::io::stdin().lock().read_to_string(&mut text).map(|_| text);
    }
    std::fs::read_to_string(file)
}

/// What an engine keeps there, also while it runs.
fn kept(path: &Path) -> Result<Vec<CloudEvent<RiskEvent>>, EngineError> {
    let messages = engine::sink::read_messages(path)?;
    // what is no risk event has no id that could be asked for
    Ok(messages.iter().filter_map(|message| serde_json::from_slice(&message.value).ok()).collect())
}
