//! Reads a line byte by byte into a shape: words stay, values are masked.
//!
//! Values are: words with digits, paths and addresses ([`super::word`]), what follows `key=`, quoted strings, lists and
//! objects ([`super::brackets`]), dates. Neighbouring values are one, also across commas, so that lists of any length
//! are alike. A body that is a JSON object is read by field ([`super::json`]). Of several lines the first counts.

use super::brackets::{angle_end, assigned_end, quote_end, values_end};
use super::json;
use super::shape::{Kind, LINE_BYTES_MAX, Shape, TOKENS_MAX, Token, VALUE, trimmed};
use super::word::{
    CLASS, belongs_to_value, class, is_date_word, is_literal, is_message_key, is_name, is_text_key, is_value,
};

impl Shape {
    /// Reads a line, in place of what was read before.
    pub fn read(&mut self, line: &[u8]) {
        self.clear();
        let line = line.get(..LINE_BYTES_MAX).unwrap_or(line).trim_ascii();
        if line.first() == Some(&b'{') && json::read(self, line) {
            return;
        }
        self.read_text(line);
    }

    /// Adds the first line of a text.
    pub(crate) fn read_text(&mut self, text: &[u8]) {
        let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        let mut cursor = Cursor { shape: self, line: &text[..end], at: 0, spaced: false };
        while cursor.at < cursor.line.len() && !cursor.shape.is_full() {
            cursor.step();
        }
        if cursor.at < cursor.line.len() {
            cursor.value();
        }
        self.close_brackets();
    }

    /// After a last value every bracket that is open is closed, so that lines that were cut on their way look like
    /// those that were not.
    fn close_brackets(&mut self) {
        let closes = |shape: &Self, token: &Token| matches!(shape.of(*token), b")" | b"]" | b"}");
        let n = self.tokens.iter().rposition(|token| !closes(self, token)).map_or(0, |last| last + 1);
        let ends_in_value =
            n > 0 && (self.tokens[n - 1].kind == Kind::Value || self.of(self.tokens[n - 1]) == b">");
        if !ends_in_value {
            return;
        }
        let (mut open, mut n_open) = ([0_u8; TOKENS_MAX], 0);
        for token in &self.tokens[..n] {
            match self.of(*token) {
                [byte @ (b'(' | b'[' | b'{')] if n_open < TOKENS_MAX => {
                    open[n_open] = *byte;
                    n_open += 1;
                }
                [b')' | b']' | b'}'] => n_open = n_open.saturating_sub(1),
                _ => {}
            }
        }
        while self.tokens.len() > n {
            self.pop();
        }
        for byte in open[..n_open].iter().rev() {
            let closing: &[u8] = match byte {
                b'(' => b")",
                b'[' => b"]",
                _ => b"}",
            };
            self.token(closing, Kind::Sign, false);
        }
    }
}

/// Whether a value follows that is the next of several `key:value`, written without a space.
fn is_next_pair(shape: &Shape) -> bool {
    let [.., before, key, colon] = shape.tokens.as_slice() else { return false };
    before.kind == Kind::Value
        && key.kind == Kind::Word
        && key.spaced
        && !colon.spaced
        && shape.of(*colon) == b":"
}

fn closing(opening: u8) -> u8 {
    match opening {
        b'<' => b'>',
        b'{' => b'}',
        other => other,
    }
}

struct Cursor<'a> {
    shape: &'a mut Shape,
    line: &'a [u8],
    at: usize,
    /// A space came before.
    spaced: bool,
}

