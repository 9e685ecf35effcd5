//! Where quoted and bracketed things end, and whether a bracket holds values or words. Searches are bounded.

use super::word::{CLASS, class};

/// A quoted or bracketed value longer than this is text.
const VALUE_BYTES_MAX: usize = 1024;

/// The place of the closing quote of the one at `at`, unless it is an apostrophe or never closes.
pub(crate) fn quote_end(line: &[u8], at: usize) -> Option<usize> {
    let quote = line[at];
    let is_word = |place: Option<&u8>| {
        place.is_some_and(|byte| CLASS[*byte as usize] & (class::ALPHA | class::DIGIT) != 0)
    };
    if quote != b'"' && at > 0 && is_word(line.get(at - 1)) {
        return None;
    }
    let mut place = at + 1;
    let end = line.len().min(at + VALUE_BYTES_MAX);
    while place < end {
        match line[place] {
            b'\\' => place += 1,
            byte if byte == quote && (quote == b'"' || !is_word(line.get(place + 1))) => return Some(place),
            _ => {}
        }
        place += 1;
    }
    None
}

/// Bytes that a search for a closing bracket looks at.
const BRACKETS: [bool; 256] = {
    let mut table = [false; 256];
    let mut nth = 0;
    while nth < 7 {
        table[b"()[]{}\""[nth] as usize] = true;
        nth += 1;
    }
    table
};

/// The place of the bracket that closes the one at `at`; the end of the line if none does.
pub(crate) fn bracket_end(line: &[u8], at: usize) -> usize {
    let (mut depth, mut place) = (0_usize, at);
    while let Some(skipped) =
        line.get(place..).and_then(|rest| rest.iter().position(|byte| BRACKETS[*byte as usize]))
    {
        place += skipped;
        match line[place] {
            b'(' | b'[' | b'{' => depth += 1,
            b'"' => place = quote_end(line, place).unwrap_or(place),
            _ => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return place;
                }
            }
        }
        place += 1;
    }
    line.len()
}

/// The end of the value that begins at `at`, after an equals sign.
pub(crate) fn value_end(line: &[u8], at: usize) -> usize {
    let mut place = at;
    while let Some(byte) = line.get(place) {
        match byte {
            b'"' | b'\'' | b'`' => match quote_end(line, place) {
                Some(end) => place = end + 1,
                None => place += 1,
            },
            b'(' | b'[' | b'{' => place = bracket_end(line, place).saturating_add(1),
            b',' | b';' | b')' | b']' | b'}' => break,
            byte if CLASS[*byte as usize] & class::SPACE != 0 => break,
            _ => place += 1,
        }
    }
    place.min(line.len())
}

/// The end of a bracket at `at` that holds values: anything in braces; a list of single words, quoted or bracketed
/// things; nothing.
pub(crate) fn values_end(line: &[u8], at: usize) -> Option<usize> {
    if line[at] == b'[' {
        return list_end(line, at);
    }
    Some(bracket_end(line, at))
}

/// The end of what is assigned after the equals sign at `at - 1`; `key= value,` has a space before it.
pub(crate) fn assigned_end(line: &[u8], at: usize) -> usize {
    let end = value_end(line, at);
    if end > at || line.get(at) != Some(&b' ') {
        return end;
    }
    let Some(from) = line[at..].iter().position(|byte| *byte != b' ').map(|spaces| at + spaces) else {
        return end;
    };
    let word_end = value_end(line, from);
    let alone = word_end > from
        && line.get(word_end).is_none_or(|byte| matches!(byte, b',' | b';' | b')' | b']' | b'}'));
    if alone && !line[from..word_end].contains(&b'=') { word_end } else { end }
}

/// One pass that stops at the first sign that this is text: a second word without a comma.
fn list_end(line: &[u8], at: usize) -> Option<usize> {
    let end = line.len().min(at + VALUE_BYTES_MAX);
    let skip = |mut place: usize, bits: u8| {
        while place < end && CLASS[line[place] as usize] & bits != 0 {
            place += 1;
        }
        place
    };
    let (mut place, mut n, mut plain) = (skip(at + 1, class::SPACE), 0, true);
    if line.get(place) == Some(&b']') {
        return Some(place);
    }
    while place < end {
        place = match line[place] {
            b'"' | b'\'' => {
                plain = false;
                quote_end(line, place)? + 1
            }
            b'{' | b'[' => {
                plain = false;
                bracket_end(line, place).saturating_add(1)
            }
            byte if CLASS[byte as usize] & class::WORD != 0 => skip(place, class::WORD),
            _ => return None,
        };
        n += 1;
        place = skip(place, class::SPACE);
        match line.get(place) {
            Some(b',') => place = skip(place + 1, class::SPACE),
            Some(b']') => return (n > 1 || !plain).then_some(place),
            _ => return None,
        }
    }
    None
}

/// The end of `<...>` at `at` if it holds several things; `<init>` is a name, and `a < b` a comparison.
pub(crate) fn angle_end(line: &[u8], at: usize) -> Option<usize> {
    let (mut place, mut several) = (at + 1, false);
    if line.get(place).is_none_or(|byte| CLASS[*byte as usize] & class::SPACE != 0) {
        return None;
    }
    while place < line.len() {
        match line[place] {
            b'>' => return several.then_some(place),
            b'(' | b'[' | b'{' => place = bracket_end(line, place),
            b'"' => {
                several = true;
                place = quote_end(line, place).unwrap_or(place);
            }
            b',' | b'=' => several = true,
            _ => {}
        }
        place += 1;
    }
    // Nobody writes a comparison this long: the line was cut.
    (several && line.len() - at > VALUE_BYTES_MAX).then_some(line.len())
}
