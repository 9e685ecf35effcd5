//! The lane's own heart, fed record by record, with a view of what stands after each.

use std::sync::Arc;

use contract::{CloudEvent, Origin, RiskEvent};
use engine::decode::{DecodeLimits, Decoder};
use engine::error::EngineError;
use engine::operator::Message;
use engine::record::{Compression, Encoding, NANOS_PER_SEC, Record, RecordKind, UnixNanos};
use engine::runtime::{Core, CoreConfig};
use engine::source::Received;
use engine::telemetry::Telemetry;
use prost::Message as _;

use super::canaryrec::RecordedRequest;
use crate::config::Plan;
use crate::scoring::VerdictBoard;
use crate::service::core_config;
use crate::wiring::{Judge, JudgeViews};

/// What one record led to.
#[derive(Debug, Clone, Default)]
pub struct RigOutput {
    /// The log's clock.
    pub log_clock: UnixNanos,
    /// Messages said.
    pub messages: Vec<Message>,
    /// Comparisons as they stand.
    pub board: VerdictBoard,
}

impl RigOutput {
    /// The risk events among the messages, in the order of saying.
    pub fn risk_events(&self) -> impl Iterator<Item = RiskEvent> + '_ {
        let read = |message: &Message| serde_json::from_slice::<CloudEvent<RiskEvent>>(&message.value);
        self.messages
            .iter()
            .map(move |message| read(message).expect("the lane says nothing but risk events").data)
    }
}

/// A lane without source and sink.
#[derive(Debug)]
pub struct Rig {
    core: Core<Decoder, Judge>,
    views: JudgeViews,
    tenant: Arc<str>,
    next_offset: u64,
    clock_at: UnixNanos,
}

impl Rig {
    /// The production lane for a plan.
    ///
    /// # Errors
    /// As [`Judge::new`].
    pub fn new(plan: &Plan) -> Result<Self, EngineError> {
        let (judge, views) = Judge::new(plan, Origin::Replay)?;
        let decoder = Decoder::new(DecodeLimits::default());
        // nobody reads its checkpoints
        let config = CoreConfig { checkpoint_secs: u32::MAX, ..core_config(plan) };
        let core = Core::restore(config, (decoder, judge), None, &Telemetry::new()?)?;
        Ok(Self { core, views, tenant: plan.tenant.as_str().into(), next_offset: 0, clock_at: 0 })
    }

    /// Feeds a request, and the clock records of the seconds before it.
    ///
    /// # Errors
    /// Broken invariants of the operator.
    pub fn feed(&mut self, request: &RecordedRequest) -> Result<RigOutput, EngineError> {
        let body = match (&request.metrics, &request.logs) {
            (Some(metrics), _) => metrics.encode_to_vec(),
            (None, Some(logs)) => logs.encode_to_vec(),
            (None, None) => return Ok(RigOutput::default()),
        };
        self.feed_body(request.arrived_at, request.kind, body)
    }

    /// Feeds a request as it would arrive, and the clock records of the seconds before it.
    ///
    /// # Errors
    /// As [`Rig::feed`].
    pub fn feed_body(
        &mut self,
        arrived_at: UnixNanos,
        kind: RecordKind,
        body: Vec<u8>,
    ) -> Result<RigOutput, EngineError> {
        let mut output = RigOutput::default();
        if self.clock_at == 0 {
            self.clock_at = arrived_at - arrived_at.rem_euclid(NANOS_PER_SEC);
        }
        while self.clock_at + NANOS_PER_SEC <= arrived_at {
            self.clock_at += NANOS_PER_SEC;
            self.take(self.clock_at, RecordKind::Clock, Vec::new(), &mut output)?;
        }
        self.take(arrived_at, kind, body, &mut output)?;
        output.log_clock = arrived_at;
        output.board = self.views.board.borrow().clone();
        Ok(output)
    }

    fn take(
        &mut self,
        arrived_at: UnixNanos,
        kind: RecordKind,
        body: Vec<u8>,
        output: &mut RigOutput,
    ) -> Result<(), EngineError> {
        self.next_offset += 1;
        let record = Record {
            tenant: Arc::clone(&self.tenant),
            arrived_at,
            kind,
            encoding: Encoding::OtlpProto,
            compression: Compression::None,
            body: body.into(),
        };
        let received = Received { partition: "recording".into(), next_offset: self.next_offset, record };
        output.messages.extend(self.core.take(&received)?.messages);
        Ok(())
    }
}
