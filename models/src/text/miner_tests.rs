//! Templates from lines: merging, order, bounds, restarts.

use proptest::prelude::*;

use super::*;

fn fresh() -> TemplateMiner {
    TemplateMiner::new(&MinerParams::default().check().unwrap())
}

fn take(miner: &mut TemplateMiner, line: &str, at: i64) -> Mined {
    let mut shape = Shape::default();
    shape.read(line.as_bytes());
    miner.take(0, &shape, at, 1)
}

fn texts(miner: &TemplateMiner) -> Vec<String> {
    let mut all: Vec<String> = miner.templates().map(|(_, template)| template.text()).collect();
    all.sort();
    all
}

/// Scenario: two statements that differ in one word, and one with a hundred names.
/// Guarantees: the two stay two; the hundred become one, whose former ids lead to it.
#[test]
fn words_are_variables_only_when_they_vary() {
    let mut miner = fresh();
    for at in 0..50 {
        take(&mut miner, "get ads by category started", at);
        take(&mut miner, "get ads by category finished", at);
    }
    let first = take(&mut miner, "order of Ann was shipped to Rome", 60);
    for n in 0..100_u8 {
        let name = format!("{}{}", char::from(b'a' + n % 26), char::from(b'a' + n / 26));
        take(&mut miner, &format!("order of {name} was shipped to Rome"), 61);
    }
    let expected =
        ["get ads by category finished", "get ads by category started", "order of <*> was shipped to Rome"];
    assert_eq!(texts(&miner), expected);
    assert!(first.is_new);
    assert_eq!(miner.template(first.id).unwrap().lines, 101);
    assert!(!take(&mut miner, "order of Zoe was shipped to Rome", 70).is_new);
}

/// Scenario: the same text from another logger or severity.
/// Guarantees: another template, another id.
#[test]
fn scope_is_part_of_the_template() {
    let (mut miner, mut shape) = (fresh(), Shape::default());
    shape.read(b"connection refused");
    let (one, other) = (miner.take(1, &shape, 0, 1), miner.take(2, &shape, 0, 1));
    assert_ne!(one.id, other.id);
    assert!(other.is_new);
}

const WORDS: [&str; 12] =
    ["alpha", "beta", "gamma", "delta", "open", "close", "disk", "node", "user", "fails", "again", "now"];

fn any_lines(max: usize) -> impl Strategy<Value = Vec<String>> {
    let line = prop::collection::vec(0..WORDS.len(), 1..6)
        .prop_map(|words| words.iter().map(|nth| WORDS[*nth]).collect::<Vec<_>>().join(" "));
    prop::collection::vec(line, 1..max)
}

proptest! {
    /// Scenario: any lines, a few templates allowed, saved and restored in the middle.
    /// Guarantees: bounds hold; the restored miner goes on as the other; ids are hashes of the text; an id that was
    /// given leads to a template or to nothing, never in a circle.
    #[test]
    fn bounded_and_restored(lines in any_lines(400), templates_max in 2..30u32) {
        let params = MinerParams { templates_max, aliases_max: 50, words_to_widen: 3, ..MinerParams::default() };
        let valid = params.check().unwrap();
        let mut miner = TemplateMiner::new(&valid);
        for (nth, line) in lines.iter().enumerate() {
            let mined = take(&mut miner, line, nth as i64);
            prop_assert!(miner.template(mined.id).is_some());
            prop_assert!(miner.templates().count() <= templates_max as usize);
            if nth == lines.len() / 2 {
                let bytes = postcard::to_allocvec(&miner).unwrap();
                let mut restored: TemplateMiner = postcard::from_bytes(&bytes).unwrap();
                prop_assert_eq!(&restored, &miner);
                let mut undisturbed = miner.clone();
                for (more, line) in lines.iter().enumerate() {
                    let at = (nth + more) as i64;
                    prop_assert_eq!(take(&mut restored, line, at), take(&mut undisturbed, line, at));
                }
                prop_assert_eq!(&restored, &undisturbed);
            }
        }
        let ids: Vec<TemplateId> = miner.templates().map(|(id, _)| id).collect();
        prop_assert!(ids.iter().all(|id| miner.resolve(*id) == *id));
    }

    /// Scenario: one statement with a name among others, in two orders.
    /// Guarantees: both replicas end with the same templates and ids.
    #[test]
    fn order_does_not_matter_where_words_vary_enough(seed in any::<u64>(), n in 5..40usize) {
        let name = |nth: usize| format!("{}{}", char::from(b'a' + (nth % 26) as u8), WORDS[nth / 26]);
        let mut lines: Vec<String> = (0..n).map(|nth| format!("user {} has logged in", name(nth))).collect();
        lines.push("cache is warm".to_owned());
        let mut shuffled = lines.clone();
        let mut draws = crate::testkit::Draws::new(seed);
        for nth in (1..shuffled.len()).rev() {
            shuffled.swap(nth, (draws.uniform() * (nth + 1) as f64) as usize);
        }
        let (mut one, mut other) = (fresh(), fresh());
        lines.iter().for_each(|line| { take(&mut one, line, 0); });
        shuffled.iter().for_each(|line| { take(&mut other, line, 0); });
        prop_assert_eq!(texts(&one), ["cache is warm", "user <*> has logged in"]);
        let ids = |miner: &TemplateMiner| miner.templates().map(|(id, _)| id).collect::<Vec<_>>();
        prop_assert_eq!(ids(&one), ids(&other));
    }
}
