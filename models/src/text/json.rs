//! A body that is a JSON object: its message is text, its other fields count by name.
//!
//! The text of a shape is the masked message, then the names of the other fields in order. Only the first level is
//! read; nested values are skipped. Of a body that was cut off the message alone counts; without one it is text.

use super::brackets::{bracket_end, quote_end};
use super::shape::{Kind, Shape};

/// Fields that are kept; a body with more has `...` for the rest.
const FIELDS_MAX: usize = 32;
/// Names of the field that holds the message, best first.
const MESSAGE: [&[u8]; 6] = [b"message", b"msg", b"log", b"text", b"body", b"event"];

/// Reads a body; whether it was JSON.
pub(crate) fn read(shape: &mut Shape, line: &[u8]) -> bool {
    let mut fields = [(0_usize, 0_usize); FIELDS_MAX];
    let (mut n, mut more) = (0, false);
    let mut message: Option<(usize, usize, usize)> = None;
    let complete = each_field(line, |name, value| {
        let key = &line[name.0..name.1];
        let rank = MESSAGE.iter().position(|known| *known == key);
        let is_better =
            |rank: &usize| line[value.0] == b'"' && message.is_none_or(|(best, _, _)| *rank < best);
        if let Some(rank) = rank.filter(is_better) {
            message = Some((rank, value.0 + 1, value.1 - 1));
        }
        match fields.get_mut(n) {
            Some(place) => (*place, n) = (name, n + 1),
            None => more = true,
        }
    });
    if (!complete && message.is_none()) || n == 0 {
        return false;
    }
    if let Some((_, from, to)) = message {
        read_message(shape, &line[from..to]);
    }
    if !complete {
        return true;
    }
    let fields = &mut fields[..n];
    fields.sort_unstable_by_key(|(from, to)| &line[*from..*to]);
    shape.token(b"{", Kind::Sign, true);
    for (from, to) in fields.iter() {
        shape.token(&line[*from..*to], Kind::Sign, true);
    }
    shape.token(if more { b"...}" } else { b"}" }, Kind::Sign, more);
    true
}

fn read_message(shape: &mut Shape, escaped: &[u8]) {
    if !escaped.contains(&b'\\') {
        return shape.read_text(escaped);
    }
    let mut plain = std::mem::take(&mut shape.scratch);
    plain.clear();
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'n' | b'r') => plain.push(b'\n'),
                Some(b't') => plain.push(b' '),
                Some(other) => plain.push(*other),
                None => {}
            },
            byte => plain.push(*byte),
        }
    }
    shape.read_text(plain.trim_ascii());
    shape.scratch = plain;
}

/// Calls back with the places of name (without quotes) and value of each field; whether all of it could be read.
fn each_field(line: &[u8], mut field: impl FnMut((usize, usize), (usize, usize))) -> bool {
    let mut at = skip_spaces(line, 1);
    loop {
        if line.get(at) != Some(&b'"') {
            return false;
        }
        let Some(name_end) = quote_end(line, at) else { return false };
        let colon = skip_spaces(line, name_end + 1);
        if line.get(colon) != Some(&b':') {
            return false;
        }
        let value = skip_spaces(line, colon + 1);
        let Some(value_end) = end_of_value(line, value) else { return false };
        field((at + 1, name_end), (value, value_end));
        at = skip_spaces(line, value_end);
        match line.get(at) {
            Some(b',') => at = skip_spaces(line, at + 1),
            Some(b'}') => return at + 1 == line.len(),
            _ => return false,
        }
    }
}

fn end_of_value(line: &[u8], at: usize) -> Option<usize> {
    match line.get(at)? {
        b'"' => string_end(line, at),
        b'{' | b'[' => {
            let end = bracket_end(line, at);
            (end < line.len()).then_some(end + 1)
        }
        _ => {
            let length = line[at..]
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b' ' | b'\n' | b'\r' | b'\t'))?;
            (length > 0).then_some(at + length)
        }
    }
}

/// Strings of fields may be as long as the line.
fn string_end(line: &[u8], at: usize) -> Option<usize> {
    let mut place = at + 1;
    while place < line.len() {
        match line[place] {
            b'\\' => place += 1,
            b'"' => return Some(place + 1),
            _ => {}
        }
        place += 1;
    }
    None
}

fn skip_spaces(line: &[u8], mut at: usize) -> usize {
    while line.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}
