//! The features stage on real OTLP bytes: what each kind of telemetry becomes, and what is counted instead.

mod features_support;

use features_support::{
    Pairs, Story, counter, failed, gauge, histogram, line, logs, metrics, nanos, span, spans,
};
use pipelines::features::{CallSource, Count, FeatureParams, Features, ResourceSignal};

const CART: Pairs<'_> = &[
    ("service.name", "cart"),
    ("service.version", "v1"),
    ("k8s.pod.uid", "u-1"),
    ("k8s.namespace.name", "shop"),
];
const WEB: Pairs<'_> = &[("service.name", "web"), ("k8s.pod.uid", "u-9"), ("k8s.namespace.name", "shop")];
const OK: Pairs<'_> = &[("http.route", "/buy"), ("http.response.status_code", "200")];
const BAD: Pairs<'_> = &[("http.route", "/buy"), ("http.response.status_code", "503")];
const HTTP: &str = "http.server.request.duration";

fn story() -> Story {
    Story::new(Features::new(FeatureParams::default()))
}

/// Scenario: server spans, one with an error status, one with HTTP 500, one sent twice, and one internal span.
/// Guarantees: per second and operation the requests, errors and durations; the repeated span counts once; the
/// examples are the failed traces.
#[test]
fn server_spans_become_requests_per_second() {
    let mut story = story();
    let route: Pairs<'_> = &[("http.route", "/buy")];
    let first = spans(
        CART,
        vec![
            span(2, (1, 1, 0), (0.1, 0.2), route),
            failed(span(2, (2, 2, 0), (0.2, 0.1), route)),
            span(2, (3, 3, 0), (0.3, 0.5), BAD),
            span(2, (4, 4, 0), (1.0, 0.5), route),
            span(1, (4, 5, 4), (1.0, 0.1), route),
        ],
    );
    story.take(&first);
    story.take(&first);
    let rows = story.run_to(3);
    let told: Vec<_> = rows.calls.iter().map(|row| (row.requests, row.errors, row.duration_us_sum)).collect();
    assert_eq!(told, [(3, 2, 800_000), (1, 0, 500_000)]);
    assert_eq!(&*rows.calls[0].operation, "/buy");
    assert_eq!(rows.calls[0].exemplar_trace_ids, [[3; 16], [2; 16], [1; 16]]);
    assert_eq!(story.features.counts().get(Count::DuplicateSpans), 5);
    let life = rows.presence.last().unwrap();
    assert_eq!(life.last_request_at, Some(nanos(1.5) as i64));
}

/// Scenario: cumulative HTTP durations every 5 s; at the third export a series of failed requests shows up for the
/// first time, with the start of the process; then the process starts anew. Guarantees: the first point of an old
/// counter is only a baseline; the failures of the new series count from the export before; a new start counts from
/// itself; a repeated export counts once.
#[test]
fn cumulative_durations_become_requests_per_interval() {
    let mut story = story();
    let old = -3_600.0;
    story.take(&metrics(CART, vec![histogram(HTTP, (old, 1.0), [100, 10, 0], OK)]));
    let second = metrics(CART, vec![histogram(HTTP, (old, 6.0), [110, 12, 0], OK)]);
    story.take(&second);
    story.take(&second);
    story.take(&metrics(
        CART,
        vec![histogram(HTTP, (old, 11.0), [120, 12, 0], OK), histogram(HTTP, (old, 11.0), [0, 0, 7], BAD)],
    ));
    story.take(&metrics(CART, vec![histogram(HTTP, (12.0, 16.0), [3, 0, 0], OK)]));
    let rows = story.run_to(20);
    let told: Vec<_> = rows
        .calls
        .iter()
        .map(|row| ((row.start_at - nanos(0.0) as i64) / 1_000_000_000, row.requests, row.errors))
        .collect();
    assert_eq!(told, [(1, 12, 0), (6, 17, 7), (12, 3, 0)]);
    assert!(rows.calls.iter().all(|row| row.source == CallSource::ServerMetrics));
    assert_eq!((rows.calls[0].duration_us_sum, rows.calls[0].duration.count()), (1_500_000, 12));
    assert_eq!(rows.calls[1].duration.count_above(1_000_000), 7);
    let counts = story.features.counts();
    let told =
        [Count::CounterBaselines, Count::CounterResets, Count::DuplicatePoints].map(|what| counts.get(what));
    assert_eq!(told, [1, 1, 1]);
    assert_eq!(rows.presence.last().unwrap().export_interval, 5_000_000_000);
}

