//! Types that change, values that are equal, and records that earlier versions wrote.

mod support;

use std::cell::Cell;
use std::net::IpAddr;

use cloakroom_core::{Error, Fate};
use serde::{Deserialize, Serialize};
use support::{World, insert, keeps, sign_out};

#[derive(Serialize, Deserialize)]
struct Renamed {
    #[serde(alias = "visit_count", default)]
    visits: u64,
}

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(7) };
}

fn fresh() -> u64 {
    NEXT.replace(NEXT.get() + 1)
}

#[derive(Serialize, Deserialize)]
struct Known {
    #[serde(default = "fresh")]
    id: u64,
}

// R70
#[test]
fn a_renamed_field_leaves_one_name_and_is_read_by_the_next_request_r70() {
    let mut world = World::new();
    let token = world.issue(None, insert("visit_count", 3));
    for expected in [4, 5] {
        world.request(Some(&token), |session| {
            let done = session.update_typed(|all: &mut Renamed| all.visits += 1);
            assert_eq!(done, Ok(()));
        });
        world.see(&token, |session| {
            let read = session.typed::<Renamed>().map(|all| all.visits);
            assert_eq!(read, Ok(expected));
            assert_eq!(session.keys().collect::<Vec<_>>(), ["visits"]);
        });
    }
}

// R70
#[test]
fn a_default_that_differs_each_time_is_stored_r70() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.update_typed(|_: &mut Known| {}).expect("good");
    });
    let ids =
        [0; 2].map(|_| world.see(&token, |session| session.typed::<Known>().map(|all| all.id)));
    assert!(ids[0].is_ok() && ids[0] == ids[1], "{ids:?}");
}

// R71
#[test]
fn a_changed_type_locks_no_user_out_r71() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.sign_in("ada").expect("good");
        session.insert("visits", "hunter2secret").expect("good");
        session.insert("kept", 1).expect("good");
    });
    world.see(&token, |session| {
        let Err(error) = session.typed::<Renamed>() else {
            panic!("a text is no number")
        };
        assert!(matches!(&error, Error::Decode { name, .. } if &**name == "visits"));
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("string") && !text.contains("hunter2"),
            "{text}"
        );
    });
    world.request(Some(&token), |session| {
        let read = session.typed_or_reset::<Renamed>().map(|all| all.visits);
        assert_eq!(read, Ok(0));
    });
    world.see(&token, |session| {
        assert_eq!(session.keys().collect::<Vec<_>>(), ["kept"]);
        assert_eq!(session.get_or_reset::<String>("kept"), None);
        assert!(!session.contains("kept"));
    });
    world.request(Some(&token), sign_out);
    assert!(!world.lives(&token));
}

// R72
#[test]
fn a_request_that_cannot_read_its_session_does_not_extend_it_r72() {
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    let before = world.records.clone();
    world.later(600).request(Some(&token), |session| {
        assert!(session.get::<String>("n").is_err());
    });
    assert_eq!(world.records, before);
    world.request(Some(&token), |session| {
        assert_eq!(session.get::<u64>("n"), Ok(Some(1)));
    });
    assert_ne!(world.records, before, "a request that reads it does");
}

/// A map that iterates in its own order.
struct Ordered(&'static [(&'static str, u8)]);

impl Serialize for Ordered {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

// R73
#[test]
fn equal_values_are_no_change_r73() {
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session
            .insert("map", Ordered(&[("a", 1), ("b", 2)]))
            .expect("good");
    });
    world.see(&token, |session| {
        session
            .insert("map", Ordered(&[("b", 2), ("a", 1)]))
            .expect("good");
        let same = session.update("map", |map: Option<serde_json::Value>| {
            map.unwrap_or_default()
        });
        assert!(same.is_ok() && !session.is_modified());
        session
            .insert("map", Ordered(&[("b", 1), ("a", 2)]))
            .expect("good");
        assert!(session.is_modified());
    });
}

#[test]
fn a_fallible_update_leaves_the_session_as_it_is() {
    let take = |n: Option<u64>| n.unwrap_or(0).checked_sub(2).ok_or("too few");
    let mut world = World::new();
    let token = world.issue(None, insert("n", 1));
    world.see(&token, |session| {
        assert_eq!(session.try_update("n", take), Ok(Err("too few")));
        assert!(!session.is_modified());
    });
    world.request(Some(&token), insert("n", 3));
    let commit = world.begin(Some(&token), |session| {
        assert_eq!(session.try_update("n", take), Ok(Ok(1)));
    });
    keeps(&world.request(Some(&token), insert("n", 1)), Fate::Saved);
    let failed = world.run(commit);
    assert!(
        matches!(failed, Err(Error::UpdateFailed { .. })),
        "{failed:?}"
    );
    assert_eq!(world.number(&token, "n"), Some(1));
}

// R70
#[test]
fn values_nested_as_deep_as_accepted_are_read_alone_and_with_all_others_r70() {
    let mut world = World::new();
    let deep =
        |levels| (0..levels).fold(serde_json::json!(1), |value, _| serde_json::json!([value]));
    let token = world.issue(None, |session| {
        session.insert("deep", deep(256)).expect("the deepest");
        let deeper = session.insert("deeper", deep(257));
        assert!(matches!(deeper, Err(Error::TooLarge { limit: 256, .. })));
    });
    world.see(&token, |session| {
        assert_eq!(session.get("deep"), Ok(Some(deep(256))));
        let all = session.typed::<serde_json::Value>();
        assert_eq!(all, Ok(serde_json::json!({ "deep": deep(256) })));
    });
}

/// As ciborium writes it: in the compact form.
struct Compact(IpAddr);

impl Serialize for Compact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ciborium::Value::serialized(&self.0)
            .expect("an address")
            .serialize(serializer)
    }
}

#[test]
fn values_of_an_earlier_version_are_read_together_with_new_ones() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct Both {
        old: IpAddr,
        new: IpAddr,
    }
    let ip = IpAddr::from([10, 0, 0, 7]);
    let mut world = World::new();
    let token = world.issue(None, |session| {
        session.insert("old", Compact(ip)).expect("good");
        session.insert("new", ip).expect("good");
    });
    world.see(&token, |session| {
        assert_eq!(session.get("old"), Ok(Some(ip)));
        assert_eq!(session.typed(), Ok(Both { old: ip, new: ip }));
    });
}
