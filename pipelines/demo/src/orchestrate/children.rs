//! The engine and the actuator as child processes.
//!
//! Promises: their output goes to files in the run's folder; they are asked to end, then ended, and always reaped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::http_get;
use super::place::{Place, io};
use crate::DemoError;

/// How long a program may take to end by itself.
const END_MAX: Duration = Duration::from_secs(5);
/// Pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of a log that are shown when a program fails.
const LOG_LINES: usize = 5;

#[derive(Debug)]
struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// Both programs.
#[derive(Debug)]
pub(crate) struct Children(Vec<Program>);

impl Children {
    /// Starts both.
    ///
    /// # Errors
    /// [`DemoError::Io`] names the program that cannot be started.
    pub(crate) fn start(place: &Place) -> Result<Self, DemoError> {
        let dir = place.dir();
        let mut engine = Command::new(&place.engine);
        engine.arg("run").arg("--config").arg(dir.join("engine.yaml"));
        for setting in &place.settings {
            engine.arg("--set").arg(setting);
        }
        let mut actuator = Command::new(&place.actuator);
        actuator.arg("run").arg("--config").arg(dir.join("actuator.yaml"));
        let engine = spawn("bellwether", &mut engine, dir)?;
        let actuator = spawn("bellwether-actuator", &mut actuator, dir)?;
        Ok(Self(vec![engine, actuator]))
    }

    /// Waits until both say that they are ready.
    ///
    /// # Errors
    /// [`DemoError::Child`] if one ends, or is not ready within `limit`.
    pub(crate) async fn wait_ready(&mut self, place: &Place, limit: Duration) -> Result<(), DemoError> {
        let addresses = [place.api_address, place.actuator_address];
        for (idx, address) in addresses.into_iter().enumerate() {
            let ready = async {
                loop {
                    if http_get::status(address, "/readyz").await == Some(200) {
                        return Ok(());
                    }
                    self.check()?;
                    tokio::time::sleep(LOOK).await;
                }
            };
            match tokio::time::timeout(limit, ready).await {
                Ok(outcome) => outcome?,
                Err(_) => {
                    let what =
                        format!("is not ready at http://{address}/readyz within {} s", limit.as_secs());
                    return Err(self
                        .0
                        .get(idx)
                        .map_or(DemoError::Interrupted, |program| program.fault(what)));
                }
            }
        }
        Ok(())
    }

    /// Whether both still run.
    ///
    /// # Errors
    /// [`DemoError::Child`] names the one that ended, with its last words.
    pub(crate) fn check(&mut self) -> Result<(), DemoError> {
        for program in &mut self.0 {
            if let Ok(Some(status)) = program.child.try_wait() {
                return Err(program.fault(format!("ended with {status}")));
            }
        }
        Ok(())
    }

    /// Asks both to end, ends them if they do not, and reaps them.
    pub(crate) async fn stop(&mut self) {
        for program in &self.0 {
            if let Some(pid) = program.child.id() {
                // The standard library has no signal but KILL; `kill` is on every system that has a shell.
                let asked =
                    Command::new("kill").arg("-TERM").arg(pid.to_string()).stderr(Stdio::null()).status();
                asked.await.ok();
            }
        }
        for program in &mut self.0 {
            if tokio::time::timeout(END_MAX, program.child.wait()).await.is_err() {
                tracing::warn!(program = program.name, "did not end in time, was ended");
                program.child.kill().await.ok();
            }
        }
    }
}

impl Program {
    fn fault(&self, what: String) -> DemoError {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
        let log = format!("{}\n{}", self.log.display(), last.join("\n"));
        DemoError::Child { program: self.name, what, log }
    }
}

fn spawn(name: &'static str, command: &mut Command, dir: &Path) -> Result<Program, DemoError> {
    let log = dir.join(format!("{name}.log"));
    let out = File::create(&log).map_err(io("write", &log))?;
    let err = out.try_clone().map_err(io("write", &log))?;
    let child = command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .kill_on_drop(true)
        .spawn()
        .map_err(io("start", Path::new(name)))?;
    Ok(Program { name, child, log })
}
