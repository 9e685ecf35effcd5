//! Local time of a set of series: the rules of a time zone, turned into the list of changes that the models work with.
//!
//! What it does not do: find out where people live. The zone and the holidays are configured.

use engine::record::{NANOS_PER_SEC, UnixNanos};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use models::univariate::{Calendar, ClockChange};

/// The offset of a zone at `from`, its changes until `until`, and local days that are not like others.
#[must_use]
pub fn local_calendar(zone: &TimeZone, from: UnixNanos, until: UnixNanos, holidays: &[Date]) -> Calendar {
    let (from, until) = (timestamp(from), timestamp(until));
    let changes =
        zone.following(from).take_while(|change| change.timestamp() <= until).map(|change| ClockChange {
            from: change.timestamp().as_second().saturating_mul(NANOS_PER_SEC),
            offset_secs: change.offset().seconds(),
        });
    let first = Date::constant(1970, 1, 1);
    let days = holidays.iter().filter_map(|day| (*day - first).get_days().into());
    Calendar::new(zone.to_offset(from).seconds(), changes.collect()).with_holidays(days.collect())
}

fn timestamp(at: UnixNanos) -> Timestamp {
    Timestamp::from_second(at.div_euclid(NANOS_PER_SEC)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: central European time over 2026, whose clocks change on 29 March and 25 October at 01:00 UTC, with
    /// the first of May as a holiday.
    /// Guarantees: eight in the morning is the same second of the day before and after each change; the holiday is
    /// the local day.
    #[test]
    fn the_clock_of_people_is_followed() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at =
            |text: &str| UnixNanos::try_from(text.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap();
        let (from, until) = (at("2026-01-01T00:00:00Z"), at("2026-12-31T00:00:00Z"));
        let calendar = local_calendar(&zone, from, until, &[Date::constant(2026, 5, 1)]);
        let second = |text: &str| calendar.second_of_day(at(text));
        assert_eq!(second("2026-03-28T07:00:00Z"), 8 * 3600);
        assert_eq!(second("2026-03-29T06:00:00Z"), 8 * 3600);
        assert_eq!(second("2026-10-24T06:00:00Z"), 8 * 3600);
        assert_eq!(second("2026-10-25T07:00:00Z"), 8 * 3600);
        assert!(
            calendar.is_holiday(at("2026-04-30T22:00:00Z"))
                && !calendar.is_holiday(at("2026-04-30T21:59:59Z"))
        );
    }
}
