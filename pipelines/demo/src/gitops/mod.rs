//! Desired state in git, and the stand-in for the controller that makes it so.
//!
//! The repository and the manifests are real; only the controller (Argo CD and Rollouts in production) and the cluster
//! are simulated. Promises: reconciling is a pure decision; git is touched in one file.

mod manifest;
mod reconcile;
mod repository;

pub use manifest::{Manifest, manifest_path, parse, render, template_hash};
pub use reconcile::{Controller, Order, Steps};
pub use repository::{Commit, Repository, reverted_by};