/// Scenario: a service speaks through spans, then also through server metrics. Guarantees: the metrics take over after
/// their second interval, the change is recorded, and no second is counted by both.
#[test]
fn a_better_source_takes_over_and_is_never_added() {
    let mut story = story();
    let mut all = Vec::new();
    for sec in 0..30_u8 {
        let at = f64::from(sec) + 0.2;
        story.take(&spans(CART, vec![span(2, (sec + 1, sec + 1, 0), (at, 0.1), OK)]));
        if sec % 5 == 4 {
            let n = u64::from(sec) + 1;
            story.take(&metrics(CART, vec![histogram(HTTP, (0.0, f64::from(sec) + 0.9), [n, 0, 0], OK)]));
        }
        all.extend(story.step().calls);
    }
    all.extend(story.run_to(30).calls);
    let n_spans = all.iter().filter(|row| row.source == CallSource::Spans).count();
    let last_span =
        all.iter().filter(|row| row.source == CallSource::Spans).map(|row| row.end_at).max().unwrap();
    let metric_rows: Vec<_> = all.iter().filter(|row| row.source == CallSource::ServerMetrics).collect();
    assert!(n_spans >= 8 && metric_rows.len() >= 3, "{n_spans} and {}", metric_rows.len());
    assert!(metric_rows.iter().all(|row| row.start_at >= last_span));
    assert_eq!(story.features.counts().get(Count::SourceChanges), 1);
    let total: u64 = all.iter().map(|row| row.requests).sum();
    assert!(total <= 30, "{total} of 30 requests");
}

/// Scenario: a call seen from both sides, a failed call to a database that sends no spans, and one to an address in
/// the cluster. Guarantees: one edge each with sums and counts; the joined one has the callee's arm and the gap.
#[test]
fn client_spans_become_edges() {
    let mut story = story();
    story.take(&spans(CART, vec![span(2, (1, 2, 1), (0.2, 0.3), &[])]));
    story.take(&spans(
        WEB,
        vec![
            span(3, (1, 1, 0), (0.1, 0.5), &[("peer.service", "shown-only-if-unanswered")]),
            failed(span(3, (1, 3, 0), (0.1, 0.2), &[("db.system", "postgresql")])),
            span(3, (1, 4, 0), (0.1, 0.1), &[("server.address", "stock.depot.svc.cluster.local")]),
        ],
    ));
    let rows = story.run_to(13);
    let told: Vec<_> = rows
        .edges
        .iter()
        .map(|edge| {
            let arm = edge.callee_arm.as_ref().map(|arm| arm.version.to_string());
            let name = format!("{}/{}", edge.callee.namespace, edge.callee.service);
            (name, arm, edge.calls, edge.failures, edge.client_us_sum, edge.matched, edge.gap_us_sum)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("depot/stock".to_owned(), None, 1, 0, 100_000, 0, 0),
            ("shop/cart".to_owned(), Some("v1".to_owned()), 1, 0, 500_000, 1, 200_000),
            ("shop/postgresql".to_owned(), None, 1, 1, 200_000, 0, 0),
        ]
    );
    assert_eq!(story.features.counts().get(Count::UnmatchedClients), 2);
}

/// Scenario: log lines of several severities; a retry of the request; the same line twice within it. Guarantees: both
/// of the pair count, the retry does not; error lines are kept with their place in the code.
#[test]
fn log_lines_are_counted_by_severity() {
    let mut story = story();
    let place: Pairs<'_> = &[("code.function.name", "pay"), ("code.line.number", "31")];
    let request = logs(
        CART,
        vec![
            line(0.1, 9, "fine", &[]),
            line(0.2, 0, "unset", &[]),
            line(0.3, 17, "refused", place),
            line(0.3, 17, "refused", place),
            line(0.4, 21, "down", &[]),
        ],
    );
    story.take(&request);
    story.take(&request);
    let rows = story.run_to(2);
    assert_eq!(rows.lines.len(), 1);
    assert_eq!(rows.lines[0].by_severity, [0, 0, 2, 0, 2, 1]);
    let told: Vec<_> =
        rows.lines[0].error_samples.iter().map(|s| (s.text.as_str(), s.location.as_str())).collect();
    assert_eq!(told, [("refused", "#pay:31"), ("down", "")]);
    assert_eq!(story.features.counts().get(Count::DuplicateLines), 5);
}

/// Scenario: error lines that tell their place in the code by new names, by old ones, by a file instead of a function,
/// and not at all. Guarantees: the place is `logger#function:line`, as far as it is told.
#[test]
fn lines_tell_their_place_in_the_code() {
    let check = |pairs: Pairs<'_>, place: &str| {
        let mut story = story();
        story.take(&logs(CART, vec![line(0.3, 17, "refused", pairs)]));
        assert_eq!(story.run_to(1).lines[0].error_samples[0].location, place, "{pairs:?}");
    };
    check(&[("code.function.name", "shop.Cart.pay"), ("code.line.number", "31")], "#shop.Cart.pay:31");
    check(
        &[("code.lineno", "7"), ("code.function", "pay"), ("code.namespace", "shop.Cart")],
        "shop.Cart#pay:7",
    );
    check(&[("logger.name", "cart"), ("code.namespace", "n"), ("code.function", "pay")], "cart#pay");
    check(&[("code.file.path", "/src/cart.go"), ("code.line.number", "9")], "#/src/cart.go:9");
    check(&[("code.filepath", "cart.py"), ("code.function", ""), ("code.lineno", "9")], "#cart.py:9");
    check(&[("code.line.number", "none")], "");
}

