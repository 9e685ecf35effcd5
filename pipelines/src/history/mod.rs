//! What ended before: fingerprints of incidents, the families they fall into, and how their members ended.
//!
//! Per tenant, in the checkpoint, bounded. Promises: an incident is compared with what ended before it and nothing else; it is looked
//! at when something of it is published, never per tick; names of services and versions are no part of what is compared.
//! What it does not do: touch a level, a risk or a recommendation (`risk` lies to its left and cannot see it), or look for
//! the single most similar failure.

mod ending;
mod naming;
mod past;
mod shows;
mod trait_name;

pub use past::{FamilyCounts, History};
