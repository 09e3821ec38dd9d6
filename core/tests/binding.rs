//! The hidden value that binds a session to a device.

mod support;

use support::{World, ada, clear, count, insert, rotate};

fn bind(session: &mut cloakroom_core::Session<'_>) {
    session.set_binding("bound").expect("room");
}

fn bound(world: &mut World, token: &str) -> Option<String> {
    world.see(token, |session| session.binding().expect("a text"))
}

#[test]
fn a_clear_that_races_a_binding_keeps_it() {
    // Set before, changed while the clear is under way, and set in the clearing request itself.
    let mut world = World::new();
    let token = world.issue(None, |session| {
        bind(session);
        session.insert("n", 1).expect("a number");
    });
    let clearing = world.begin(Some(&token), clear);
    world.request(Some(&token), |session| {
        session.set_binding("newer").expect("room");
        session.insert("m", 2).expect("a number");
    });
    world.run(clearing).expect("cleared");
    assert_eq!(bound(&mut world, &token).as_deref(), Some("newer"));
    assert_eq!(world.see(&token, |session| session.len()), 0);

    world.request(Some(&token), |session| {
        session.insert("n", 1).expect("a number");
        session.set_binding("newest").expect("room");
        session.clear();
        assert_eq!(
            session.binding().expect("a text").as_deref(),
            Some("newest")
        );
    });
    assert_eq!(bound(&mut world, &token).as_deref(), Some("newest"));
}

#[test]
fn a_rotation_keeps_it_with_and_without_a_clear() {
    let mut world = World::new();
    let token = world.issue(None, bind);
    world.request(Some(&token), insert("n", 1));
    let token = world.issue(Some(&token), rotate);
    assert_eq!(bound(&mut world, &token).as_deref(), Some("bound"));
    world.later(60);
    let token = world.issue(Some(&token), |session| {
        session.clear();
        session.rotate();
    });
    assert_eq!(bound(&mut world, &token).as_deref(), Some("bound"));
    assert_eq!(world.number(&token, "n"), None);
}

#[test]
fn a_sign_in_ends_it_also_if_it_is_set_meanwhile() {
    for clears in [false, true] {
        for subject in ["ada", "bob"] {
            for racing in [false, true] {
                let mut world = World::new();
                let token = world.issue(None, ada);
                world.request(Some(&token), insert("n", 1));
                if !racing {
                    world.request(Some(&token), bind);
                }
                let sign_in = world.begin(Some(&token), |session| {
                    if clears {
                        session.clear();
                    }
                    session.sign_in(subject).expect("a good subject");
                    if clears {
                        session.clear();
                    }
                    assert_eq!(session.binding().expect("a text"), None);
                    count(session);
                });
                if racing {
                    world.request(Some(&token), bind);
                }
                let outcome = world.run(sign_in).expect("signed in");
                let token = support::issued(&outcome).expect("a token");
                assert_eq!(bound(&mut world, &token), None, "{subject} {racing}");
                let kept = !clears && subject == "ada";
                assert_eq!(world.number(&token, "n"), Some(1 + u64::from(kept)));
            }
        }
    }
}

#[test]
fn what_is_set_after_a_sign_in_belongs_to_the_new_session() {
    let mut world = World::new();
    let old = world.issue(None, bind);
    let token = world.issue(Some(&old), |session| {
        session.sign_in("ada").expect("a good subject");
        session.set_binding("new").expect("room");
    });
    assert_eq!(bound(&mut world, &token).as_deref(), Some("new"));
    assert_eq!(bound(&mut world, &old).as_deref(), Some("bound"));
}

#[test]
fn an_update_runs_again_over_a_newer_one_or_fails() {
    let mut world = World::new();
    let token = world.issue(None, bind);
    let longer = |binding: Option<String>| match binding.as_deref() {
        Some("end") => Err("it has ended"),
        Some(binding) => Ok(format!("{binding}+")),
        None => Err("there is none"),
    };
    let first = world.begin(Some(&token), |session| {
        let updated = session.update_binding(longer).expect("room");
        assert_eq!(updated.as_deref(), Ok("bound+"));
    });
    world.request(Some(&token), |session| {
        session.set_binding("other").expect("room");
    });
    world.run(first).expect("saved");
    assert_eq!(bound(&mut world, &token).as_deref(), Some("other+"));

    let second = world.begin(Some(&token), |session| {
        assert!(session.update_binding(longer).expect("room").is_ok());
    });
    world.request(Some(&token), |session| {
        session.set_binding("end").expect("room");
    });
    let error = world.run(second).expect_err("nothing is saved");
    assert!(matches!(error, cloakroom_core::Error::UpdateFailed { .. }));
}
