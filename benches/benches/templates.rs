//! Log lines to templates: nanoseconds per line for short and long lines, JSON bodies, and lines never seen before.
//!
//! The lines are made up here, after the shapes of web servers, frameworks with object dumps, and JSON loggers.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use models::text::{MinerParams, Shape, TemplateMiner};

const N: usize = 10_000;

fn short(n: usize) -> String {
    match n % 4 {
        0 => format!("GET /api/items/{n} 200 {}.{}ms", n % 90, n % 10),
        1 => format!("request {n} failed: upstream timeout after {}ms", n % 3000),
        2 => format!("user u{n} has logged in from 10.0.{}.{}", n % 250, n % 240),
        _ => format!("cache size {n} entries exceeds soft limit"),
    }
}

fn dump(n: usize) -> String {
    let ticket = format!("Ticket(seatNo={n}, start=shanghai, dest=nanjing)");
    let tickets = vec![ticket; 4 + n % 4].join(", ");
    format!(
        "[distribute][Left tickets][result is: Response(status=1, msg=ok, data=Info{{sold=[{tickets}]}})]"
    )
}

fn json(n: usize) -> String {
    format!(
        "{{\"severity\":\"info\",\"pid\":1,\"message\":\"span {n:x} conversion of {} EUR done\",\"v\":{n}}}",
        n % 100
    )
}

fn lines(c: &mut Criterion) {
    let mut group = c.benchmark_group("templates");
    for (name, make) in [("short", short as fn(usize) -> String), ("dump", dump), ("json", json)] {
        let lines: Vec<String> = (0..N).map(make).collect();
        group.throughput(Throughput::Elements(N as u64));
        group.bench_function(name, |b| {
            let params = MinerParams::default().check().expect("defaults are valid");
            let (mut miner, mut shape) = (TemplateMiner::new(&params), Shape::default());
            b.iter(|| {
                for (at, line) in lines.iter().enumerate() {
                    shape.read(line.as_bytes());
                    miner.take(0, &shape, at as i64, 1);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(templates, lines);
criterion_main!(templates);
