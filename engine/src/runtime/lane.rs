//! One lane: source, heart and sink as three parts with bounded queues between.
//!
//! The reader waits for the source; the heart runs on a thread of its own; the writer makes messages durable, then
//! the checkpoint that counts them, and only then lets the source forget. Promises: what the sink holds is what an
//! undisturbed run would have written, wherever the process is killed. What this module does not do: try again after
//! an error; [`crate::runtime::Driver`] does.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::error::EngineError;
use crate::operator::{Message, Operator};
use crate::record::Positions;
use crate::runtime::backpressure::{ByteBudget, Held};
use crate::runtime::core::{Core, CoreConfig};
use crate::runtime::decode::Decode;
use crate::runtime::shutdown::Stop;
use crate::runtime::status::LaneStatus;
use crate::sink::{DeadLetter, DeadLetters, Once, Sink};
use crate::source::{Order, Received, ResumeAt, Source};
use crate::state::{Checkpoint, Checkpoints};
use crate::telemetry::Telemetry;
use crate::telemetry::names::Metric;

/// Most messages that are written before they are made durable.
const FLUSH_AFTER: usize = 1024;

/// Settings of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneConfig {
    /// Its name, as in logs.
    pub name: String,
    /// What changes what it says.
    pub core: CoreConfig,
    /// Records that may wait for the operator.
    pub queue_records: usize,
    /// Bytes of record bodies that may wait for the operator.
    pub queue_bytes: usize,
    /// Steps with messages that may wait for the sink.
    pub queue_steps: usize,
    /// How long the end may take once it was asked for.
    pub stop_within: Duration,
}

impl Default for LaneConfig {
    fn default() -> Self {
        Self {
            name: "lane".to_owned(),
            core: CoreConfig::default(),
            queue_records: 256,
            queue_bytes: 64 << 20,
            queue_steps: 256,
            stop_within: Duration::from_secs(20),
        }
    }
}

/// What a lane is made of.
#[derive(Debug)]
pub struct LaneParts<F, D, O, K, W> {
    /// Opens the source where the lane goes on: `FnOnce(&ResumeAt) -> Result<impl Source, EngineError>`.
    pub source: F,
    /// Bytes to batches.
    pub decoder: D,
    /// The work; in the state in which it was made, before any restore.
    pub operator: O,
    /// Where messages go.
    pub sink: K,
    /// Where samples of unusable records go.
    pub dead_letters: W,
    /// Where the lane's checkpoints are.
    pub checkpoints: Checkpoints,
}

/// How a lane ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneEnd {
    /// Messages said so far, also in earlier runs.
    pub emitted: u64,
    /// Digest over all of them.
    pub digest: u64,
    /// Records taken in by this run.
    pub records: u64,
}

enum ToWriter {
    Step(Vec<Message>, Option<DeadLetter>, Order),
    Checkpoint(Box<Checkpoint>),
}

/// Runs a lane until its input ends, the end is asked for, or something fails. The last checkpoint is written in the
/// first two cases.
///
/// # Errors
/// What a part says; [`EngineError::Stopped`] if the end took longer than it may.
pub async fn run_lane<F, S, D, O, K, W>(
    config: LaneConfig,
    mut parts: LaneParts<F, D, O, K, W>,
    (stop, status): (Stop, watch::Sender<LaneStatus>),
    telemetry: &Telemetry,
) -> Result<LaneEnd, EngineError>
where
    F: FnOnce(&ResumeAt) -> Result<S, EngineError>,
    S: Source + 'static,
    D: Decode + 'static,
    O: Operator + 'static,
    K: Sink + 'static,
    W: DeadLetters + 'static,
{
    config.core.watermark.check()?;
    let checkpoint = parts.checkpoints.restore()?;
    let number = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.number);
    let mut resume = checkpoint.as_ref().map(|checkpoint| checkpoint.resume.clone()).unwrap_or_default();
    resume.order = parts.checkpoints.order_after(number)?;
    let mut sink = Once::new(parts.sink);
    sink.resume(checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.emitted)).await?;
    tracing::info!(
        lane = config.name,
        from = number,
        decided = resume.order.records(),
        muted = sink.muted(),
        "lane starts"
    );
    let source = (parts.source)(&resume)?;
    let core = Core::restore(config.core, (parts.decoder, parts.operator), checkpoint, telemetry)?;
    status.send_replace(core.status());

    let (to_core, records) = mpsc::channel(config.queue_records.max(1));
    let (to_writer, steps) = mpsc::channel(config.queue_steps.max(1));
    let (forget, forgettable) = watch::channel(Positions::default());
    let budget = ByteBudget::new(config.queue_bytes);
    let writer = Writer {
        sink,
        dead_letters: parts.dead_letters,
        checkpoints: parts.checkpoints,
        kept: KeptOrder { after: number, known: resume.order.records() },
        forget,
        status: status.clone(),
        telemetry: telemetry.clone(),
    };
    let noted = source.decides_order().then(Order::default);
    let tasks = Tasks {
        reader: tokio::spawn(read(source, to_core, (budget, stop.clone(), forgettable))),
        heart: tokio::task::spawn_blocking(move || beat(core, (records, noted), &to_writer, &status)),
        writer: tokio::spawn(writer.run(steps)),
    };
    tasks.finish(stop, config.stop_within).await
}

