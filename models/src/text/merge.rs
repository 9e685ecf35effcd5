//! Which templates are one: pure decisions over templates of the same skeleton.
//!
//! A place becomes a variable when otherwise equal lines show enough different words there. So two statements that
//! differ in one word (`started`, `finished`) stay two, and a hundred user names become one. Unlike Drain (He et al.,
//! ICWS 2017) nothing is merged on the first likeness, and the set of lines decides, not their order.

use std::collections::BTreeSet;

use super::miner_params::MinerParams;
use super::shape::{Kind, VALUE};
use super::template::{Places, Template, TemplateId, differing};

/// Sets of places that are looked at for one new template.
const TRIED_MAX: usize = 32;

/// How many words a value counts for among what stands at one place.
const VALUE_COUNTS_FOR: u32 = 2;
/// The fewest words that make a place a variable, and the shared words that are no evidence yet.
const WORDS_AT_LEAST: u32 = 3;

/// Templates that are one, and where they become variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) members: Vec<TemplateId>,
    pub(crate) places: Places,
}

/// Looks for templates that are one with `new` (which is not among `others`); the fewest variables win.
pub(crate) fn merge_with(
    new: (TemplateId, &Template),
    others: &[(TemplateId, &Template)],
    params: &MinerParams,
) -> Option<Merge> {
    let (id, new) = new;
    let words = new.n_words();
    let differing_max = ((words as f64 * params.differing_share) as u32).max(u32::from(words > 1));
    let near: Vec<(TemplateId, &Template, Places)> = others
        .iter()
        .map(|(other, template)| (*other, *template, differing(template, &new.bytes, &new.tokens)))
        .filter(|(_, _, places)| places.count_ones() <= differing_max)
        .collect();
    let mut tried: Vec<Places> = near.iter().map(|(_, _, places)| *places).collect();
    tried.sort_unstable_by_key(|places| (places.count_ones(), *places));
    tried.dedup();
    tried.into_iter().take(TRIED_MAX).find_map(|places| {
        let members: Vec<_> = near.iter().filter(|(_, _, theirs)| theirs & !places == 0).collect();
        let varies = |place: usize| {
            let values: BTreeSet<&[u8]> = members
                .iter()
                .map(|(_, template, _)| *template)
                .chain([new])
                .map(|t| t.token(place))
                .collect();
            let needed = needed(new, place, words.saturating_sub(places.count_ones() as usize), params);
            let n_words = values.iter().filter(|value| **value != VALUE).count() as u32;
            // Where other lines have a value, fewer words are enough, but never one.
            if values.contains(VALUE) {
                n_words >= 2 && n_words + VALUE_COUNTS_FOR >= needed
            } else {
                n_words >= needed
            }
        };
        let all_vary = (0..new.tokens.len()).filter(|place| places >> place & 1 == 1).all(varies);
        all_vary.then(|| {
            let wide = members
                .iter()
                .map(|(_, template, _)| *template)
                .chain([new])
                .fold(places, |all, t| all | wide_places(t));
            let members = members.iter().map(|(other, _, _)| *other).chain([id]).collect();
            Merge { members, places: wide }
        })
    })
}

/// How many different words at a place make it a variable. The more words two lines share, the less likely they come
/// from two statements; after a colon and after the name of a kind of thing, a word is likely a value.
fn needed(template: &Template, place: usize, shared: usize, params: &MinerParams) -> u32 {
    if template.is_after_colon(place) {
        return params.values_to_widen;
    }
    let before = place.checked_sub(1).map(|before| template.token(before));
    let fewest = params.words_to_widen.min(WORDS_AT_LEAST);
    if before.is_some_and(names_a_kind) {
        return fewest;
    }
    params.words_to_widen.saturating_sub((shared as u32).saturating_sub(WORDS_AT_LEAST)).max(fewest)
}

/// Words that are followed by the name of one of their kind.
fn names_a_kind(word: &[u8]) -> bool {
    const KINDS: [&[u8]; 18] = [
        b"class", b"client", b"file", b"for", b"from", b"host", b"job", b"key", b"name", b"named", b"node",
        b"queue", b"server", b"service", b"table", b"task", b"topic", b"user",
    ];
    KINDS.binary_search(&word).is_ok()
}

pub(crate) fn wide_places(template: &Template) -> Places {
    let wide = |(place, token): (usize, &super::shape::Token)| {
        if token.kind == Kind::Wide { 1 << place } else { 0 }
    };
    template.tokens.iter().enumerate().map(wide).fold(0, |all: Places, place| all | place)
}
