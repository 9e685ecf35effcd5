//! `bellwether demo`: hands over to `bellwether-demo`, which stands beside this program.
//!
//! The demo needs git and plays a whole shop; the engine's own program has neither, and gets no repository access
//! through it.

use super::Exit;

const NAME: &str = "bellwether-demo";

/// Runs the sibling program with the same arguments.
pub(crate) fn main(args: &[String]) -> Exit {
    let sibling = std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join(NAME)));
    let Some(program) = sibling.filter(|path| path.exists()) else {
        eprintln!(
            "error: {NAME} is not beside this program; build all of them: cargo build --release --bins"
        );
        return Exit::Failed;
    };
    match std::process::Command::new(&program).args(args).status() {
        Ok(status) => match status.code() {
            Some(0) => Exit::Fine,
            Some(2) => Exit::Usage,
            _ => Exit::Failed,
        },
        Err(error) => {
            eprintln!("error: cannot start {}: {error}", program.display());
            Exit::Failed
        }
    }
}