impl Cursor<'_> {
    fn step(&mut self) {
        let byte = self.line[self.at];
        let bits = CLASS[byte as usize];
        if bits & class::WORD != 0 {
            self.word();
        } else if bits & class::SPACE != 0 {
            self.spaced = true;
            self.at += 1;
        } else {
            self.sign_or_value(byte);
        }
    }

    fn sign_or_value(&mut self, byte: u8) {
        if matches!(byte, b'<' | b'>') && self.is_bound() {
            self.at += 1;
            return;
        }
        let end = match byte {
            b'=' if self.is_assignment() => {
                self.sign(b'=');
                let end = assigned_end(self.line, self.at);
                self.spaced = false;
                self.value();
                self.at = end;
                return;
            }
            b'"' | b'\'' | b'`' => self.quoted_value(),
            b'[' | b'{' => values_end(self.line, self.at),
            b'<' => angle_end(self.line, self.at),
            _ => None,
        };
        if let Some(end) = end.filter(|_| byte == b'"' && self.is_after_key()) {
            self.value();
            self.at = end + 1;
            return;
        }
        self.sign(byte);
        if let Some(end) = end {
            self.value();
            self.at = end;
            self.spaced = false;
            self.sign(self.line.get(end).copied().unwrap_or(closing(byte)));
        }
    }

    /// `key=value`, unless the key says that text follows, and not `==`, `=>` and the like.
    fn is_assignment(&self) -> bool {
        let next = self.line.get(self.at + 1);
        let before = self.at.checked_sub(1).and_then(|place| self.line.get(place));
        let word_before =
            before.is_some_and(|byte| CLASS[*byte as usize] & (class::ALPHA | class::DIGIT) != 0);
        let key = self.shape.tokens.last().map(|token| self.shape.of(*token));
        let is_text = key.is_some_and(|key| is_text_key(key) || (is_message_key(key) && next == Some(&b'"')));
        word_before && !matches!(next, Some(b'=' | b'>' | b'~')) && !is_text
    }

    /// `<5`, `>3`: part of the number.
    fn is_bound(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|place| self.line.get(place));
        let starts = before.is_none_or(|byte| CLASS[*byte as usize] & class::SPACE != 0);
        starts
            && self.line.get(self.at + 1).is_some_and(u8::is_ascii_digit)
            && angle_end(self.line, self.at).is_none()
    }

    /// `key:"value"`, as protobuf and YAML write it.
    fn is_after_key(&self) -> bool {
        let [.., key, colon] = self.shape.tokens.as_slice() else { return false };
        !self.spaced && key.kind == Kind::Word && !colon.spaced && self.shape.of(*colon) == b":"
    }

    /// The end of a quoted string that is a value: not a request, and not the text after `msg=`.
    fn quoted_value(&self) -> Option<usize> {
        let end = quote_end(self.line, self.at)?;
        let inner = &self.line[self.at + 1..end];
        let verbs: [&[u8]; 7] = [b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HEAD ", b"PATCH ", b"OPTIONS "];
        let is_request = verbs.iter().any(|verb| inner.starts_with(verb));
        let is_text = self.at > 0 && self.line[self.at - 1] == b'=';
        (!is_request && !is_text).then_some(end)
    }

    fn sign(&mut self, byte: u8) {
        self.shape.token(&[byte], Kind::Sign, self.spaced);
        self.spaced = false;
        self.at += 1;
    }

    /// A value; one with the value before it, and with the parts of a date before it.
    fn value(&mut self) {
        let shape = &mut *self.shape;
        while let Some(last) = shape.tokens.last() {
            if last.kind != Kind::Word || !is_date_word(shape.of(*last)) {
                break;
            }
            self.spaced = last.spaced;
            shape.pop();
        }
        if !self.spaced && is_next_pair(shape) {
            // `units:4 nanos:5` is one value, however many fields it has.
            shape.pop();
            shape.pop();
        }
        match shape.tokens.as_slice() {
            [.., last] if last.kind == Kind::Value => {}
            [.., before, comma] if before.kind == Kind::Value && shape.of(*comma) == b"," => shape.pop(),
            _ => shape.token(VALUE, Kind::Value, self.spaced),
        }
        self.spaced = false;
    }

    fn word(&mut self) {
        let from = self.at;
        let mut bits = 0;
        while let Some(byte) = self.line.get(self.at) {
            let of = CLASS[*byte as usize];
            if of & class::WORD == 0 {
                break;
            }
            bits |= of;
            self.at += 1;
        }
        let mut whole = &self.line[from..self.at];
        if let Some((b':', rest)) = whole.split_first().filter(|(_, rest)| !rest.is_empty()) {
            self.shape.token(b":", Kind::Sign, self.spaced);
            self.spaced = false;
            whole = rest;
        }
        let word = trimmed(whole);
        self.one_word(word, bits);
        for sign in &whole[word.len()..] {
            self.shape.token(&[*sign], Kind::Sign, self.spaced);
        }
    }

    fn one_word(&mut self, word: &[u8], bits: u8) {
        if bits & class::DIGIT != 0 && !is_name(word) {
            self.word_with_digits(word, bits);
        } else if is_value(word, bits) || self.is_beside_value(word) {
            self.value();
        } else if let Some((key, rest)) = pair(word, bits) {
            self.text(key);
            self.shape.token(b":", Kind::Sign, false);
            self.text(rest);
        } else {
            self.text(word);
        }
    }

    fn text(&mut self, word: &[u8]) {
        let kind = if word == b":" { Kind::Sign } else { Kind::Word };
        self.shape.token(word, kind, self.spaced);
        self.spaced = false;
    }

    /// A unit or part of a date after a value, or `null` after a colon.
    fn is_beside_value(&self, word: &[u8]) -> bool {
        let Some(last) = self.shape.tokens.last() else { return false };
        (last.kind == Kind::Value && self.spaced && belongs_to_value(word))
            || (matches!(self.shape.of(*last), b":" | b"=") && is_literal(word))
    }

    /// `key:123`, `Class#123` and `depth...12` keep what comes before the number, `10.0.0.1:Got` what comes after.
    fn word_with_digits(&mut self, word: &[u8], bits: u8) {
        match cut(word, bits) {
            Cut::None => self.value(),
            Cut::Before(at, length) => {
                self.text(&word[..at]);
                self.shape.token(&word[at..at + length], Kind::Sign, false);
                let rest = &word[at + length..];
                if rest.iter().any(u8::is_ascii_digit) {
                    self.value();
                } else {
                    self.text(rest);
                }
            }
            Cut::After(at) => {
                self.value();
                self.shape.token(b":", Kind::Sign, false);
                self.text(&word[at + 1..]);
            }
        }
    }
}

