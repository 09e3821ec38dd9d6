//! How much work expiry is, counted in steps of the wheel.

use cloakroom_store::{Key, UnixTime, Write};

use crate::hashing::Hashing;
use crate::limits::{Limits, Share};
use crate::record::Record;
use crate::shard::Shard;

const START: u64 = 1_700_000_000;

struct Fixture {
    shard: Shard,
    hashing: Hashing,
    limits: Limits,
    keys: usize,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self {
            shard: Shard::new(0, 1),
            hashing: Hashing::new(),
            limits: Limits::new(usize::MAX, usize::MAX),
            keys: 0,
        };
        fixture.steps_at(START);
        fixture
    }

    fn add(&mut self, expires: u64) {
        self.keys += 1;
        let key = Key::new(&format!("key-{}", self.keys)).unwrap();
        let record = Record::new(
            &key,
            &Write::new(vec![0], UnixTime::from_secs(expires), None),
        );
        assert!(self.limits.reserve(record.cost(), Share::Anybody));
        let hash = self.hashing.key(key.as_bytes()) as u32;
        self.shard.insert(&self.hashing, hash, record);
    }

    /// Removes all that has expired; how many that were, in how many steps.
    fn steps_at(&mut self, now: u64) -> (usize, usize) {
        let (mut removed, mut steps) = (0, 0);
        loop {
            let now = UnixTime::from_secs(now);
            let (some, more) = self
                .shard
                .expire(&self.hashing, &self.limits, now, usize::MAX, 1);
            removed += some;
            steps += 1;
            if !more {
                return (removed, steps);
            }
        }
    }
}

#[test]
fn removing_a_tenth_takes_a_few_steps_for_each_record_of_that_tenth() {
    for life in [1_800, 43_200, 86_400 * 30] {
        let mut fixture = Fixture::new();
        for n in 0..20_000 {
            fixture.add(START + 1 + n * life / 20_000);
        }
        let (removed, steps) = fixture.steps_at(START + life / 10);
        assert!((1_900..=2_100).contains(&removed), "{removed}");
        assert!(steps <= removed * 8, "{steps} steps for {removed}");
    }
}

#[test]
fn records_that_do_not_expire_are_not_visited() {
    let steps = |others| {
        let mut fixture = Fixture::new();
        for n in 0..100 {
            fixture.add(START + 1 + n % 60);
        }
        for n in 0..others {
            fixture.add(START + 86_400 + n % 3_600);
        }
        fixture.steps_at(START + 60)
    };
    assert_eq!(steps(10), steps(50_000));
}

#[test]
fn a_record_takes_few_steps_however_long_it_lives() {
    for life in [
        1,
        60,
        1_800,
        43_200,
        86_400 * 400,
        UnixTime::MAX.as_secs() - START,
    ] {
        let mut fixture = Fixture::new();
        fixture.add(START + life);
        let mut steps = 0;
        // The clock comes by often on the way.
        for part in 1..=1_000 {
            let (removed, some) = fixture.steps_at(START + life * part / 1_000);
            assert_eq!(removed, usize::from(part == 1_000));
            steps += some - 1;
        }
        // One a level, and the last.
        assert!(steps <= 10, "{steps} steps for {life} s");
    }
}

#[test]
fn a_clock_that_was_far_ahead_costs_nothing_for_good() {
    let mut fixture = Fixture::new();
    for now in [UnixTime::MAX.as_secs(), START, 0, START] {
        fixture.steps_at(now);
        fixture.add(START + 90);
    }
    assert_eq!(fixture.steps_at(START + 89).0, 0);
    assert_eq!(fixture.steps_at(START + 89), (0, 1));
    assert_eq!(fixture.steps_at(START + 90).0, 4);
}
