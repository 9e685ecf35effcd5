//! `bellwether-actuator`: the program around the library, and the one place in it that reads the wall clock.

use std::process::ExitCode;

use contract::Timestamp;

#[expect(clippy::disallowed_methods, reason = "the actuator's one reader of the wall clock")]
fn wall_clock() -> Timestamp {
    let nanos = jiff::Timestamp::now().as_nanosecond();
    Timestamp::from_unix_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

fn main() -> ExitCode {
    ExitCode::from(actuator::cli::main(std::env::args_os(), wall_clock, &mut std::io::stdout()))
}