/// Scenario: a runtime's histogram of pauses: two collections in ten seconds, then ten seconds without any; beside it a
/// histogram of an application's own. Guarantees: the pauses become a mean, as long as there are any, and a share of
/// time; the application's histogram becomes nothing.
#[test]
fn histograms_of_a_runtime_become_two_series() {
    let mut story = story();
    let young: Pairs<'_> = &[("jvm.gc.name", "young")];
    for (at, counts) in [(1.0, [5, 0, 0]), (11.0, [5, 2, 0]), (21.0, [5, 2, 0])] {
        let pauses = histogram("jvm.gc.duration", (-1_000.0, at), counts, young);
        story.take(&metrics(CART, vec![pauses, histogram("basket.size", (-1_000.0, at), counts, &[])]));
    }
    let rows = story.run_to(30);
    let told: Vec<_> = rows.series.iter().map(|row| (&*row.name, (row.value * 1e9).round() / 1e9)).collect();
    let (mean, share) =
        ("jvm.gc.duration.mean{jvm.gc.name=young}", "jvm.gc.duration.per_second{jvm.gc.name=young}");
    assert_eq!(told, [(mean, 0.5), (share, 0.1), (share, 0.0)]);
}

/// Scenario: a pod speaks of itself, the kubelet receiver of its memory, limit and restarts, and an own counter of its
/// processor time. Guarantees: all of it is said of the same pod; the limit is joined; time becomes cores; telemetry
/// about a pod is no sign of its life.
#[test]
fn resources_are_joined_to_the_pod_that_speaks() {
    let mut story = story();
    let kubelet: Pairs<'_> =
        &[("k8s.deployment.name", "cart-deployment"), ("k8s.pod.uid", "u-1"), ("k8s.namespace.name", "shop")];
    let lonely: Pairs<'_> = &[("k8s.deployment.name", "other"), ("k8s.pod.uid", "u-2")];
    for step in [0.0, 5.0] {
        let user: Pairs<'_> = &[("cpu.mode", "user")];
        let system: Pairs<'_> = &[("cpu.mode", "system")];
        let time = |value: f64, mode| counter("process.cpu.time", (-1_000.0, 1.0 + step), value, mode);
        story.take(&metrics(CART, vec![time(10.0 + step, user), time(1.0 + step / 5.0, system)]));
        story.take(&metrics(
            kubelet,
            vec![
                gauge("k8s.pod.memory.working_set", 1.5 + step, 700.0, &[]),
                gauge("k8s.container.memory_limit", 1.5 + step, 1_000.0, &[]),
                gauge("k8s.container.restarts", 1.5 + step, 2.0, &[]),
            ],
        ));
        story.take(&metrics(lonely, vec![gauge("k8s.pod.memory.working_set", 1.5 + step, 1.0, &[])]));
    }
    let rows = story.run_to(8);
    let of_cart = rows.resources.iter().filter(|row| &*row.subject.service.service == "cart");
    let told: Vec<_> = of_cart.map(|row| (row.signal, row.value, row.limit)).collect();
    let memory = (ResourceSignal::Memory, 700.0, Some(1_000.0));
    let restarts = (ResourceSignal::Restarts, 2.0, None);
    assert_eq!(told, [memory, restarts, (ResourceSignal::Cpu, 1.2, None), memory, restarts]);
    let pods: Vec<_> = rows.presence.iter().map(|row| row.subject.pod.id.to_string()).collect();
    assert!(!pods.is_empty() && pods.iter().all(|pod| pod == "u-1"), "{pods:?}");
}