/// Where a word with digits is text.
enum Cut {
    None,
    /// Text up to the place, then signs, then the value.
    Before(usize, usize),
    /// A value up to the colon at the place, then text.
    After(usize),
}

fn cut(word: &[u8], bits: u8) -> Cut {
    let is_key = |key: &[u8], extra: u8| {
        key.len() > 1
            && key
                .iter()
                .all(|byte| CLASS[*byte as usize] & class::ALPHA != 0 || *byte == extra || *byte == b'-')
    };
    let hash = word.iter().position(|byte| *byte == b'#');
    if let Some(at) = hash.filter(|at| at + 1 < word.len() && is_key(&word[..*at], b'.')) {
        return Cut::Before(at, 1);
    }
    if let Some(at) = word.windows(3).position(|dots| dots == b"...").filter(|at| is_key(&word[..*at], b'_'))
    {
        let length = word[at..].iter().position(|byte| *byte != b'.').unwrap_or(word.len() - at);
        return Cut::Before(at, length);
    }
    if bits & class::COLON == 0 {
        return Cut::None;
    }
    let first = word.iter().position(|byte| *byte == b':').unwrap_or(0);
    if first + 1 < word.len() && word[first + 1] != b'/' && is_key(&word[..first], b'_') {
        return Cut::Before(first, 1);
    }
    let last = word.iter().rposition(|byte| *byte == b':').unwrap_or(0);
    let rest = &word[last + 1..];
    // Only after an address or a time: an id and a word are one value.
    let is_address = word[..last].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b':' | b'-' | b'/'));
    if is_address && is_key(rest, b'_') { Cut::After(last) } else { Cut::None }
}

/// `key:value` in one word, without digits; not `std::mem` or `http://`.
fn pair(word: &[u8], bits: u8) -> Option<(&[u8], &[u8])> {
    if bits & class::COLON == 0 {
        return None;
    }
    let at = word.iter().position(|byte| *byte == b':')?;
    let (key, rest) = (&word[..at], &word[at + 1..]);
    let is_key =
        key.len() > 1 && key.iter().all(|byte| CLASS[*byte as usize] & class::ALPHA != 0 || *byte == b'-');
    let is_rest = rest.first().is_some_and(|byte| CLASS[*byte as usize] & class::ALPHA != 0);
    (is_key && is_rest).then_some((key, rest))
}
