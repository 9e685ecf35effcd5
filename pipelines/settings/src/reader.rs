//! Settings of several layers by dotted path, and the values that they give.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use serde_saphyr::options::NonFiniteFloatPolicy;

use crate::Fault;
use crate::document::Node;
use crate::unknown;

#[derive(Debug, Clone)]
struct Place {
    file: String,
    line: u64,
    text: String,
}

/// Settings of several layers by dotted path (`policy.scopes[0].mode`), the last layer wins; collects faults while it
/// is asked.
///
/// # Invariants
/// `faults` only grows; `asked` holds every path that anybody asked for, whether it was written or not.
///
/// ```
/// let mut reader = settings::Reader::default();
/// reader.add_yaml("a.yaml", "kafka: {brokers: [a:1, b:2]}\nmode: calm\n");
/// reader.add_override("mode=loud");
/// assert_eq!(reader.list("kafka.brokers"), ["a:1", "b:2"]);
/// assert_eq!(reader.choice("mode", 0, &[("calm", 1), ("loud", 2)]), 2);
/// assert!(reader.finish().is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    values: BTreeMap<String, Place>,
    /// Everything that was written, sections and list items too: for faults about what is missing in them.
    begins: BTreeMap<String, (String, u64)>,
    /// Keys without a value: a section whose lines are all commented out, or a setting that goes back to its default.
    empty: BTreeSet<String>,
    asked: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl Reader {
    /// Adds a YAML document. One that does not parse is one fault.
    pub fn add_yaml(&mut self, file: &str, text: &str) {
        // a number that is none must be a fault of its key, not of the whole document
        let options = serde_saphyr::options! { non_finite_float_policy: NonFiniteFloatPolicy::AsString };
        match serde_saphyr::from_str_with_options::<Node>(text, options) {
            Ok(node) => self.flatten(file, "", (0, &node)),
            Err(error) => {
                let line = error.location().map_or(0, |at| at.line());
                let why = error.without_snippet().to_string();
                let why = why.lines().next().unwrap_or_default();
                // a hint for whoever calls the parser
                let why = why.replace(", set DuplicateKeyPolicy in Options if acceptable", "");
                self.note(file, line, "", format!("is not YAML that can be read: {why}"));
            }
        }
    }

    /// Adds one `path=value` from the command line.
    pub fn add_override(&mut self, given: &str) {
        match given.split_once('=') {
            Some((key, value)) if !key.is_empty() => self.put("--set", key, (0, value)),
            _ => {
                self.note(
                    "--set",
                    0,
                    "",
                    format!("{given:?} must be path=value, as in api.address=127.0.0.1:8080"),
                );
            }
        }
    }

    fn flatten(&mut self, file: &str, path: &str, (line, node): (u64, &Node)) {
        if !path.is_empty() {
            self.begins.insert(path.to_owned(), (file.to_owned(), line));
        }
        match node {
            Node::Section(entries) => {
                if entries.is_empty() && !path.is_empty() {
                    self.empty.insert(path.to_owned());
                }
                for (key, line, child) in entries {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.flatten(file, &below, (*line, child));
                }
            }
            Node::List(items) => {
                self.forget(path);
                if items.is_empty() {
                    self.empty.insert(path.to_owned());
                }
                for (idx, (line, child)) in items.iter().enumerate() {
                    self.flatten(file, &format!("{path}[{idx}]"), (*line, child));
                }
            }
            Node::Scalar(text) => self.put(file, path, (line, text)),
            Node::Empty => {
                self.forget(path);
                self.empty.insert(path.to_owned());
            }
        }
    }

    fn put(&mut self, file: &str, path: &str, (line, text): (u64, &str)) {
        self.forget(path);
        self.values.insert(path.to_owned(), Place { file: file.to_owned(), line, text: text.to_owned() });
    }

    /// A value or list that is written again replaces the one of an earlier layer.
    fn forget(&mut self, path: &str) {
        let items_of = format!("{path}[");
        self.values.retain(|key, _| key != path && !key.starts_with(&items_of));
        self.begins.retain(|key, _| !key.starts_with(&items_of));
        self.empty.remove(path);
    }

    fn note(&mut self, file: &str, line: u64, key: &str, text: String) {
        self.faults.push(Fault { file: file.to_owned(), line, key: key.to_owned(), text });
    }

    /// Notes a fault where `key` was written, or where the nearest section around it begins.
    pub fn fault(&mut self, key: &str, text: impl Into<String>) {
        let (file, line) = match self.values.get(key) {
            Some(place) => (place.file.clone(), place.line),
            None => self.nearest_begin(key),
        };
        self.note(&file, line, key, text.into());
    }

    fn nearest_begin(&self, key: &str) -> (String, u64) {
        let mut around = key;
        loop {
            if let Some(begin) = self.begins.get(around) {
                return begin.clone();
            }
            match around.rsplit_once(['.', '[']) {
                Some((outer, _)) => around = outer,
                None => return ("default.yaml".to_owned(), 0),
            }
        }
    }

    /// The text of a key; `None` if it is absent or empty.
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.asked.insert(key.to_owned());
        self.values.get(key).map(|place| place.text.clone()).filter(|text| !text.is_empty())
    }

    /// A text that must be there; `what` it must be. Empty after a fault.
    pub fn required(&mut self, key: &str, what: &str) -> String {
        self.text(key).unwrap_or_else(|| {
            self.fault(key, format!("is missing, must be {what}"));
            String::new()
        })
    }

    /// A key that must be one of some words.
    pub fn choice<T: Copy>(&mut self, key: &str, default: T, words: &[(&str, T)]) -> T {
        let Some(text) = self.text(key) else { return default };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.fault(key, format!("is {text:?}, must be one of {}", known.join(", ")));
        default
    }

    /// A number within bounds.
    pub fn number(&mut self, key: &str, default: f64, bounds: RangeInclusive<f64>) -> f64 {
        let Some(text) = self.text(key) else { return default };
        match text.replace('_', "").parse::<f64>() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let (low, high) = (bounds.start(), bounds.end());
                self.fault(key, format!("is {text:?}, must be a number from {low} to {high}"));
                default
            }
        }
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, key: &str, default: u64, bounds: RangeInclusive<u64>) -> u64 {
        let Some(text) = self.text(key) else { return default };
        match text.replace('_', "").parse::<u64>() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let (low, high) = (bounds.start(), bounds.end());
                let allowed = if low == high {
                    low.to_string()
                } else {
                    format!("a whole number from {low} to {high}")
                };
                self.fault(key, format!("is {text:?}, must be {allowed}"));
                default
            }
        }
    }

    /// A socket address.
    pub fn address(&mut self, key: &str, default: SocketAddr) -> SocketAddr {
        let Some(text) = self.text(key) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.fault(key, format!("is {text:?}, must be ip:port, as in {default}"));
            default
        })
    }

    /// A list of texts, also written as one comma-separated text.
    pub fn list(&mut self, key: &str) -> Vec<String> {
        if let Some(text) = self.text(key) {
            return text
                .split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect();
        }
        (0..).map_while(|idx| self.text(&format!("{key}[{idx}]"))).collect()
    }

    /// How many items a list of sections has.
    pub fn n_items(&mut self, key: &str) -> usize {
        self.asked.insert(key.to_owned());
        (0..).take_while(|idx| self.has(&format!("{key}[{idx}]"))).count()
    }

    /// Whether anything was written at or below a path.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        let below = |name: &String| name.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.begins.contains_key(key) || self.values.contains_key(key) || self.values.keys().any(below)
    }

    /// Ends the reading: what was written and never asked for is a fault. Sorted by file and line.
    #[must_use]
    pub fn finish(mut self) -> Vec<Fault> {
        let is_section = |key: &String| !unknown::names_below(key, &self.asked).is_empty();
        let written = self.values.keys().chain(self.empty.iter().filter(|key| !is_section(key)));
        let unknown: Vec<String> = written.filter(|key| !self.asked.contains(*key)).cloned().collect();
        for key in unknown {
            let (key, text) = unknown::way_out(&key, &self.asked);
            self.fault(key, text);
        }
        self.faults.sort();
        self.faults.dedup();
        self.faults
    }
}
