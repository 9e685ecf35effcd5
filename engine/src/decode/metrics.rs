//! `ExportMetricsServiceRequest` to columns.

use std::sync::Arc;

use super::buckets::buckets_fault;
use super::cache::{ByteKey, Caches, MetricHead, SeriesKey, Speaker, hash_of, metric_key};
use super::columns::{Held, ROW_BYTES_MIN};
use super::drops::Drops;
use super::error::WireFault;
use super::identity::kind_number;
use super::metric_columns::{HistogramColumns, NumberColumns, SummaryColumns};
use super::metric_kind::{EXPONENTIAL, GAUGE, HISTOGRAM, POINT, SUM, SUMMARY, Traits, kind_of};
use super::points::{self, BucketPoint, number_fault, time_fault};
use super::value;
use super::walk::{self, Allowance, Joined, Speakers, Stop};
use super::wire::{Known, Reader, bytes};
use crate::batch::{EXPLICIT_SCALE, MetricBatch, MetricKind, SeriesTable};

/// Fields of `Metric`.
const NAME: u32 = bytes(1);
const DESCRIPTION: u32 = bytes(2);
const UNIT: u32 = bytes(3);
const METADATA: u32 = bytes(12);
const METRIC: Known =
    Known::of(&[NAME, DESCRIPTION, UNIT, GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY, METADATA]);

/// Rows whose series are looked up together: enough that their loads overlap, few enough to stay in the nearest cache.
const TOGETHER: usize = 32;

/// Builds the columns of one request.
///
/// The walk only notes by which encoded attributes a row is known; the series of several rows are looked up together,
/// because lookups that do not wait for each other overlap, and between metrics, because a metric's kind, which is part
/// of the identity, stands behind its points.
///
/// # Invariants
/// `pending` has one entry per row that has no series yet, in the order of the rows of each table.
#[derive(Debug)]
pub(super) struct MetricColumns<'a> {
    told_by: Speakers,
    speakers: Vec<Speaker>,
    heads: Vec<MetricHead<'a>>,
    pending: Vec<Pending<'a>>,
    numbers: NumberColumns,
    histograms: HistogramColumns,
    summaries: SummaryColumns,
    allowance: Allowance,
}

/// A row whose series is not looked up yet.
#[derive(Debug)]
struct Pending<'a> {
    head: u32,
    table: Table,
    /// Hash of the encoded attributes, and they themselves.
    hash: u128,
    attributes: Joined<'a>,
}

/// Which table a point belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Numbers,
    Histograms,
    Summaries,
}

/// How much a batch held: room for the next one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MetricsHeld {
    numbers: usize,
    histograms: [Held; 2],
    summaries: Held,
}

impl MetricsHeld {
    /// No more than can come from so many bytes.
    pub(super) fn at_most(self, bytes: usize) -> Self {
        let numbers = self.numbers.min(bytes / ROW_BYTES_MIN);
        let histograms = self.histograms.map(|held| held.at_most(bytes));
        Self { numbers, histograms, summaries: self.summaries.at_most(bytes) }
    }

    /// How many points.
    pub(super) fn rows(self) -> usize {
        self.numbers + self.histograms[0].rows() + self.summaries.rows()
    }
}

/// Where the walk stands, and what it works with.
struct Place<'c> {
    caches: &'c mut Caches,
    drops: &'c mut Drops,
    /// Key of the scope that speaks last of the speakers.
    scope: ByteKey,
}

/// A metric as its fields are read.
#[derive(Default)]
struct MetricFields<'a> {
    name: &'a [u8],
    unit: &'a [u8],
    /// Its tag and its bytes.
    content: Option<(u32, &'a [u8])>,
}

impl<'a> MetricColumns<'a> {
    /// With room for as much as another batch held.
    pub(super) fn new(held: MetricsHeld, told_by: Speakers, allowance: Allowance) -> Self {
        Self {
            told_by,
            speakers: Vec::new(),
            heads: Vec::new(),
            pending: Vec::new(),
            numbers: NumberColumns::new(held.numbers),
            histograms: HistogramColumns::like(held.histograms),
            summaries: SummaryColumns::like(held.summaries),
            allowance,
        }
    }

