//! Recorded processes that run out of something, through the whole lane: exactly the expected bytes.
//!
//! What it does not do: measure how many leaks are found; `evaluate exhaustion` does.

use std::path::Path;

use pipelines::config::read_files;
use pipelines::service::replay;

/// Scenario: a release that leaks memory, a process that leaks file descriptors, and a daily wave, replayed second by second.
/// Guarantees: the release is to be acted on, the descriptors are alerted without a suspect, of the wave nothing is said;
/// byte for byte what stands beside the recording.
#[test]
fn recorded_leaks_give_the_expected_bytes() {
    let plan = read_files(&[], &[]).expect("the defaults are a configuration");
    for (id, said) in [
        ("leak_deploy-1", Some((r#""level":"act""#, r#""resource":"memory""#))),
        ("fd_leak-1", Some((r#""level":"alert""#, r#""resource":"file descriptors""#))),
        ("diurnal-1", None),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/oomrec").join(id);
        let replayed = replay(&plan, vec![folder.clone()], None).unwrap();
        let lines: String = replayed
            .messages
            .iter()
            .map(|message| format!("{}\n", String::from_utf8_lossy(&message.value)))
            .collect();
        let expected = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
        assert_eq!(lines, expected, "{id}");
        match said {
            Some((level, resource)) => assert!(lines.contains(level) && lines.contains(resource), "{id}"),
            None => assert!(lines.is_empty(), "{id}"),
        }
    }
}
