//! Freeze windows as they are written: weekly in UTC, or from one instant until another.

use contract::Timestamp;
use settings::Reader;

use crate::policy::FreezeWindow;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One item of `freeze`; faults go to the reader.
pub(super) fn window(reader: &mut Reader, key: &str) -> Option<FreezeWindow> {
    let from = reader.required(&format!("{key}.from"), "HH:MM in UTC, or a time as in 2026-12-20T00:00:00Z");
    let until =
        reader.required(&format!("{key}.until"), "HH:MM in UTC, or a time as in 2026-12-20T00:00:00Z");
    let days = days(reader, &format!("{key}.days"));
    if from.is_empty() || until.is_empty() {
        return None;
    }
    if let (Ok(from), Ok(until)) = (from.parse::<Timestamp>(), until.parse::<Timestamp>()) {
        if until <= from {
            reader.fault(
                &format!("{key}.until"),
                format!("is {until}, must be later than from, which is {from}"),
            );
        }
        if days.is_some() {
            reader
                .fault(&format!("{key}.days"), "stands beside full times, must be left out or go with HH:MM");
        }
        return Some(FreezeWindow::Once { from, until });
    }
    let from_minute = minute(reader, &format!("{key}.from"), &from)?;
    let until_minute = minute(reader, &format!("{key}.until"), &until)?;
    Some(FreezeWindow::Weekly { days: days.unwrap_or([true; 7]), from_minute, until_minute })
}

fn minute(reader: &mut Reader, key: &str, text: &str) -> Option<u16> {
    let parsed = text.split_once(':').and_then(|(hour, minute)| {
        let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    });
    if parsed.is_none() {
        reader.fault(
            key,
            format!("is {text:?}, must be HH:MM in UTC, or both ends a time as in 2026-12-20T00:00:00Z"),
        );
    }
    parsed
}

fn days(reader: &mut Reader, key: &str) -> Option<[bool; 7]> {
    let given = reader.list(key);
    if given.is_empty() {
        return None;
    }
    let mut days = [false; 7];
    for word in given {
        match DAYS.iter().position(|day| *day == word) {
            Some(idx) => days[idx] = true,
            None => reader.fault(key, format!("holds {word:?}, must be a list of {}", DAYS.join(", "))),
        }
    }
    Some(days)
}