    /// Walks a request.
    ///
    /// # Errors
    /// [`Stop::SpeaksLate`] if speakers do not stand where they were thought to stand: the series have the wrong ones.
    pub(super) fn walk(
        &mut self,
        request: &'a [u8],
        tenant: &Arc<str>,
        caches: &mut Caches,
        drops: &mut Drops,
    ) -> Result<(), Stop> {
        let speakers = self.told_by;
        walk::each_resource(request, |message| {
            let resource = caches.resource(tenant, walk::speaker(message, speakers)?.bytes())?;
            walk::each_said(message, speakers, |message| {
                let (key, scope) = caches.scope(resource.0, walk::speaker(message, speakers)?.bytes())?;
                self.speakers.push(Speaker { resource: Arc::clone(&resource.1), scope });
                let mut place = Place { caches, drops, scope: key };
                walk::each_said(message, speakers, |message| self.metric(message, &mut place))
            })
        })?;
        Ok(self.look_up(caches)?)
    }

    fn metric(&mut self, message: &'a [u8], place: &mut Place<'_>) -> Result<(), Stop> {
        let depth = place.caches.depth_max();
        let fields = metric_fields(message, depth)?;
        let Some((tag, content)) = fields.content else {
            place.drops.note("metric_without_points", message);
            return Ok(());
        };
        if fields.name.is_empty() {
            let reason = kind_of(tag, content)?.map_or("temporality_unspecified", |_| "metric_without_name");
            return self.refuse_all(reason, (tag, content), place);
        }
        let n_before = self.pending.len();
        let mut traits = Traits::default();
        let mut reader = Reader::of(content);
        while let Some(field) = reader.tag()? {
            if field != POINT {
                traits.read(field, tag, &mut reader)?;
                continue;
            }
            self.allowance.take()?;
            let message = reader.bytes()?;
            let Some(fault) = self.point((tag, message), depth)? else { continue };
            // seldom: that the metric as a whole cannot be used comes before what is wrong with one of its points
            if kind_of(tag, content)?.is_none() {
                break;
            }
            place.drops.note(fault, message);
        }
        let Some(kind) = traits.kind(tag) else {
            self.take_back(n_before);
            return self.refuse_all("temporality_unspecified", (tag, content), place);
        };
        if self.pending.len() > n_before {
            self.heads.push(self.head_of(&fields, kind, place));
            if self.pending.len() >= TOGETHER {
                self.look_up(place.caches)?;
            }
        }
        Ok(())
    }

    /// Reads a point, and adds its row unless there is something wrong with it.
    #[inline(always)]
    fn point(
        &mut self,
        (tag, message): (u32, &'a [u8]),
        depth: u32,
    ) -> Result<Option<&'static str>, WireFault> {
        let (head, table, fault) = match tag {
            GAUGE | SUM => {
                let point = points::number(message, depth)?;
                let fault = number_fault(&point);
                if fault.is_none() {
                    self.numbers.push(&point);
                }
                (point.head, Table::Numbers, fault)
            }
            HISTOGRAM | EXPONENTIAL => {
                let (point, fault) = self.buckets(tag, message, depth)?;
                match fault {
                    None => self.histograms.push(&point),
                    Some(_) => self.histograms.abandon(),
                }
                (point.head, Table::Histograms, fault)
            }
            _ => {
                let point = points::summary(message, &mut self.summaries)?;
                let fault = time_fault(&point.head);
                match fault {
                    None => self.summaries.push(&point),
                    Some(_) => self.summaries.abandon(),
                }
                (point.head, Table::Summaries, fault)
            }
        };
        let attributes = head.attributes;
        if fault.is_some() {
            value::check_run(attributes.bytes(), depth)?;
            return Ok(fault);
        }
        let hash = hash_of(attributes.bytes());
        self.pending.push(Pending { head: self.heads.len() as u32, table, hash, attributes });
        Ok(None)
    }

    #[inline(always)]
    fn buckets(
        &mut self,
        tag: u32,
        message: &'a [u8],
        depth: u32,
    ) -> Result<(BucketPoint<'a>, Option<&'static str>), WireFault> {
        if tag == EXPONENTIAL {
            let point = points::exponential(message, depth, &mut self.histograms)?;
            // no real scale, and the mark of explicit buckets in the column
            let scale_fault = (point.scale == EXPLICIT_SCALE).then_some("scale_out_of_range");
            let fault = time_fault(&point.head).or(scale_fault);
            return Ok((point, fault));
        }
        let point = points::histogram(message, depth, &mut self.histograms)?;
        let (bounds, counts) = (self.histograms.bounds.pending(), self.histograms.counts.pending());
        let fault = time_fault(&point.head).or_else(|| buckets_fault(bounds, counts));
        Ok((point, fault))
    }

