//! YAML documents laid over each other as dotted paths that remember their lines, and a reader that hands out checked
//! values.
//!
//! Promises: every fault is collected, none stops the reading, and what nobody asked for is a fault too. What it does
//! not do: know any setting, or where a document comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// One thing that is wrong with a configuration. Sorts by file and line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Fault {
    /// File, or `--set`.
    pub file: String,
    /// Line, from 1; 0 where there is none.
    pub line: u64,
    /// Dotted path of the key; empty where the whole document is meant.
    pub key: String,
    /// What is wrong and what is allowed.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// A node of a document; scalars are kept as text, because only the reader knows what they should be.
#[derive(Debug)]
enum Node {
    Section(Vec<(String, u64, Self)>),
    List(Vec<(u64, Self)>),
    Scalar(String),
    Empty,
}

struct NodeVisitor;

macro_rules! scalars {
    ($($method:ident: $kind:ty),+) => {
        $(fn $method<E>(self, value: $kind) -> Result<Node, E> { Ok(Node::Scalar(value.to_string())) })+
    };
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Empty)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Empty)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Node>>()? {
            list.push((item.referenced.line(), item.value));
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut section = Vec::new();
        while let Some((key, node)) = entries.next_entry::<Spanned<String>, Node>()? {
            section.push((key.value, key.referenced.line(), node));
        }
        Ok(Node::Section(section))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

#[derive(Debug, Clone)]
struct Place {
    file: String,
    line: u64,
    text: String,
}

/// Settings of several layers by dotted path, the last layer wins.
///
/// # Invariants
/// `faults` only grows; `asked` holds every path that anybody asked for, whether it was written or not.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    values: BTreeMap<String, Place>,
    /// Sections and list items: where they begin, for faults about something that is missing in them.
    begins: BTreeMap<String, (String, u64)>,
    asked: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl Reader {
    pub(crate) fn add_yaml(&mut self, file: &str, text: &str) {
        match serde_saphyr::from_str::<Node>(text) {
            Ok(node) => self.flatten(file, "", (0, &node)),
            Err(error) => {
                let line = error.location().map_or(0, |at| at.line());
                let why = error.without_snippet().to_string();
                let why = why.lines().next().unwrap_or_default().to_owned();
                self.note(file, line, "", format!("is not YAML that can be read: {why}"));
            }
        }
    }

    pub(crate) fn add_override(&mut self, given: &str) {
        match given.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                let place = Place { file: "--set".to_owned(), line: 0, text: value.to_owned() };
                self.forget_items(key);
                self.values.insert(key.to_owned(), place);
            }
            _ => self.note(
                "--set",
                0,
                "",
                format!("{given:?} must be path=value, as in policy.scopes[0].mode=auto"),
            ),
        }
    }

    fn flatten(&mut self, file: &str, path: &str, (line, node): (u64, &Node)) {
        if !path.is_empty() {
            self.begins.insert(path.to_owned(), (file.to_owned(), line));
        }
        match node {
            Node::Section(entries) => {
                for (key, line, child) in entries {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.flatten(file, &below, (*line, child));
                }
            }
            Node::List(items) => {
                self.forget_items(path);
                self.values.remove(path);
                for (idx, (line, child)) in items.iter().enumerate() {
                    self.flatten(file, &format!("{path}[{idx}]"), (*line, child));
                }
            }
            Node::Scalar(text) => {
                self.forget_items(path);
                let place = Place { file: file.to_owned(), line, text: text.clone() };
                self.values.insert(path.to_owned(), place);
            }
            Node::Empty => {}
        }
    }

    /// A list that is written again replaces the one of an earlier layer.
    fn forget_items(&mut self, path: &str) {
        let items_of = format!("{path}[");
        self.values.retain(|key, _| !key.starts_with(&items_of));
        self.begins.retain(|key, _| !key.starts_with(&items_of));
    }

    fn note(&mut self, file: &str, line: u64, key: &str, text: String) {
        self.faults.push(Fault { file: file.to_owned(), line, key: key.to_owned(), text });
    }

    /// Notes a fault where `key` was written, or where the nearest section around it begins.
    pub(crate) fn fault(&mut self, key: &str, text: impl Into<String>) {
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

    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        self.asked.insert(key.to_owned());
        self.values.get(key).map(|place| place.text.clone()).filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&mut self, key: &str, what: &str) -> String {
        self.text(key).unwrap_or_else(|| {
            self.fault(key, format!("is missing, must be {what}"));
            String::new()
        })
    }

    pub(crate) fn choice<T: Copy>(&mut self, key: &str, default: T, words: &[(&str, T)]) -> T {
        let Some(text) = self.text(key) else { return default };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.fault(key, format!("is {text:?}, must be one of {}", known.join(", ")));
        default
    }

    pub(crate) fn number(&mut self, key: &str, default: f64, bounds: RangeInclusive<f64>) -> f64 {
        let Some(text) = self.text(key) else { return default };
        match text.parse::<f64>() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let (low, high) = (bounds.start(), bounds.end());
                self.fault(key, format!("is {text:?}, must be a number from {low} to {high}"));
                default
            }
        }
    }

    pub(crate) fn whole(&mut self, key: &str, default: u64, bounds: RangeInclusive<u64>) -> u64 {
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

    pub(crate) fn list(&mut self, key: &str) -> Vec<String> {
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
    pub(crate) fn n_items(&mut self, key: &str) -> usize {
        self.asked.insert(key.to_owned());
        (0..).take_while(|idx| self.has(&format!("{key}[{idx}]"))).count()
    }

    /// Whether anything was written at or below a path.
    pub(crate) fn has(&self, key: &str) -> bool {
        let below = |name: &String| name.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.begins.contains_key(key) || self.values.contains_key(key) || self.values.keys().any(below)
    }

    /// Ends the reading: what was written and never asked for is a fault.
    pub(crate) fn finish(mut self) -> Vec<Fault> {
        let unknown: Vec<String> =
            self.values.keys().filter(|key| !self.asked.contains(*key)).cloned().collect();
        for key in unknown {
            let text = self.unknown(&key);
            self.fault(&key, text);
        }
        self.faults.sort();
        self.faults.dedup();
        self.faults
    }

    fn unknown(&self, key: &str) -> String {
        let inner = self.names_below(key);
        if !inner.is_empty() {
            return format!("is a single value, must be a section with {}", inner.join(", "));
        }
        let outer = key.rsplit_once('.').map_or("", |(outer, _)| outer);
        let siblings = self.names_below(outer);
        if siblings.is_empty() {
            return "is not a setting; default.yaml lists them all".to_owned();
        }
        format!("is not a setting, known here are {}", siblings.join(", "))
    }

    fn names_below(&self, section: &str) -> Vec<String> {
        let name_of = |key: &String| {
            let rest = if section.is_empty() { key } else { key.strip_prefix(section)?.strip_prefix('.')? };
            rest.split(['.', '[']).next().map(str::to_owned)
        };
        self.asked.iter().filter_map(name_of).collect::<BTreeSet<_>>().into_iter().collect()
    }
}
