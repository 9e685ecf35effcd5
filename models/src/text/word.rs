//! What a single word of a line is: part of the text, or a value.
//!
//! A word is a value if it has a digit, or looks like a path, an address or a mail address. A few words with digits
//! are names of things and stay. Dates in words, units and `null` are values only beside a value.

/// Classes of bytes, as bits.
pub(crate) mod class {
    /// Part of a word.
    pub(crate) const WORD: u8 = 1;
    pub(crate) const DIGIT: u8 = 2;
    pub(crate) const ALPHA: u8 = 4;
    pub(crate) const SPACE: u8 = 8;
    pub(crate) const SLASH: u8 = 16;
    pub(crate) const AT: u8 = 32;
    pub(crate) const COLON: u8 = 64;
    pub(crate) const BACKSLASH: u8 = 128;
}

/// The class of every byte.
pub(crate) const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [class::WORD; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => class::WORD | class::DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => class::WORD | class::ALPHA,
            b'/' => class::WORD | class::SLASH,
            b'@' => class::WORD | class::AT,
            b':' => class::WORD | class::COLON,
            b'\\' => class::WORD | class::BACKSLASH,
            b' ' | b'\t' | b'\r' | b'\n' | 0..=31 | 127 => class::SPACE,
            b',' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b'\'' | b'=' | b'<' | b'>'
            | b'|' | b'`' | b'^' => 0,
            _ => class::WORD,
        };
        byte += 1;
    }
    table
}

/// Names with digits that are text: lower case, sorted.
const NAMES: [&[u8]; 31] = [
    b"base64", b"crc32", b"ec2", b"h2", b"http2", b"i18n", b"ip4", b"ip6", b"ipv4", b"ipv6", b"k8s", b"l4",
    b"l7", b"latin1", b"log4j", b"log4j2", b"md5", b"mp3", b"mp4", b"neo4j", b"oauth2", b"p2p", b"s3",
    b"sha1", b"sha256", b"sha512", b"utf-16", b"utf-8", b"utf16", b"utf8", b"x509",
];

/// Whether a word with digits is a name.
pub(crate) fn is_name(word: &[u8]) -> bool {
    let mut lower = [0_u8; 8];
    let Some(lower) = lower.get_mut(..word.len()) else { return false };
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    NAMES.binary_search(&&*lower).is_ok()
}

/// Whether a word without digits is a value all the same; `bits` are the classes of its bytes together.
pub(crate) fn is_value(word: &[u8], bits: u8) -> bool {
    if bits & class::SLASH != 0 {
        let slashes = word.iter().filter(|byte| **byte == b'/').count();
        if (word[0] == b'/' && word.len() > 1) || slashes > 1 {
            return true;
        }
    }
    if bits & class::AT != 0
        && word.iter().position(|byte| *byte == b'@').is_some_and(|at| at > 0 && at + 1 < word.len())
    {
        return true;
    }
    bits & class::BACKSLASH != 0 && word.iter().filter(|byte| **byte == b'\\').count() > 1
}

/// Words that are values beside a value: parts of a date, units.
pub(crate) fn belongs_to_value(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 48] = [
        b"AM", b"Apr", b"Aug", b"B", b"CEST", b"CET", b"CST", b"Dec", b"EDT", b"EST", b"Feb", b"Fri", b"GB",
        b"GMT", b"GiB", b"Jan", b"Jul", b"Jun", b"KB", b"KiB", b"MB", b"Mar", b"May", b"MiB", b"Mon", b"Nov",
        b"Oct", b"PDT", b"PM", b"PST", b"Sat", b"Sep", b"Sun", b"TB", b"Thu", b"TiB", b"Tue", b"UTC", b"Wed",
        b"am", b"kB", b"min", b"ms", b"ns", b"pm", b"s", b"sec", b"us",
    ];
    word.len() <= 4 && WORDS.binary_search(&word).is_ok()
}

/// `Sat`, `May`: they belong to a value that follows, too.
pub(crate) fn is_date_word(word: &[u8]) -> bool {
    matches!(word, [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z']) && belongs_to_value(word)
}

/// Literals that stand for a value after a colon.
pub(crate) fn is_literal(word: &[u8]) -> bool {
    matches!(
        word,
        b"null"
            | b"nil"
            | b"None"
            | b"NULL"
            | b"true"
            | b"false"
            | b"True"
            | b"False"
            | b"NaN"
            | b"undefined"
    )
}

/// Keys whose value is text: severity, and who speaks.
pub(crate) fn is_text_key(word: &[u8]) -> bool {
    matches!(word, b"level" | b"lvl" | b"severity" | b"logger" | b"component" | b"module")
}

/// Keys whose quoted value is a message.
pub(crate) fn is_message_key(word: &[u8]) -> bool {
    matches!(word, b"msg" | b"message" | b"event")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: the tables that are searched by halves.
    /// Guarantees: they are sorted, so that every entry is found.
    #[test]
    fn tables_are_sorted() {
        assert!(NAMES.is_sorted() && NAMES.iter().all(|name| is_name(name)));
        assert!(is_name(b"IPv4") && !is_name(b"node1") && !is_name(b"a-long-name-with-1"));
        for word in ["Sat", "KB", "UTC", "ms", "AM", "us", "B"] {
            assert!(belongs_to_value(word.as_bytes()), "{word}");
        }
    }
}