    /// Takes rows back, down to so many.
    fn take_back(&mut self, n_rows: usize) {
        for row in self.pending.drain(n_rows..) {
            match row.table {
                Table::Numbers => self.numbers.pop(),
                Table::Histograms => self.histograms.pop(),
                Table::Summaries => self.summaries.pop(),
            }
        }
    }

    /// Sets every point of a metric aside; each must still be well-formed.
    fn refuse_all(
        &mut self,
        reason: &'static str,
        (tag, content): (u32, &'a [u8]),
        place: &mut Place<'_>,
    ) -> Result<(), Stop> {
        let (depth, n_rows) = (place.caches.depth_max(), self.pending.len());
        let mut reader = Reader::of(content);
        while let Some(field) = reader.tag()? {
            if field == POINT {
                let message = reader.bytes()?;
                self.point((tag, message), depth)?;
                for row in &self.pending[n_rows..] {
                    value::check_run(row.attributes.bytes(), depth)?;
                }
                self.take_back(n_rows);
                place.drops.note(reason, message);
            } else {
                reader.skip(field, Known::of(&[]))?;
            }
        }
        Ok(())
    }

    fn head_of(&self, fields: &MetricFields<'a>, kind: MetricKind, place: &Place<'_>) -> MetricHead<'a> {
        let &MetricFields { name, unit, .. } = fields;
        let key = metric_key(place.scope, name, unit, kind_number(kind));
        MetricHead { key, speaker: self.speakers.len() as u32 - 1, name, unit, kind }
    }

    /// Looks up the series of the rows that have none yet.
    fn look_up(&mut self, caches: &mut Caches) -> Result<(), WireFault> {
        let Self { speakers, heads, pending, numbers, histograms, summaries, .. } = self;
        for rows in pending.chunks(TOGETHER) {
            let mut places = [None; TOGETHER];
            for (place, row) in places.iter_mut().zip(rows) {
                let metric = heads[row.head as usize].key;
                *place = caches.place(SeriesKey { metric, attributes: row.hash });
            }
            for (place, row) in places.into_iter().zip(rows) {
                let place = match place {
                    Some(place) => place,
                    None => {
                        let head = &heads[row.head as usize];
                        let speaker = &speakers[head.speaker as usize];
                        caches.new_place(speaker, head, (row.hash, row.attributes.bytes()))?
                    }
                };
                match row.table {
                    Table::Numbers => numbers.name(place),
                    Table::Histograms => histograms.name(place),
                    Table::Summaries => summaries.name(place),
                }
            }
        }
        pending.clear();
        heads.clear();
        Ok(())
    }

    /// How much it holds.
    pub(super) fn held(&self) -> MetricsHeld {
        MetricsHeld {
            numbers: self.numbers.len(),
            histograms: self.histograms.held(),
            summaries: self.summaries.held(),
        }
    }

    /// The batch, whose rows name places in `series`.
    pub(super) fn finish(self, series: Arc<SeriesTable>) -> MetricBatch {
        MetricBatch {
            series,
            numbers: self.numbers.finish(),
            histograms: self.histograms.finish(),
            summaries: self.summaries.finish(),
        }
    }
}

fn metric_fields(message: &[u8], depth: u32) -> Result<MetricFields<'_>, WireFault> {
    let mut fields = MetricFields::default();
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            NAME => fields.name = reader.text_bytes()?,
            UNIT => fields.unit = reader.text_bytes()?,
            GAUGE | SUM | HISTOGRAM | EXPONENTIAL | SUMMARY if fields.content.is_some() => {
                return Err(WireFault::Repeated);
            }
            GAUGE | SUM | HISTOGRAM | EXPONENTIAL | SUMMARY => fields.content = Some((tag, reader.bytes()?)),
            DESCRIPTION => reader.check_text()?,
            METADATA => value::check_pair(reader.bytes()?, depth)?,
            other => reader.skip(other, METRIC)?,
        }
    }
    Ok(fields)
}
