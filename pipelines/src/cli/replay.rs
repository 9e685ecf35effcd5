//! `bellwether replay`
use super::Exit;
use clap::Args;
/// Arguments.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {}
pub(crate) fn main(_args: &ReplayArgs) -> Exit {
    Exit::Failed
}
