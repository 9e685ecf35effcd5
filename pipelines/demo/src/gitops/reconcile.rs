//! From desired state to orders for pods: a canary in steps for what is new, at once for what ran before.
//!
//! Promises: a pure decision over what it is shown; the number of pods that take traffic does not fall below what is
//! desired while a rollout moves; a rollout does not move on while a new pod is not available. It touches nothing.
//!
//! # Invariants
//! One template per service is stable, and it changes only when a rollout has finished.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::shop::{Fleet, Pod, PodId, SECOND, Template, UnixNanos};

/// Shares of a rollout and how long each is held.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps(pub Vec<(f64, UnixNanos)>);

impl Default for Steps {
    /// 25 % for 5 s, 50 % for 25 s, then all.
    fn default() -> Self {
        Self(vec![(0.25, 5 * SECOND), (0.5, 25 * SECOND)])
    }
}

/// What the controller wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Start a pod.
    Create {
        /// What it runs.
        template: Arc<Template>,
        /// Commit that brought the template.
        revision: Arc<str>,
    },
    /// End a pod.
    End(PodId),
}

/// Templates that ran before and come back without steps, as a rollback window of Argo Rollouts has it.
const ROLLBACK_WINDOW: usize = 5;

#[derive(Debug)]
struct Workload {
    replicas: u32,
    target: Arc<Template>,
    stable: Arc<Template>,
    history: Vec<String>,
    revisions: BTreeMap<String, Arc<str>>,
    step: usize,
    step_held_since: Option<UnixNanos>,
}

/// The controller's memory: one workload per service.
#[derive(Debug)]
pub struct Controller {
    steps: Steps,
    workloads: BTreeMap<usize, Workload>,
}

impl Controller {
    /// Knows no workload yet.
    #[must_use]
    pub fn new(steps: Steps) -> Self {
        Self { steps, workloads: BTreeMap::new() }
    }

    /// Takes note of what a service should run. The first template of a service is stable at once.
    pub fn desire(&mut self, template: Template, replicas: u32, revision: &str) {
        let hash = template.hash.clone();
        let template = Arc::new(template);
        let workload = self.workloads.entry(template.service).or_insert_with(|| Workload {
            replicas,
            target: Arc::clone(&template),
            stable: Arc::clone(&template),
            history: Vec::new(),
            revisions: BTreeMap::new(),
            step: 0,
            step_held_since: None,
        });
        workload.replicas = replicas;
        workload.revisions.entry(hash.clone()).or_insert_with(|| Arc::from(revision));
        if workload.target.hash != hash {
            workload.target = template;
            workload.step = 0;
            workload.step_held_since = None;
        }
    }

    /// What to do now for every service.
    pub fn decide(&mut self, fleet: &Fleet, now: UnixNanos) -> Vec<Order> {
        let mut orders = Vec::new();
        for (&service, workload) in &mut self.workloads {
            let pods: Vec<&Pod> =
                fleet.pods().filter(|pod| pod.template.service == service && pod.is_alive()).collect();
            workload.decide(&self.steps, &pods, now, &mut orders);
        }
        orders
    }
}

impl Workload {
    fn decide(&mut self, steps: &Steps, pods: &[&Pod], now: UnixNanos, orders: &mut Vec<Order>) {
        let all = self.replicas as usize;
        let (new, others): (Vec<&Pod>, Vec<&Pod>) =
            pods.iter().copied().partition(|pod| pod.template.hash == self.target.hash);
        let (stable, stray): (Vec<&Pod>, Vec<&Pod>) =
            others.into_iter().partition(|pod| pod.template.hash == self.stable.hash);
        let available = |pods: &[&Pod]| pods.iter().filter(|pod| pod.is_available(now)).count();
        let wanted = self.wanted(steps, available(&new), now);
        self.create(&self.target, wanted.saturating_sub(new.len()), orders);
        // A change in the middle of a rollout: what the stray pods served goes back to stable ones.
        let n_missing = if stray.is_empty() { 0 } else { all.saturating_sub(wanted + stable.len()) };
        self.create(&self.stable, n_missing, orders);
        // Stray pods that serve nothing leave at once; all others only as far as enough are available without them.
        let (serving, idle): (Vec<&Pod>, Vec<&Pod>) =
            stray.into_iter().partition(|pod| pod.is_available(now));
        let n_available = available(&new) + available(&stable) + serving.len();
        let n_spare = n_available.saturating_sub(all);
        let leaving = serving.into_iter().chain(stable).take(n_spare);
        let surplus = new.iter().rev().copied().take(new.len().saturating_sub(all));
        orders.extend(idle.into_iter().chain(leaving).chain(surplus).map(|pod| Order::End(pod.id)));
    }

    fn create(&self, template: &Arc<Template>, n: usize, orders: &mut Vec<Order>) {
        let revision = self.revisions.get(&template.hash).map_or_else(|| Arc::from(""), Arc::clone);
        let order = Order::Create { template: Arc::clone(template), revision };
        orders.extend(std::iter::repeat_n(order, n));
    }

    /// How many pods of the target there should be, moving on through the steps.
    fn wanted(&mut self, steps: &Steps, available: usize, now: UnixNanos) -> usize {
        let all = self.replicas as usize;
        if self.stable.hash == self.target.hash {
            return all;
        }
        if self.history.contains(&self.target.hash) || self.step >= steps.0.len() {
            if available >= all {
                self.finish();
            }
            return all;
        }
        let Some(&(share, hold)) = steps.0.get(self.step) else { return all };
        let wanted = ((all as f64 * share).ceil() as usize).clamp(1, all);
        if available < wanted {
            self.step_held_since = None;
            return wanted;
        }
        let since = *self.step_held_since.get_or_insert(now);
        if now >= since + hold {
            self.step += 1;
            self.step_held_since = None;
        }
        wanted
    }