struct Tasks {
    reader: JoinHandle<Result<(), EngineError>>,
    heart: JoinHandle<Result<LaneEnd, EngineError>>,
    writer: JoinHandle<Result<(), EngineError>>,
}

impl Tasks {
    /// Waits for all three. The one that failed first makes the others end, so its error is the one that counts.
    async fn finish(mut self, mut stop: Stop, within: Duration) -> Result<LaneEnd, EngineError> {
        let end = tokio::select! {
            end = Self::all(&mut self) => end,
            () = async { stop.wait().await; tokio::time::sleep(within).await } => {
                Err(EngineError::Stopped("the lane, before its last checkpoint was durable: it took longer than it may; its input"))
            }
        };
        self.reader.abort();
        self.writer.abort();
        end
    }

    async fn all(&mut self) -> Result<LaneEnd, EngineError> {
        let (reader, heart, writer) = tokio::join!(&mut self.reader, &mut self.heart, &mut self.writer);
        let results = [joined(reader), joined(writer)];
        let heart = joined(heart);
        let stopped = |error: &EngineError| matches!(error, EngineError::Stopped(_));
        let mut errors: Vec<EngineError> = results.into_iter().filter_map(Result::err).collect();
        match heart {
            Ok(end) if errors.is_empty() => return Ok(end),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
        errors.sort_by_key(stopped);
        Err(errors.into_iter().next().unwrap_or(EngineError::Stopped("the lane")))
    }
}

fn joined<T>(result: Result<Result<T, EngineError>, tokio::task::JoinError>) -> Result<T, EngineError> {
    result.unwrap_or_else(|error| {
        Err(EngineError::Invariant(format!("a part of the lane ended badly: {error}")))
    })
}

type ToCore = mpsc::Sender<(Received, Held)>;

async fn read<S: Source>(
    mut source: S,
    to_core: ToCore,
    (budget, mut stop, mut forgettable): (ByteBudget, Stop, watch::Receiver<Positions>),
) -> Result<(), EngineError> {
    loop {
        tokio::select! {
            biased;
            () = stop.wait() => break,
            () = to_core.closed() => return Err(EngineError::Stopped("the operator thread")),
            changed = forgettable.changed() => {
                if changed.is_err() {
                    return Err(EngineError::Stopped("the writer"));
                }
                let upto = forgettable.borrow_and_update().clone();
                source.commit(&upto).await?;
            }
            received = source.next() => {
                let Some(received) = received? else { break };
                let held = budget.take(received.record.body.len()).await;
                if to_core.send((received, held)).await.is_err() {
                    return Err(EngineError::Stopped("the operator thread"));
                }
            }
        }
    }
    drop(to_core);
    while forgettable.changed().await.is_ok() {
        let upto = forgettable.borrow_and_update().clone();
        source.commit(&upto).await?;
    }
    Ok(())
}

fn beat<D: Decode, O: Operator>(
    mut core: Core<D, O>,
    (mut records, mut noted): (mpsc::Receiver<(Received, Held)>, Option<Order>),
    to_writer: &mpsc::Sender<ToWriter>,
    status: &watch::Sender<LaneStatus>,
) -> Result<LaneEnd, EngineError> {
    let send = |what| to_writer.blocking_send(what).map_err(|_| EngineError::Stopped("the writer"));
    while let Some((received, held)) = records.blocking_recv() {
        let step = core.take(&received)?;
        drop(held);
        if let Some(noted) = &mut noted {
            noted.note(&received);
        }
        if !step.messages.is_empty() || step.dead_letter.is_some() {
            let order = noted.as_mut().map(std::mem::take).unwrap_or_default();
            send(ToWriter::Step(step.messages, step.dead_letter, order))?;
        }
        if let Some(checkpoint) = step.checkpoint {
            noted = noted.map(|_| Order::default());
            send(ToWriter::Checkpoint(checkpoint))?;
        }
        let now = core.status();
        status.send_modify(|status| *status = LaneStatus { checkpoint: status.checkpoint, ..now });
    }
    send(ToWriter::Checkpoint(Box::new(core.checkpoint())))?;
    let end = core.status();
    Ok(LaneEnd { emitted: end.emitted, digest: end.digest, records: end.records })
}

/// What of the order of the input is on the disk.
struct KeptOrder {
    /// The checkpoint after which it begins.
    after: u64,
    /// So many records that are taken again were kept by an earlier run.
    known: u64,
}

struct Writer<K, W> {
    sink: Once<K>,
    dead_letters: W,
    checkpoints: Checkpoints,
    kept: KeptOrder,
    forget: watch::Sender<Positions>,
    status: watch::Sender<LaneStatus>,
    telemetry: Telemetry,
}

impl<K: Sink, W: DeadLetters> Writer<K, W> {
    async fn run(mut self, mut steps: mpsc::Receiver<ToWriter>) -> Result<(), EngineError> {
        let mut waiting = Vec::with_capacity(FLUSH_AFTER);
        while steps.recv_many(&mut waiting, FLUSH_AFTER).await > 0 {
            for step in waiting.drain(..) {
                match step {
                    ToWriter::Step(messages, dead_letter, order) => {
                        self.keep(order)?;
                        self.write(&messages, dead_letter).await?;
                    }
                    ToWriter::Checkpoint(checkpoint) => self.save(&checkpoint).await?,
                }
            }
            self.sink.flush().await?;
        }
        Ok(())
    }

