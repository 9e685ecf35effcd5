//! The ledger on a real disk.

use contract::Timestamp;

use super::*;
use crate::error::ActuatorError;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_unix_nanos(secs * 1_000_000_000)
}

fn sent(id: &str) -> Record {
    Record::Sent { outcome_id: id.to_owned(), accepted: true }
}

fn three_entries() -> (tempfile::TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(dir.path(), at(1)).unwrap();
    ledger.append(&[sent("a")], at(1)).unwrap();
    ledger.append(&[sent("b"), Record::Frozen { why: "x".into() }], at(2)).unwrap();
    assert_eq!(ledger.view().frozen(), Some("x"));
    drop(ledger);
    let bytes = std::fs::read(dir.path().join(LEDGER_FILE)).unwrap();
    (dir, bytes)
}

/// Scenario: a ledger is closed and opened. Guarantees: the view is the same, the chain goes on.
#[test]
fn a_ledger_goes_on_where_it_ended() {
    let (dir, _) = three_entries();
    let mut ledger = Ledger::open(dir.path(), at(3)).unwrap();
    assert_eq!(ledger.view().frozen(), Some("x"));
    ledger.append(&[Record::Thawed], at(3)).unwrap();
    let chain = read_chain(&std::fs::read(dir.path().join(LEDGER_FILE)).unwrap()).unwrap();
    assert_eq!(chain.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

/// Scenario: a crash tears the last write at every byte. Guarantees: it opens, keeps all whole lines, and records the cut.
#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let (_, bytes) = three_entries();
    let whole: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(idx, _)| idx + 1).collect();
    for length in 0..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LEDGER_FILE), &bytes[..length]).unwrap();
        drop(Ledger::open(dir.path(), at(9)).unwrap());
        let chain = read_chain(&std::fs::read(dir.path().join(LEDGER_FILE)).unwrap()).unwrap();
        let n_whole = whole.iter().filter(|end| **end <= length).count();
        let torn = length - whole[..n_whole].last().copied().unwrap_or(0);
        assert_eq!(chain.entries.len(), n_whole + usize::from(torn > 0), "cut at {length}");
        if torn > 0 {
            assert_eq!(chain.entries.last().unwrap().record, Record::Cut { n_bytes: torn as u64 });
        }
    }
}

/// Scenario: a byte is changed, a line removed, two exchanged, one inserted. Guarantees: the first broken line is named, and
/// the actuator does not start on it.
#[test]
fn the_first_broken_link_is_named() {
    let (dir, bytes) = three_entries();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let changed =
        String::from_utf8(bytes.clone()).unwrap().replace("\"why\":\"x\"", "\"why\":\"y\"").into_bytes();
    let cases = [
        (changed, 3, "was changed"),
        ([lines[0], lines[2]].concat(), 2, "does not follow"),
        ([lines[0], lines[2], lines[1]].concat(), 2, "does not follow"),
        ([lines[0], b"{}\n", lines[1]].concat(), 2, "is not a line"),
        ([lines[1], lines[2]].concat(), 1, "does not follow"),
        ([lines[0], b"\n", lines[1]].concat(), 2, "is not a line"),
    ];
    for (bytes, line, why) in cases {
        let fault = read_chain(&bytes).unwrap_err();
        assert_eq!(fault.line, line, "{fault:?}");
        assert!(fault.why.contains(why), "{fault:?}");
        std::fs::write(dir.path().join(LEDGER_FILE), bytes).unwrap();
        assert!(matches!(Ledger::open(dir.path(), at(9)), Err(ActuatorError::LedgerBroken { .. })));
    }
}

/// Scenario: two processes on one data directory. Guarantees: the second is told so.
#[test]
fn a_ledger_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let first = Ledger::open(dir.path(), at(1)).unwrap();
    assert!(matches!(Ledger::open(dir.path(), at(1)), Err(ActuatorError::Locked { .. })));
    drop(first);
    assert!(Ledger::open(dir.path(), at(1)).is_ok());
}
