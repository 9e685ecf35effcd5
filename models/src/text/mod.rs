//! Log lines to templates, online: which statement of a program wrote this line?
//!
//! [`Shape`] is a line with everything that varies masked, a pure function of the line; [`TemplateMiner`] turns shapes
//! into templates by what it saw before: words that take many values at one place become a variable. A template's id
//! is a hash of its text, so that restarts and replicas agree; when a template widens, its former id stays known as an
//! alias. Bounded, no regular expressions, any bytes are fine. What a template means is decided elsewhere
//! (`docs/log-templates.md`).

mod brackets;
mod grouping;
mod json;
mod mask;
mod merge;
mod miner;
mod miner_params;
mod shape;
mod template;
mod word;

#[cfg(test)]
mod mask_tests;
#[cfg(test)]
mod miner_tests;

pub use grouping::{Grouping, grouping};
pub use miner::{Mined, TemplateMiner};
pub use miner_params::{MinerParams, MinerValidParams};
pub use shape::{LINE_BYTES_MAX, Shape, TOKENS_MAX};
pub use template::{Template, TemplateId};