    /// Before anything is said that depends on it.
    fn keep(&mut self, mut order: Order) -> Result<(), EngineError> {
        self.kept.known = order.skip(self.kept.known);
        if order.is_empty() {
            return Ok(());
        }
        self.checkpoints.save_order(self.kept.after, &order)
    }

    async fn write(&mut self, messages: &[Message], dead: Option<DeadLetter>) -> Result<(), EngineError> {
        if let Some(dead) = dead {
            self.dead_letters.put(&[dead]).await?;
        }
        for message in messages {
            self.telemetry.counter(Metric::PublishedMessages, &[&message.topic]).add(1);
        }
        self.sink.write(messages).await
    }

    async fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), EngineError> {
        let durable = self.sink.flush().await?;
        if durable < checkpoint.emitted {
            return Err(EngineError::Invariant(format!(
                "{durable} messages are durable after a flush, {} were said",
                checkpoint.emitted
            )));
        }
        let saved = self.checkpoints.save(checkpoint);
        let outcome = if saved.is_ok() { "written" } else { "failed" };
        self.telemetry.counter(Metric::Checkpoints, &[outcome]).add(1);
        let (upto, bytes) = saved?;
        self.kept = KeptOrder { after: checkpoint.number, known: 0 };
        self.telemetry.gauge(Metric::CheckpointBytes, &[]).set_count(bytes as u64);
        self.status.send_modify(|status| status.checkpoint = checkpoint.number);
        self.forget.send_replace(upto.positions);
        if let Err(error) = self.sink.forget(upto.emitted).await {
            // nothing is lost but room; the next checkpoint tries again
            tracing::warn!(%error, "older messages could not be let go");
        }
        Ok(())
    }
}
