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

/// Room for about ten files of some hundred bytes.
const SMALL: Retention = Retention { bytes_max: 8_000, secs_max: 1_000_000 };

fn files(dir: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn filled(retention: Retention, n_records: i64) -> (tempfile::TempDir, LedgerView) {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(dir.path(), at(1)).unwrap().keeping(retention);
    ledger.append(&[Record::Frozen { why: "kept".into() }], at(1)).unwrap();
    for nth in 0..n_records {
        ledger.append(&[sent(&format!("outcome-{nth}"))], at(nth)).unwrap();
    }
    let view = ledger.view().clone();
    (dir, view)
}

/// Scenario: a ledger that outgrows its bytes many times over, opened again. Guarantees: the files stay within the bytes,
/// what is left verifies and says where it begins, nothing that was known is lost, and the chain goes on.
#[test]
fn a_ledger_stays_within_its_bytes_and_loses_nothing_it_knows() {
    let (dir, view) = filled(SMALL, 200);
    let bytes: usize = files(dir.path()).iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= 8_000 && files(dir.path()).len() > 3, "{bytes} bytes");
    let chain = read_ledger(dir.path()).unwrap();
    let first = &chain.entries[0];
    assert!(first.seq > 1 && matches!(first.record, Record::Carried { .. }), "{first:?}");
    let mut replayed = LedgerView::default();
    chain.entries.iter().for_each(|entry| replayed.apply(entry));
    assert_eq!((&replayed, view.frozen()), (&view, Some("kept")));
    let mut ledger = Ledger::open(dir.path(), at(300)).unwrap().keeping(SMALL);
    assert_eq!(ledger.view(), &view);
    ledger.append(&[Record::Thawed], at(300)).unwrap();
    let again = read_ledger(dir.path()).unwrap();
    assert_eq!(again.next_seq(), chain.next_seq() + 1);
    assert_eq!(ledger.view().frozen(), None);
}

/// Scenario: a ledger of few entries, over years. Guarantees: files are closed by age as well, and those whose newest
/// entry is too old go.
#[test]
fn a_quiet_ledger_lets_go_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { bytes_max: 1 << 30, secs_max: 1_000 };
    let mut ledger = Ledger::open(dir.path(), at(0)).unwrap().keeping(retention);
    for nth in 0..100 {
        ledger.append(&[sent(&format!("outcome-{nth}"))], at(nth * 50)).unwrap();
        let chain = read_ledger(dir.path()).unwrap();
        let oldest = chain.entries[0].at;
        assert!(at(nth * 50).secs_since(oldest) <= 1_000.0 * 1.2, "entry {nth}: {oldest}");
        assert!(
            chain.entries.iter().any(|entry| entry.record == sent(&format!("outcome-{}", nth.max(15) - 15)))
        );
    }
}

/// Scenario: a file is removed from the middle, one is cut, a line of a closed one is changed, the first lines of the
/// oldest are removed. Guarantees: each is found, with the file's name, and the actuator does not start on it.
#[test]
fn a_broken_link_between_files_is_named() {
    let (dir, _) = filled(SMALL, 200);
    let whole = files(dir.path());
    let (oldest, middle) = (&whole[0], &whole[2]);
    let after_first_line = oldest.1.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let changed =
        String::from_utf8(middle.1.clone()).unwrap().replacen("\"accepted\":true", "\"accepted\":false", 1);
    let cases: [(&str, Option<Vec<u8>>, &str); 4] = [
        (&middle.0, None, "does not follow"),
        (&middle.0, Some(middle.1[..middle.1.len() - 5].to_vec()), "cut off"),
        (&middle.0, Some(changed.into_bytes()), "was changed"),
        (&oldest.0, Some(oldest.1[after_first_line..].to_vec()), "does not follow"),
    ];
    for (name, bytes, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        whole.iter().for_each(|(name, bytes)| std::fs::write(dir.path().join(name), bytes).unwrap());
        match bytes {
            Some(bytes) => std::fs::write(dir.path().join(name), bytes).unwrap(),
            None => std::fs::remove_file(dir.path().join(name)).unwrap(),
        }
        let Err(ActuatorError::LedgerBroken { path, why, .. }) = read_ledger(dir.path()) else {
            panic!("{name}: {expected} was not found");
        };
        assert!(why.contains(expected) && path.starts_with(dir.path()), "{}: {why}", path.display());
        assert!(matches!(Ledger::open(dir.path(), at(9)), Err(ActuatorError::LedgerBroken { .. })));
    }
}

