//! What is masked in lines of many systems, and that any bytes can be read.

use proptest::prelude::*;

use super::*;

fn text_of(line: &str) -> String {
    let mut shape = Shape::default();
    shape.read(line.as_bytes());
    shape.text()
}

/// Scenario: lines as programs of many kinds write them.
/// Guarantees: numbers, ids, addresses, paths, durations, dates, quoted and assigned values are masked; words stay.
#[test]
fn values_are_masked_and_words_stay() {
    let check = |line: &str, expected: &str| assert_eq!(text_of(line), expected, "{line}");
    check("GET /api/items/1060 200 120.3ms", "GET <*>");
    check("starting server on :8080 build=v1.0.1", "starting server on :<*> build=<*>");
    check("user e24bb484-516a-4aad-b37f-517e7139e913 has left", "user <*> has left");
    check("Connection from 10.0.0.1:5432 closed after 3.5 s", "Connection from <*> closed after <*>");
    check("at Sat May 04 12:46:52 CST 2013 it rained", "at <*> it rained");
    check("retry 3/5: file \"a b.txt\" not found", "retry <*>: file \"<*>\" not found");
    check("it's the pod's 2nd start", "it's the pod's <*> start");
    check("[getToken][seat number:1787175945]", "[getToken][seat number:<*>]");
    check("s.s.SeatServiceImpl#114 done", "s.s.SeatServiceImpl#<*> done");
    check(
        "Response(status=1, msg=Success, data=Route(id=4, stops=[a, b]))",
        "Response(status=<*>, msg=<*>, data=<*>)",
    );
    check("ids ['a', 'b'] sizes [1, 2, 3] none []", "ids [<*>] sizes [<*>] none [<*>]");
    check("took 1, 2, 3 and 4 steps", "took <*> and <*> steps");
    check("payload {\"a\": {\"b\": 1}} refused", "payload {<*>} refused");
    check("[verify result: false] [id: null]", "[verify result: <*>] [id: <*>]");
    check("level=info msg=\"cache miss\" key=abc", "level=info msg=\"cache miss\" key=<*>");
    check("\"POST /v2/x HTTP/1.1\" status: 200", "\"POST <*>\" status: <*>");
    check("open C:\\Users\\me\\a.log as IPv6 utf-8", "open <*> as IPv6 utf-8");
    check("mail to someone@example.com failed!", "mail to <*> failed!");
    check("a == b => c != d", "a == b => c != d");
    check("Exception: boom\n\tat a.B(C.java:1)\n\tat d.E(F.java:2)", "Exception: boom");
    check("[a][b: 5][c d", "[a][b: <*>][c d");
    check("[a is: B(c=1, d={e=[F(g=2), F(g=", "[a is: B(c=<*>, d=<*>)]");
    check("[a is: B(c=1, d={e=[F(g=2)]})]", "[a is: B(c=<*>, d=<*>)]");
    check("10.250.19.102:50010:Got exception from fe80::abcd", "<*>:Got exception from <*>");
    check("prefetch depth......12 at 12:30PM", "prefetch depth......<*> at <*>");
    check("lifetime <1 sec, a < b", "lifetime <*>, a < b");
    check(
        "allDrawn= false, logname= uid=0 action:android.SCREEN_ON",
        "allDrawn=<*>, logname=<*> uid=<*> action:android.SCREEN_ON",
    );
    check("std::mem::swap of http://host/path?q failed", "std::mem::swap of <*> failed");
    check("", "");
}

/// Scenario: bodies that are JSON objects, one cut off.
/// Guarantees: the message is text, other fields count by name in any order; of what is cut off the message counts.
#[test]
fn json_is_read_by_field() {
    let shuffled = r#"{"severity":"info","message":"TraceID: 04c87e List 5 \"things\"","n":[1,{"a":2}]}"#;
    assert_eq!(text_of(shuffled), "TraceID: <*> List <*> \"<*>\" { message n severity}");
    let ordered = r#"{"n": [], "message": "TraceID: 11 List 7 \"x\"", "severity": "warn"}"#;
    assert_eq!(text_of(ordered), text_of(shuffled));
    assert_eq!(text_of(r#"{"a":1,"b":null}"#), "{ a b}");
    assert_eq!(text_of(r#"{"message":"cache miss 5","b":"#), "cache miss <*>");
    assert_eq!(text_of(r#"{"a":1,"b":"#), "{<*>}");
}

proptest! {
    /// Scenario: any bytes, and any printable text.
    /// Guarantees: never a panic; the shape is bounded; reading twice gives the same.
    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..20_000), text in "\\PC{0,300}") {
        for line in [bytes.as_slice(), text.as_bytes()] {
            let (mut shape, mut again) = (Shape::default(), Shape::default());
            shape.read(line);
            again.read(line);
            prop_assert_eq!(shape.key(), again.key());
            prop_assert!(shape.tokens.len() <= TOKENS_MAX + 80 && shape.bytes.len() <= 4 * LINE_BYTES_MAX);
        }
    }

    /// Scenario: text made of the signs that the reader looks for.
    /// Guarantees: never a panic.
    #[test]
    fn signs_in_any_order_can_be_read(line in r#"[\[\]{}()"'`=:,;.#/\\ a1]{0,80}"#) {
        let mut shape = Shape::default();
        shape.read(line.as_bytes());
        shape.read(format!("{{{line}}}").as_bytes());
        shape.read(format!("{{\"message\":\"{line}\"}}").as_bytes());
    }
}