    fn finish(&mut self) {
        let before = std::mem::replace(&mut self.stable, Arc::clone(&self.target));
        self.history.push(before.hash.clone());
        let n_old = self.history.len().saturating_sub(ROLLBACK_WINDOW);
        self.history.drain(..n_old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::{Behaviour, BrokenBuilds};

    const START: UnixNanos = 1_000_000 * SECOND;

    struct World {
        fleet: Fleet,
        controller: Controller,
        now: UnixNanos,
    }

    impl World {
        fn new() -> Self {
            let mut broken = BrokenBuilds::default();
            broken.add(4, "crash", Behaviour { crashes: true, ..Behaviour::default() });
            let mut world = Self {
                fleet: Fleet::new(1, broken),
                controller: Controller::new(Steps::default()),
                now: START,
            };
            world.desire("one");
            for _ in 0..4 {
                world.fleet.create(&Arc::new(template("one")), &Arc::from("c1"), START, true);
            }
            world
        }

        fn desire(&mut self, version: &str) {
            self.controller.desire(template(version), 4, &format!("commit of {version}"));
        }

        /// Runs for `secs`; returns the lowest number of pods that took traffic.
        fn run(&mut self, secs: i64) -> usize {
            let mut lowest = usize::MAX;
            for _ in 0..secs * 4 {
                self.now += SECOND / 4;
                self.fleet.advance(self.now);
                for order in self.controller.decide(&self.fleet, self.now) {
                    match order {
                        Order::Create { template, revision } => {
                            self.fleet.create(&template, &revision, self.now, false);
                        }
                        Order::End(id) => self.fleet.end(id, self.now),
                    }
                }
                lowest = lowest.min(self.fleet.pods().filter(|pod| pod.takes_traffic(self.now)).count());
            }
            lowest
        }

        fn versions(&self) -> BTreeMap<String, usize> {
            let mut versions = BTreeMap::new();
            for pod in self.fleet.pods().filter(|pod| pod.is_alive()) {
                *versions.entry(pod.template.version.clone()).or_default() += 1;
            }
            versions
        }
    }

    fn template(version: &str) -> Template {
        Template {
            service: 4,
            version: version.to_owned(),
            env: BTreeMap::new(),
            hash: format!("h-{version}"),
        }
    }

    fn counts(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
        pairs.iter().map(|(version, n)| ((*version).to_owned(), *n)).collect()
    }

    /// Scenario: a good release of a service with four pods.
    /// Guarantees: one new pod first, two later, all at the end; never fewer than four take traffic.
    #[test]
    fn a_release_goes_in_steps() {
        let mut world = World::new();
        world.desire("two");
        let mut lowest = world.run(4);
        assert_eq!(world.versions(), counts(&[("one", 3), ("two", 1)]));
        lowest = lowest.min(world.run(10));
        assert_eq!(world.versions(), counts(&[("one", 2), ("two", 2)]));
        lowest = lowest.min(world.run(30));
        assert_eq!(world.versions(), counts(&[("two", 4)]));
        assert_eq!(lowest, 4);
    }

    /// Scenario: the manifest goes back to the stable version in the middle of a rollout, and later a finished
    /// rollout goes back.
    /// Guarantees: within three seconds only the old version runs, without steps; its pods say the old commit.
    #[test]
    fn a_revert_skips_the_steps() {
        let mut world = World::new();
        world.desire("two");
        world.run(12);
        world.desire("one");
        assert_eq!(world.run(3), 4);
        assert_eq!(world.versions(), counts(&[("one", 4)]));
        world.desire("two");
        world.run(60);
        world.desire("one");
        world.run(3);
        assert_eq!(world.versions(), counts(&[("one", 4)]));
        assert!(world.fleet.pods().filter(|p| p.is_alive()).all(|p| &*p.revision != "commit of two"));
    }

    /// Scenario: a release whose pods crash, then its revert.
    /// Guarantees: the rollout stays at one new pod and keeps all four old ones; the revert removes it.
    #[test]
    fn a_crash_loop_does_not_advance() {
        let mut world = World::new();
        world.desire("crash");
        world.run(40);
        assert_eq!(world.versions(), counts(&[("crash", 1), ("one", 4)]));
        world.desire("one");
        world.run(1);
        assert_eq!(world.versions(), counts(&[("one", 4)]));
    }

    /// Scenario: in the middle of a rollout its manifest changes to a third version, and back to the second.
    /// Guarantees: the stray pods are gone within three seconds although the rollout starts its steps anew; never
    /// fewer than four take traffic; in the end only the second version runs.
    #[test]
    fn a_revert_in_the_middle_of_a_rollout_does_not_wait_for_the_steps() {
        let mut world = World::new();
        world.desire("two");
        world.run(12);
        world.desire("three");
        let mut lowest = world.run(12);
        assert_eq!(world.versions(), counts(&[("one", 2), ("three", 2)]));
        world.desire("two");
        lowest = lowest.min(world.run(3));
        assert_eq!(world.versions(), counts(&[("one", 3), ("two", 1)]));
        lowest = lowest.min(world.run(60));
        assert_eq!((world.versions(), lowest), (counts(&[("two", 4)]), 4));
    }
}
