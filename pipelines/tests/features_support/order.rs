//! The promise of the features stage: rows do not depend on the order of arrival, on the cut into requests, on repeats,
//! on how often event time steps, or on a restart.

use super::{
    LATENESS, Pairs, Request, Story, append, counter, failed, gauge, histogram, line, logs, metrics, span,
    spans,
};
use pipelines::features::{FeatureParams, FeatureRows, Features};
use proptest::prelude::*;

/// Seconds in which things happen.
const LENGTH: i64 = 25;

const PODS: [Pairs<'_>; 3] = [
    &[("service.name", "cart"), ("service.version", "v1"), ("k8s.pod.uid", "u-1")],
    &[("service.name", "cart"), ("service.version", "v2"), ("k8s.pod.uid", "u-2")],
    &[("service.name", "web"), ("k8s.pod.uid", "u-3")],
];

/// One thing that happens, in tenths of a second.
#[derive(Debug, Clone)]
struct Item {
    pod: usize,
    tenths: i64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Served { trace: u8, length: u8, fails: bool },
    Called { trace: u8, length: u8 },
    Said { severity: i32 },
    Measured { value: u8 },
    Worked,
    Answered,
}

/// When an item arrives, and whether its request is sent again.
#[derive(Debug, Clone, Copy)]
struct Way {
    delay: i64,
    again: Option<i64>,
    place: u32,
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let what = prop_oneof![
        (1_u8..20, 1_u8..30, any::<bool>()).prop_map(|(trace, length, fails)| What::Served {
            trace,
            length,
            fails
        }),
        (1_u8..20, 1_u8..30).prop_map(|(trace, length)| What::Called { trace, length }),
        (1_i32..24).prop_map(|severity| What::Said { severity }),
        any::<u8>().prop_map(|value| What::Measured { value }),
        Just(What::Worked),
        Just(What::Answered),
    ];
    let item =
        (0..PODS.len(), 10..LENGTH * 10, what).prop_map(|(pod, tenths, what)| Item { pod, tenths, what });
    prop::collection::vec(item, 1..80).prop_map(|mut items| {
        // a span id belongs to one span: one call per trace
        let mut called = std::collections::BTreeSet::new();
        items.retain(|item| match item.what {
            What::Called { trace, .. } => called.insert(trace),
            _ => true,
        });
        items
    })
}

fn ways() -> impl Strategy<Value = Vec<Way>> {
    let way = (0..LATENESS, prop::option::of(0..LATENESS), any::<u32>())
        .prop_map(|(delay, again, place)| Way { delay, again, place });
    prop::collection::vec(way, 80)
}

/// Id of the calling span of a trace, which is that of no served one: of two spans under one id the first to arrive would count.
fn caller_of(trace: u8) -> u8 {
    100 + trace
}

/// The item as a request. Counters stand at a function of time, so that points are consistent.
fn request(number: usize, item: &Item) -> Request {
    let at = item.tenths as f64 / 10.0 + number as f64 * 1e-6;
    let from = PODS[item.pod];
    let id = u8::try_from(number + 1).expect("at most 80 items");
    let since = |tenths: i64| u64::try_from(tenths).expect("after the beginning");
    match item.what {
        What::Served { trace, length, fails } => {
            let length = f64::from(length) / 100.0;
            let served =
                span(2, (trace, id, caller_of(trace)), (at - length, length), &[("http.route", "/a")]);
            spans(from, vec![if fails { failed(served) } else { served }])
        }
        What::Called { trace, length } => {
            let length = f64::from(length) / 100.0;
            spans(
                from,
                vec![span(
                    3,
                    (trace, caller_of(trace), 0),
                    (at - length, length),
                    &[("peer.service", "cart")],
                )],
            )
        }
        What::Said { severity } => logs(from, vec![line(at, severity, "said", &[])]),
        What::Measured { value } => metrics(from, vec![gauge("queue.length", at, f64::from(value), &[])]),
        What::Worked => {
            let done = item.tenths as f64 * 0.07;
            metrics(from, vec![counter("process.cpu.time", (0.5, at), done, &[])])
        }
        What::Answered => {
            let n = since(item.tenths);
            metrics(from, vec![histogram("http.server.request.duration", (0.5, at), [n, n / 3, n / 7], &[])])
        }
    }
}

