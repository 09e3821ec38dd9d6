//! A run's output, through the library.

include!("support/map_store.rs");

use std::collections::BTreeSet;
use std::sync::Arc;

use cloakroom_conformance::store::{self, Ability, Claims, Fixture, FixtureError, Place};
use cloakroom_conformance::{Report, Verdict};

/// Claims nothing, and denies one thing.
struct Modest;

impl Fixture for Modest {
    type Store = Arc<MapStore>;
    const NAME: &'static str = "modest";

    async fn open(&self, place: &Place) -> Result<Self::Store, FixtureError> {
        Ok(Arc::new(MapStore::new(place.clock().clone())))
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        claims.never(Ability::Shared, "one process is enough")
    }
}

/// Cannot open its store.
struct Unopened;

impl Fixture for Unopened {
    type Store = Arc<MapStore>;
    const NAME: &'static str = "unopened";

    async fn open(&self, _: &Place) -> Result<Self::Store, FixtureError> {
        Err("connection refused".into())
    }
}

/// It uses another clock than it claims.
struct WrongClock;

impl Fixture for WrongClock {
    type Store = Arc<MapStore>;
    const NAME: &'static str = "wrong-clock";

    async fn open(&self, _: &Place) -> Result<Self::Store, FixtureError> {
        Ok(Arc::new(MapStore::new(
            cloakroom_conformance::FakeClock::default(),
        )))
    }
}

async fn run(fixture: impl Fixture, part: &str) -> Report {
    let suite = store::suite(fixture).only(|name| name.contains(part));
    suite.run(|_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn abilities_neither_claimed_nor_denied_are_skipped_loudly() {
    let report = run(Modest, "").await;
    assert_eq!(report.tally().failed, 0);
    let lines: Vec<_> = report.outcomes().iter().map(ToString::to_string).collect();
    let expected = [
        "skipped store/directory-follows-writes[modest/direct]: the fixture neither claims nor denies `directory`",
        "skipped store/*[modest/handles]: the fixture neither claims nor denies `handles`",
        "n/a     store/*[modest/processes]: one process is enough",
        "ok      store/load-missing[modest/shared-store]",
    ];
    for line in expected {
        assert!(
            lines.iter().any(|known| known == line),
            "{line} is not in {lines:#?}"
        );
    }
    let skipped =
        |outcome: &&cloakroom_conformance::Outcome| matches!(outcome.verdict, Verdict::Skipped(_));
    assert_eq!(
        report.outcomes().iter().filter(skipped).count(),
        report.tally().skipped
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_open_fails_with_the_cause() {
    let report = run(Unopened, "store/load-missing[unopened/direct]").await;
    let line = report.outcomes()[0].to_string();
    let expected = "\
FAILED  store/load-missing[unopened/direct]
        the fixture could not open a store: connection refused
        required (R54): loading a missing record returns none, not an error
        source: cloakroom_store::Store::load";
    assert_eq!(line, expected);
    assert_eq!(
        report.to_string(),
        "\nfailures:\n    store/load-missing[unopened/direct]\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_with_the_wrong_clock_fails() {
    let report = run(WrongClock, "store/expiry-to-the-second[wrong-clock/direct]").await;
    assert_eq!(report.tally().failed, 1);
}

#[test]
fn each_case_has_an_id_of_its_own_requirements_a_sentence_and_a_source() {
    let mut ids = BTreeSet::new();
    for case in store::cases() {
        let name = case.id.strip_prefix("store/").unwrap();
        assert!(
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{}",
            case.id
        );
        assert!(ids.insert(case.id), "{} twice", case.id);
        assert!(
            !case.requirements.is_empty() && !case.sentence.is_empty() && !case.source.is_empty()
        );
        for requirement in case.requirements {
            let (kind, number) = requirement.split_at(1);
            let most = if kind == "R" { 95 } else { 12 };
            assert!(
                matches!(kind, "R" | "I") && (1..=most).contains(&number.parse::<u32>().unwrap()),
                "{requirement}"
            );
        }
    }
}
