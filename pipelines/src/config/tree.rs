//! A YAML document as a tree that remembers its lines, and a reader that hands out checked values.
//!
//! Promises: every fault is collected, none stops the reading, and what nobody asked for is a fault too. What it does
//! not do: know any setting ([`super::check`]) or where a file comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// One node of the document.
#[derive(Debug, Clone)]
enum Node {
    Map(Vec<(String, u64, Node)>),
    List(Vec<(u64, Node)>),
    Scalar(String),
    Empty,
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_owned()))
    }

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
        let mut map = Vec::new();
        while let Some((key, node)) = entries.next_entry::<Spanned<String>, Node>()? {
            map.push((key.value, key.referenced.line(), node));
        }
        Ok(Node::Map(map))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// File, or `--set`.
    pub file: String,
    /// Line, from 1; 0 where there is none.
    pub line: u64,
    /// Dotted path of the key.
    pub key: String,
    /// What is wrong and what is allowed.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.key.is_empty()) {
            (0, true) => write!(f, "{}: {}", self.file, self.text),
            (0, false) => write!(f, "{}: {}: {}", self.file, self.key, self.text),
            (line, true) => write!(f, "{}:{line}: {}", self.file, self.text),
            (line, false) => write!(f, "{}:{line}: {}: {}", self.file, self.key, self.text),
        }
    }
}

/// Where a value was written.
#[derive(Debug, Clone)]
struct Place {
    file: String,
    line: u64,
    text: Option<String>,
}