/// Scenario: a crash right after a file was closed, and with the first line of the next one torn at every byte.
/// Guarantees: it opens with everything known, and what is on disk verifies.
#[test]
fn a_crash_between_two_files_loses_nothing() {
    let (dir, view) = filled(SMALL, 6);
    let whole = files(dir.path());
    let (closed, open) = (&whole[0], &whole[whole.len() - 1]);
    assert!(whole.len() == 2 && open.0 == LEDGER_FILE, "{} files", whole.len());
    let first_line = open.1.iter().position(|byte| *byte == b'\n').unwrap();
    let known = {
        let mut known = LedgerView::default();
        read_chain(&closed.1).unwrap().entries.iter().for_each(|entry| known.apply(entry));
        known
    };
    assert_eq!(known.frozen(), view.frozen());
    for length in (0..=first_line).map(Some).chain([None]) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(&closed.0), &closed.1).unwrap();
        if let Some(length) = length {
            std::fs::write(dir.path().join(LEDGER_FILE), &open.1[..length]).unwrap();
        }
        let mut ledger = Ledger::open(dir.path(), at(9)).unwrap();
        assert_eq!(ledger.view(), &known, "cut at {length:?}");
        ledger.append(&[Record::Thawed], at(9)).unwrap();
        let chain = read_ledger(dir.path()).unwrap();
        let n_closed = read_chain(&closed.1).unwrap().entries.len();
        assert!(matches!(chain.entries[n_closed].record, Record::Carried { .. }), "cut at {length:?}");
    }
}

fn page(dir: &std::path::Path, after: u64, limit: usize) -> (Vec<String>, Option<u64>) {
    match read_page(dir, after, limit).unwrap() {
        Page::Entries { entries, more_after } => {
            (entries.iter().map(|entry| entry.get().to_owned()).collect(), more_after)
        }
        other => panic!("{other:?} after {after}"),
    }
}

/// Scenario: a ledger of many files is read from every entry on, in pages of several sizes; then a byte changes in the
/// middle. Guarantees: every page is that stretch of the ledger, word for word; what was let go and what is not there yet is
/// told; a page holds whatever happened to entries before it, and names the file where its own do not hold.
#[test]
fn a_page_is_a_stretch_of_the_ledger() {
    let (dir, _) = filled(SMALL, 200);
    let chain = read_ledger(dir.path()).unwrap();
    let texts: Vec<String> =
        chain.entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
    let (first, newest) = (chain.entries[0].seq, chain.next_seq() - 1);
    for (idx, after) in (first - 1..=newest).enumerate() {
        for limit in [1, 3, 1000] {
            let (entries, more_after) = page(dir.path(), after, limit);
            let end = texts.len().min(idx + limit);
            assert_eq!(entries, &texts[idx..end], "{limit} after {after}");
            let more = (end < texts.len()).then(|| after + limit as u64);
            assert_eq!(more_after, more, "{limit} after {after}");
        }
    }
    assert_eq!(page(dir.path(), 0, 1).0, &texts[..1]);
    assert!(matches!(read_page(dir.path(), 1, 1).unwrap(), Page::LetGo { first: kept } if kept == first));
    assert!(
        matches!(read_page(dir.path(), newest + 1, 1).unwrap(), Page::Beyond { newest: n } if n == newest)
    );

    let (name, bytes) = &files(dir.path())[1];
    let changed =
        String::from_utf8(bytes.clone()).unwrap().replacen("\"accepted\":true", "\"accepted\":false", 1);
    std::fs::write(dir.path().join(name), changed).unwrap();
    assert!(read_ledger(dir.path()).is_err());
    assert_eq!(page(dir.path(), newest - 2, 5).0, &texts[texts.len() - 2..]);
    let Err(ActuatorError::LedgerBroken { path, why, .. }) = read_page(dir.path(), first - 1, 1000) else {
        panic!("the change was not found");
    };
    assert!(path.ends_with(name) && why.contains("was changed"), "{}: {why}", path.display());
}

/// Scenario: entries of a hundred kilobytes each, so that places are found by halving. Guarantees: as above.
#[test]
fn a_page_is_found_by_halving() {
    let dir = tempfile::tempdir().unwrap();
    assert!(page(dir.path(), 0, 5).0.is_empty(), "there is no ledger yet");
    let mut ledger = Ledger::open(dir.path(), at(1)).unwrap();
    for nth in 0..60 {
        let why = nth.to_string().repeat(if nth % 7 == 0 { 50_000 } else { 10 });
        ledger.append(&[Record::Frozen { why }], at(nth)).unwrap();
    }
    let entries = read_ledger(dir.path()).unwrap().entries;
    for (after, entry) in (0..).zip(&entries) {
        let expected = serde_json::to_string(entry).unwrap();
        assert_eq!(page(dir.path(), after, 1), (vec![expected], (after < 59).then_some(after + 1)));
    }
    let (whole, more_after) = page(dir.path(), 0, 1000);
    assert!(whole.len() == 60 && more_after.is_none());
}
