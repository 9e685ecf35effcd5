//! Layers, faults and the ways out.

use crate::Reader;

fn told(reader: Reader) -> Vec<String> {
    reader.finish().iter().map(ToString::to_string).collect()
}

/// Scenario: a file with six different faults, some in sections without a line. Guarantees: all are told, each with its line and the way out.
#[test]
fn all_faults_come_at_once_with_their_lines() {
    let mut reader = Reader::default();
    reader.add_yaml(
        "a.yaml",
        "version: 1\ntime:\n  window_secs: 7000\n  latenes_secs: 5\nmode: loud\nshape:\nsizes: {}\nplaces: []\ncalm: {}\n",
    );
    assert_eq!(reader.whole("version", 1, 1..=1), 1);
    reader.number("time.window_secs", 10.0, 1.0..=600.0);
    reader.number("time.lateness_secs", 5.0, 0.0..=60.0);
    reader.choice("mode", 0, &[("quiet", 0), ("calm", 1)]);
    reader.number("calm.from", 5.0, 0.0..=60.0);
    assert_eq!(
        told(reader),
        [
            "a.yaml:3: time.window_secs: is \"7000\", must be a number from 1 to 600",
            "a.yaml:4: time.latenes_secs: is not a setting, did you mean lateness_secs? known here are \
             lateness_secs, window_secs",
            "a.yaml:5: mode: is \"loud\", must be one of quiet, calm",
            "a.yaml:6: shape: is not a setting, known here are calm, mode, time, version",
            "a.yaml:7: sizes: is not a setting, known here are calm, mode, time, version",
            "a.yaml:8: places: is not a setting, known here are calm, mode, time, version",
        ]
    );
}

/// Scenario: an unknown section with three settings, an unknown list of sections, an unknown section in a known one.
/// Guarantees: each is told once, where it begins.
#[test]
fn an_unknown_section_is_told_once() {
    let mut reader = Reader::default();
    reader.add_yaml(
        "a.yaml",
        "shape:\n  width: 1\n  size: {a: 2, b: 3}\nplaces:\n  - name: x\n  - name: y\ntime:\n  windos: {a: 1, b: 2}\n",
    );
    reader.number("time.window", 10.0, 1.0..=600.0);
    assert_eq!(
        told(reader),
        [
            "a.yaml:1: shape: is not a setting, known here are time",
            "a.yaml:4: places: is not a setting, known here are time",
            "a.yaml:8: time.windos: is not a setting, did you mean window? known here are window",
        ]
    );
}

/// Scenario: the same keys in two files and on the command line. Guarantees: the last one wins, lists as a whole; a key
/// that is written empty goes back to its default; a section without lines changes nothing.
#[test]
fn the_last_layer_wins() {
    let mut reader = Reader::default();
    reader.add_yaml("a.yaml", "kafka: {brokers: [a:1, b:2]}\nx: 1\ny: 5\n");
    reader.add_yaml("b.yaml", "kafka:\nscopes:\n  - name: one\n  - name: two\ny:\n");
    reader.add_override("x=2");
    reader.add_override("scopes[1].name=other");
    assert_eq!(reader.list("kafka.brokers"), ["a:1", "b:2"]);
    assert_eq!(reader.whole("x", 0, 0..=9), 2);
    assert_eq!(reader.whole("y", 7, 0..=9), 7);
    assert_eq!(reader.n_items("scopes"), 2);
    assert_eq!(reader.text("scopes[0].name").as_deref(), Some("one"));
    assert_eq!(reader.text("scopes[1].name").as_deref(), Some("other"));
    assert_eq!(told(reader), Vec::<String>::new());
}

/// Scenario: numbers with a fraction, a sign, words, not a number, endless. Guarantees: only whole numbers in bounds pass.
#[test]
fn only_numbers_in_bounds_pass() {
    for (given, fine) in
        [("64", true), ("1_000", true), ("1.5", false), ("-1", false), ("many", false), ("1001", false)]
    {
        let mut reader = Reader::default();
        reader.add_override(&format!("n={given}"));
        reader.whole("n", 1, 0..=1000);
        assert_eq!(reader.finish().is_empty(), fine, "{given}");
    }
    for given in ["NaN", "inf", "-inf", "1e400"] {
        let mut reader = Reader::default();
        reader.add_override(&format!("n={given}"));
        reader.number("n", 1.0, 0.0..=1e9);
        assert_eq!(reader.finish().len(), 1, "{given}");
    }
}

/// Scenario: text that is no YAML, and the same key twice. Guarantees: one fault with its line, no panic, nothing silently lost.
#[test]
fn broken_yaml_is_a_fault() {
    for (text, line) in [("a: [1\nb: }\n", 2), ("a: 1\na: 2\n", 2)] {
        let mut reader = Reader::default();
        reader.add_yaml("a.yaml", text);
        let faults = reader.finish();
        assert_eq!((faults.len(), faults[0].line), (1, line), "{faults:?}");
        assert!(faults[0].text.starts_with("is not YAML that can be read"), "{faults:?}");
    }
}

/// Scenario: an override that is none. Guarantees: a fault that shows how to write one.
#[test]
fn a_bad_override_is_a_fault() {
    for given in ["x", "=1"] {
        let mut reader = Reader::default();
        reader.add_override(given);
        let told = told(reader);
        assert!(told.len() == 1 && told[0].contains("must be path=value"), "{told:?}");
    }
}