/// Which requests arrive at which second, in which order.
fn arrivals(items: &[Item], way_of: impl Fn(usize) -> Way) -> Vec<Vec<Request>> {
    let mut by_second: Vec<Vec<(u32, Request)>> = vec![Vec::new(); (LENGTH + LATENESS) as usize];
    for (number, item) in items.iter().enumerate() {
        let way = way_of(number);
        for delay in [Some(way.delay), way.again].into_iter().flatten() {
            let second = (item.tenths / 10 + delay) as usize;
            by_second[second].push((way.place, request(number, item)));
        }
    }
    let in_order = |mut requests: Vec<(u32, Request)>| {
        requests.sort_by_key(|(place, _)| *place);
        requests.into_iter().map(|(_, request)| request).collect()
    };
    by_second.into_iter().map(in_order).collect()
}

/// Rows of each step; the stage is replaced by its saved self after the steps in `restarts`.
fn run(arrivals: &[Vec<Request>], restarts: &[usize]) -> Vec<FeatureRows> {
    let mut story = Story::new(Features::new(FeatureParams::default()));
    let mut all = Vec::new();
    for (second, requests) in arrivals.iter().enumerate() {
        for (place, request) in requests.iter().enumerate() {
            story.take(request);
            if place == 0 && restarts.contains(&second) {
                let saved = story.features.save();
                story.features = Features::new(FeatureParams::default());
                story.features.load(&saved).expect("its own state");
            }
        }
        all.push(story.step());
    }
    all.extend((0..40).map(|_| story.step()));
    all
}

fn together(steps: Vec<FeatureRows>) -> FeatureRows {
    let mut all = FeatureRows::default();
    for rows in steps {
        append(&mut all, rows);
    }
    all
}

/// All rows as sorted texts, for comparisons across steps.
fn as_texts(rows: &FeatureRows) -> Vec<String> {
    let mut texts: Vec<String> = rows.calls.iter().map(|row| format!("{row:?}")).collect();
    texts.extend(rows.edges.iter().map(|row| format!("{row:?}")));
    texts.extend(rows.lines.iter().map(|row| format!("{row:?}")));
    texts.extend(rows.resources.iter().map(|row| format!("{row:?}")));
    texts.extend(rows.series.iter().map(|row| format!("{row:?}")));
    texts.extend(rows.presence.iter().map(|row| format!("{row:?}")));
    texts.sort();
    texts
}

const PROMPT: Way = Way { delay: 0, again: None, place: 0 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Scenario: the same telemetry prompt and in order, and delayed within the lateness, shuffled, with requests sent
    /// again. Guarantees: identical rows at every step of event time.
    #[test]
    fn order_and_repeats_within_the_lateness_change_nothing(items in items(), ways in ways()) {
        let prompt = run(&arrivals(&items, |_| PROMPT), &[]);
        let shuffled = run(&arrivals(&items, |number| ways[number]), &[]);
        prop_assert!(items.is_empty() || prompt.iter().any(|rows| !as_texts(rows).is_empty()));
        prop_assert_eq!(prompt, shuffled);
    }

    /// Scenario: the stage is saved and loaded between two batches, several times. Guarantees: identical rows at every
    /// step.
    #[test]
    fn a_restart_changes_nothing(items in items(), ways in ways(), restarts in prop::collection::vec(0_usize..30, 1..6)) {
        let arrivals = arrivals(&items, |number| ways[number]);
        prop_assert_eq!(run(&arrivals, &[]), run(&arrivals, &restarts));
    }

    /// Scenario: event time steps every second, or once at the end. Guarantees: the same rows in all.
    #[test]
    fn the_size_of_steps_changes_nothing(items in items()) {
        let arrivals = arrivals(&items, |_| PROMPT);
        let fine = together(run(&arrivals, &[]));
        let mut story = Story::new(Features::new(FeatureParams::default()));
        for requests in &arrivals {
            for request in requests {
                story.take(request);
            }
            story.now += 1;
        }
        story.now += 39;
        let coarse = story.step();
        prop_assert_eq!(fine.upto, coarse.upto);
        prop_assert_eq!(as_texts(&fine), as_texts(&coarse));
    }
}
