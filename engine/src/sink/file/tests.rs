//! The file, torn, taken over, read, and with its front let go.

use super::*;
use bytes::Bytes;

fn message(n: u64) -> Message {
    Message {
        topic: "risk-events".to_owned(),
        key: format!("k{n}"),
        headers: vec![("ce_id".to_owned(), format!("id-{n}"))],
        value: Bytes::from(format!("{{\"n\":{n}}}")),
    }
}

/// Scenario: three messages, the file is torn at every byte, and opened again. Guarantees: whole messages before
/// the tear are there, nothing else, and writing goes on behind them.
#[tokio::test]
async fn a_torn_end_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let (mut sink, store) = FileSink::open(&path).unwrap();
    sink.write(&[message(0), message(1), message(2)]).await.unwrap();
    assert_eq!(store.count(), 0, "not durable, not shown");
    assert_eq!(sink.flush().await.unwrap(), 3);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..=whole.len() {
        let torn = dir.path().join(format!("torn-{length}"));
        std::fs::write(&torn, &whole[..length]).unwrap();
        let (mut sink, store) = FileSink::open(&torn).unwrap();
        let kept = store.count();
        assert_eq!(kept, (length * 3 / whole.len()) as u64);
        sink.write(&[message(9)]).await.unwrap();
        sink.flush().await.unwrap();
        let (_, store) = FileSink::open(&torn).unwrap();
        assert_eq!(
            store.page(kept, 9).unwrap(),
            [super::super::Stored { number: kept, message: message(9) }]
        );
    }
}

/// Scenario: a sink ends with messages that it wrote and did not sync, and another takes its place. Guarantees:
/// readers of the first see all that stands in the file, once, and what the second writes.
#[tokio::test]
async fn a_successor_goes_on_for_the_same_readers() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sink, store) = FileSink::open(&dir.path().join("events")).unwrap();
    sink.write(&[message(0)]).await.unwrap();
    sink.flush().await.unwrap();
    sink.write(&[message(1)]).await.unwrap();
    sink.put().unwrap();
    drop(sink);
    let mut sink = FileSink::again(&store).unwrap();
    assert_eq!(sink.resume(1).await.unwrap(), [Some(message(1).digest())]);
    sink.write(&[message(2)]).await.unwrap();
    sink.flush().await.unwrap();
    let seen: Vec<Message> = store.page(0, 9).unwrap().into_iter().map(|stored| stored.message).collect();
    assert_eq!(seen, [message(0), message(1), message(2)]);
}

/// Scenario: a reader asks by id and follows. Guarantees: it sees what is durable, resumes after an id, and wakes.
#[tokio::test]
async fn readers_resume_after_an_id() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sink, store) = FileSink::open(&dir.path().join("events")).unwrap();
    let mut news = store.follow();
    sink.write(&[message(0), message(1)]).await.unwrap();
    sink.flush().await.unwrap();
    news.changed().await.unwrap();
    assert_eq!(*news.borrow_and_update(), 2);
    let after = store.number_of("id-0").unwrap() + 1;
    assert_eq!(store.page(after, 10).unwrap().len(), 1);
    assert_eq!(store.by_id("id-1").unwrap().unwrap().message, message(1));
    assert_eq!(store.by_id("nothing").unwrap(), None);
    assert!(sink.resume(3).await.unwrap_err().to_string().contains("counts 3 messages, the sink holds 2"));
}

/// A message that was said `n` seconds after the first.
fn timed(n: u64) -> Message {
    let mut message = message(n);
    message.headers.push(("ce_time".to_owned(), format!("2026-01-01T00:{:02}:{:02}Z", n / 60, n % 60)));
    message
}

async fn say(sink: &mut FileSink, numbers: std::ops::Range<u64>) {
    for number in numbers {
        sink.write(&[timed(number)]).await.unwrap();
    }
    sink.flush().await.unwrap();
}

fn numbers(store: &EventStore) -> Vec<u64> {
    store.page(0, usize::MAX).unwrap().iter().map(|stored| stored.number).collect()
}

/// Scenario: a hundred messages, one a second, with room for a minute; then checkpoints that need less and less; the
/// file is opened again after each. Guarantees: what a checkpoint may need stays, whatever its age; what goes is gone
/// from the list, by id and from the file; numbers never change, and writing goes on behind.
#[tokio::test]
async fn old_messages_are_let_go_but_none_that_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("risk-events.log");
    let retention = Retention { bytes_max: 1 << 20, secs_max: 60 };
    let mut said = 100;
    let (mut sink, _) = FileSink::open(&path).unwrap();
    say(&mut sink, 0..said).await;
    for (needed, first) in [(0, 0), (7, 7), (90, 41), (said, 41)] {
        let (sink, store) = FileSink::open(&path).unwrap();
        let mut sink = sink.keeping(retention);
        let bytes_before = std::fs::metadata(&path).unwrap().len();
        sink.forget(needed).await.unwrap();
        assert_eq!(numbers(&store), (first..said).collect::<Vec<_>>(), "needed from {needed} on");
        let bytes = std::fs::metadata(&path).unwrap().len();
        assert!(bytes <= bytes_before, "{bytes_before} -> {bytes}");
        assert_eq!(store.by_id("id-6").unwrap().is_some(), first <= 6);
        assert_eq!(store.by_id("id-95").unwrap().unwrap().number, 95);
        say(&mut sink, said..said + 1).await;
        said += 1;
        assert_eq!(store.count(), said);
        assert_eq!(read_messages(&path).unwrap().len() as u64, said - first);
        let (mut again, store) = FileSink::open(&path).unwrap();
        assert_eq!(numbers(&store), (first..said).collect::<Vec<_>>());
        assert_eq!(again.resume(said - 1).await.unwrap(), [Some(timed(said - 1).digest())]);
    }
    let (mut sink, _) = FileSink::open(&path).unwrap();
    let refused = sink.resume(3).await.unwrap_err().to_string();
    assert!(refused.contains("keeps messages from 41 on"), "{refused}");
}

/// Scenario: more bytes than there is room for, again and again, and a reader that pages through meanwhile.
/// Guarantees: after each checkpoint the file is within its bound; the reader sees rising numbers and misses none that
/// was kept when it asked.
#[tokio::test]
async fn the_file_stays_within_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("risk-events.log");
    let (sink, store) = FileSink::open(&path).unwrap();
    let mut sink = sink.keeping(Retention { bytes_max: 4_096, secs_max: 86_400 });
    let mut next = 0;
    for round in 0..50 {
        say(&mut sink, round * 10..(round + 1) * 10).await;
        sink.forget(store.count()).await.unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() <= 4_096, "round {round}");
        for stored in store.page(next, 7).unwrap() {
            assert_eq!(stored.message, timed(stored.number));
            assert!(stored.number >= next && (stored.number == next || store.first() == stored.number));
            next = stored.number + 1;
        }
    }
    assert_eq!((store.count(), sink.resume(store.first()).await.is_ok()), (500, true));
}