/// Flattened settings from several layers (files, then `--set`), the last one wins; collects faults while it is asked.
#[derive(Debug, Default)]
pub struct Reader {
    values: BTreeMap<String, Place>,
    asked: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl Reader {
    /// Adds a YAML document. A document that does not parse is one fault.
    pub fn add_yaml(&mut self, file: &str, text: &str) {
        match serde_saphyr::from_str::<Node>(text) {
            Ok(node) => self.flatten(file, "", 0, &node),
            Err(error) => {
                let line = error.location().map_or(0, |at| at.line());
                let text = format!("is not YAML: {}", first_line(&error.to_string()));
                self.faults.push(Fault { file: file.to_owned(), line, key: String::new(), text });
            }
        }
    }

    /// Adds one `path=value` from the command line.
    pub fn add_override(&mut self, given: &str) {
        let file = "--set".to_owned();
        match given.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                let place = Place { file, line: 0, text: Some(value.to_owned()) };
                self.values.insert(key.to_owned(), place);
            }
            _ => {
                let text = format!("{given:?} is not path=value, as in receive.grpc_address=127.0.0.1:4317");
                self.faults.push(Fault { file, line: 0, key: String::new(), text });
            }
        }
    }

    fn flatten(&mut self, file: &str, path: &str, line: u64, node: &Node) {
        let put = |this: &mut Self, text| {
            if !path.is_empty() {
                this.values.insert(path.to_owned(), Place { file: file.to_owned(), line, text });
            }
        };
        match node {
            Node::Map(entries) => {
                for (key, line, child) in entries {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.flatten(file, &below, *line, child);
                }
            }
            Node::List(items) => {
                self.values.retain(|key, _| !key.starts_with(&format!("{path}[")));
                for (idx, (line, child)) in items.iter().enumerate() {
                    self.flatten(file, &format!("{path}[{idx}]"), *line, child);
                }
            }
            Node::Scalar(text) => put(self, Some(text.clone())),
            Node::Empty => put(self, None),
        }
    }

    /// Notes a fault about a key that was asked for.
    pub fn fault(&mut self, key: &str, text: impl Into<String>) {
        let (file, line) =
            self.values.get(key).map_or_else(|| ("default".to_owned(), 0), |at| (at.file.clone(), at.line));
        self.faults.push(Fault { file, line, key: key.to_owned(), text: text.into() });
    }

    /// The text of a key; `None` if it is absent or empty.
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.asked.insert(key.to_owned());
        self.values.get(key).and_then(|place| place.text.clone()).filter(|text| !text.is_empty())
    }

    /// A key that must be one of some words.
    pub fn choice<T: Copy>(&mut self, key: &str, default: T, words: &[(&str, T)]) -> T {
        let Some(text) = self.text(key) else { return default };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => *value,
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.fault(key, format!("is {text:?}, must be one of {}", known.join(", ")));
                default
            }
        }
    }

    /// A number within bounds.
    pub fn number(&mut self, key: &str, default: f64, bounds: std::ops::RangeInclusive<f64>) -> f64 {
        let Some(text) = self.text(key) else { return default };
        let parsed = text.replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite());
        match parsed {
            Some(number) if bounds.contains(&number) => number,
            Some(number) => {
                let way_out = format!("is {number}, must be between {} and {}", bounds.start(), bounds.end());
                self.fault(key, way_out);
                default
            }
            None => {
                self.fault(
                    key,
                    format!("is {text:?}, must be a number from {} to {}", bounds.start(), bounds.end()),
                );
                default
            }
        }
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, key: &str, default: u64, bounds: std::ops::RangeInclusive<u64>) -> u64 {
        let number = self.number(key, default as f64, *bounds.start() as f64..=*bounds.end() as f64);
        if number.fract() != 0.0 {
            self.fault(key, format!("is {number}, must be a whole number"));
            return default;
        }
        number as u64
    }

    /// A socket address.
    pub fn address(&mut self, key: &str, default: std::net::SocketAddr) -> std::net::SocketAddr {
        let Some(text) = self.text(key) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.fault(key, format!("is {text:?}, must be ip:port, as in {default}"));
            default
        })
    }

    /// A list of texts, also written as one comma-separated text.
    pub fn list(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        if let Some(text) = self.text(key) {
            return text
                .split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect();
        }
        let items: Vec<String> = (0..).map_while(|idx| self.text(&format!("{key}[{idx}]"))).collect();
        if items.is_empty() { default.iter().map(|&item| item.to_owned()).collect() } else { items }
    }

    /// Ends the reading: everything that was written but never asked for is a fault. Sorted by file and line.
    #[must_use]
    pub fn finish(mut self) -> Vec<Fault> {
        let unknown: Vec<String> =
            self.values.keys().filter(|key| !self.asked.contains(*key)).cloned().collect();
        for key in unknown {
            let near = nearest(&key, self.asked.iter().map(String::as_str));
            let text = match near {
                Some(near) => format!("is not a setting, did you mean {near}?"),
                None => "is not a setting; `bellwether check --defaults` lists them all".to_owned(),
            };
            self.fault(&key, text);
        }
        self.faults.sort();
        self.faults.dedup();
        self.faults
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The known key with the smallest edit distance, if it is near enough to be a slip.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, best) = known.map(|other| (edit_distance(key, other), other)).min()?;
    (distance <= key.len() / 3).then_some(best)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a file with three different faults. Guarantees: all three are told, each with its line and way out.
    #[test]
    fn all_faults_come_at_once_with_their_lines() {
        let mut reader = Reader::default();
        reader.add_yaml("a.yaml", "version: 1\ntime:\n  window_secs: 7000\n  latenes_secs: 5\nmode: loud\n");
        assert_eq!(reader.whole("version", 1, 1..=1), 1);
        reader.number("time.window_secs", 10.0, 1.0..=600.0);
        reader.number("time.lateness_secs", 5.0, 0.0..=60.0);
        reader.choice("mode", 0, &[("quiet", 0), ("calm", 1)]);
        let told: Vec<String> = reader.finish().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "a.yaml:3: time.window_secs: is 7000, must be between 1 and 600",
                "a.yaml:4: time.latenes_secs: is not a setting, did you mean time.lateness_secs?",
                "a.yaml:5: mode: is \"loud\", must be one of quiet, calm",
            ]
        );
    }

    /// Scenario: the same key in a file and on the command line. Guarantees: the command line wins.
    #[test]
    fn the_last_layer_wins() {
        let mut reader = Reader::default();
        reader.add_yaml("a.yaml", "kafka:\n  brokers: [a:1, b:2]\nx: 1\n");
        reader.add_override("x=2");
        assert_eq!(reader.list("kafka.brokers", &[]), ["a:1", "b:2"]);
        assert_eq!(reader.whole("x", 0, 0..=9), 2);
        assert!(reader.finish().is_empty());
    }

    /// Scenario: text that is no YAML. Guarantees: one fault with a line, no panic.
    #[test]
    fn broken_yaml_is_a_fault() {
        let mut reader = Reader::default();
        reader.add_yaml("a.yaml", "a: [1\nb: }\n");
        let faults = reader.finish();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].text.starts_with("is not YAML"), "{:?}", faults[0]);
    }
}