/// Scenario: the cluster receiver tells of a pod, with the attributes that it has by itself: no service, no workload, the container's
/// id, which is another one after a kill; once of a pod that speaks, once of one that does not.
/// Guarantees: limit, restarts and the reason of the last end belong to the pod that speaks under that uid; what is told of the
/// other is nobody's, and counted; neither is a service of its own.
#[test]
fn what_the_cluster_receiver_tells_belongs_to_the_pod_that_speaks() {
    let mut story = story();
    let told_of = |uid: &'static str, container: &'static str| {
        let pod =
            [("k8s.pod.uid", uid), ("k8s.pod.name", "cart-7d9f8b6c5d-x2v4q"), ("k8s.namespace.name", "shop")];
        [
            &pod[..],
            &[("k8s.node.name", "node-1"), ("k8s.container.name", "cart"), ("container.id", container)],
        ]
        .concat()
    };
    let killed =
        [told_of("u-1", "c-2"), vec![("k8s.container.status.last_terminated_reason", "OOMKilled")]].concat();
    for (second, from, restarts) in [(0.0, told_of("u-1", "c-1"), 0.0), (4.0, killed, 1.0)] {
        story.take(&metrics(CART, vec![gauge("process.memory.usage", 1.0 + second, 700.0, &[])]));
        let of_cluster = |from: Pairs<'_>| {
            let container = vec![
                gauge("k8s.container.memory_limit", 1.2 + second, 1_000.0, &[]),
                gauge("k8s.container.restarts", 1.2 + second, restarts, &[]),
                gauge("k8s.container.ready", 1.2 + second, 1.0, &[]),
            ];
            metrics(from, container)
        };
        story.take(&of_cluster(&from));
        story.take(&of_cluster(&told_of("u-7", "c-7")));
    }
    let rows = story.run_to(8);
    let told: Vec<_> = rows.resources.iter().map(|row| (row.signal, row.value, row.limit)).collect();
    let memory = (ResourceSignal::Memory, 700.0, Some(1_000.0));
    let restarts = |signal, value| (signal, value, None);
    let (first, second) =
        ([restarts(ResourceSignal::Restarts, 0.0)], [ResourceSignal::Restarts, ResourceSignal::OomKills]);
    assert_eq!(
        told,
        [&[memory][..], &first, &[memory], &second.map(|signal| restarts(signal, 1.0))].concat()
    );
    assert!(rows.resources.iter().all(|row| &*row.subject.service.service == "cart"));
    assert!(rows.series.is_empty(), "{:?}", rows.series);
    // of the silent pod: a limit and a count, twice; what is no resource is no series of anybody
    assert_eq!(story.features.counts().get(Count::Nameless), 4);
}

/// Scenario: rows from before the closed time, from ten minutes ahead, of no service, and values that
/// are no numbers. Guarantees: each is counted under its reason, none becomes a row, and a late row still shows that
/// its pod lives.
#[test]
fn what_cannot_count_is_counted() {
    let mut story = story();
    story.take(&logs(CART, vec![line(0.0, 9, "first", &[])]));
    story.run_to(20);
    story.take(&logs(CART, vec![line(19.0, 9, "late", &[]), line(600.0, 9, "ahead", &[])]));
    story.take(&logs(&[("host.name", "node")], vec![line(21.0, 9, "nobody", &[])]));
    story.take(&metrics(CART, vec![gauge("queue.length", 21.0, f64::NAN, &[])]));
    let rows = story.run_to(40);
    assert!(rows.lines.is_empty() && rows.series.is_empty());
    let counts = story.features.counts();
    for what in [Count::LateLines, Count::FutureLines, Count::Nameless, Count::NotFinite] {
        assert_eq!(counts.get(what), 1, "{}", what.name());
    }
    assert_eq!(rows.presence.iter().map(|row| row.last_at).max(), Some(nanos(19.0) as i64));
}

/// Scenario: more operations, other series and open rows than there is room for. Guarantees: the totals stay, the most
/// called operations keep their names, and every bound that bites is counted.
#[test]
fn bounds_keep_totals_and_are_counted() {
    let params = FeatureParams { operations_max: 2, series_per_service_max: 1, ..FeatureParams::default() };
    let mut story = Story::new(Features::new(params));
    let routes = ["/a", "/a", "/b", "/b", "/c", "/d"];
    let all =
        (1_u8..).zip(routes).map(|(id, route)| span(2, (id, id, 0), (0.1, 0.1), &[("http.route", route)]));
    story.take(&spans(CART, all.collect()));
    story.take(&metrics(CART, vec![gauge("queue.length", 1.0, 4.0, &[]), gauge("zeal", 1.0, 4.0, &[])]));
    let rows = story.run_to(10);
    let told: Vec<_> = rows.calls.iter().map(|row| (&*row.operation, row.requests)).collect();
    assert_eq!(told, [("/a", 2), ("/b", 2), ("_other", 2)]);
    assert_eq!(rows.series.len(), 1);
    let counts = story.features.counts();
    assert_eq!((counts.get(Count::OperationOverflow), counts.get(Count::SeriesOverflow)), (2, 1));

    let params = FeatureParams { open_rows_max: 3, ..FeatureParams::default() };
    let mut story = Story::new(Features::new(params));
    let lines = ["a", "b", "c", "d", "e"].map(|text| line(0.5, 9, text, &[]));
    story.take(&logs(CART, lines.to_vec()));
    assert_eq!(story.features.counts().get(Count::OpenRowsOverflow), 2);
    assert_eq!(story.run_to(2).lines[0].by_severity[2], 3);
    assert_eq!(story.features.open_rows(), 0);
}
