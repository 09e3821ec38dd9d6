//! The protocol between a browser and a site, in virtual time.

mod client;
mod site;
#[path = "../../tests/support/mod.rs"]
mod support;

use client::Device;
use cloakroom_dbsc::{Policy, Status};
use site::{CHALLENGE_LIFE, COOKIE_LIFE, Site};
use support::{count, rotate};

fn ended(body: &str) -> bool {
    let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
    json["continue"] == false
}

// R87
#[test]
fn a_bound_session_needs_its_bound_cookie_until_the_second_of_its_end() {
    for (after, expected) in [
        (0, Status::Bound),
        (COOKIE_LIFE - 1, Status::Bound),
        (COOKIE_LIFE, Status::Stale),
        (COOKIE_LIFE + 1, Status::Stale),
    ] {
        let mut site = Site::new();
        let (token, device) = site.bound(1);
        // Confirmed in the second of the registration.
        site.world.later(after);
        assert_eq!(site.check(&token, &device), expected, "after {after} s");
        let mut without = device.clone();
        without.cookie = None;
        assert_eq!(site.check(&token, &without), Status::Missing);
        for policy in [Policy::Observe, Policy::Refuse] {
            let checked = site.guard(&token, &device, policy);
            let refused = policy == Policy::Refuse && expected == Status::Stale;
            let answer = checked.answer.map(|answer| answer.status.as_u16());
            assert_eq!(answer, refused.then_some(403), "after {after} s");
        }
    }
}

#[test]
fn a_challenge_is_valid_until_the_second_of_its_end() {
    for (after, expected) in [
        (0, 200),
        (CHALLENGE_LIFE - 1, 200),
        (CHALLENGE_LIFE, 403),
        (CHALLENGE_LIFE + 1, 403),
    ] {
        let mut site = Site::new();
        let (token, mut device) = site.bound(1);
        site.world.later(after);
        let answer = site.refresh(Some(&token), &device.refresh_request());
        assert_eq!(answer.status, expected, "after {after} s");
        // With the new challenge it works again.
        device.take(expected, &answer.headers, &answer.body);
        let answer = site.refresh(Some(&token), &device.refresh_request());
        assert_eq!(answer.status, 200, "after {after} s");
    }
    // The same for the offer's challenge.
    for (after, expected) in [(CHALLENGE_LIFE - 1, 200), (CHALLENGE_LIFE, 403)] {
        let mut site = Site::new();
        let (token, challenge) = site.sign_in(None);
        let jws = Device::new(1).registration(&challenge);
        site.world.later(after);
        assert_eq!(site.register(&token, &jws).status, expected);
    }
}

// A node whose clock was far ahead cannot lengthen anything.
#[test]
fn what_comes_from_far_ahead_is_not_accepted() {
    for (ahead, expected) in [(60, Status::Bound), (61, Status::Stale)] {
        let mut site = Site::new();
        let (token, mut device) = site.bound(1);
        site.world.later(ahead);
        site.renew(Some(&token), &mut device);
        site.world.now -= ahead;
        assert_eq!(site.check(&token, &device), expected, "{ahead} s ahead");
    }
}

#[test]
fn a_refresh_costs_one_load_and_no_write() {
    let mut site = Site::new();
    let (token, mut device) = site.bound(1);
    let mut cookies = vec![device.cookie.clone()];
    for _ in 0..5 {
        site.world.later(COOKIE_LIFE);
        site.world.take_calls();
        let answer = site.refresh(Some(&token), &device.refresh_request());
        assert_eq!(answer.status, 200);
        assert_eq!(site.world.take_calls(), ["load"]);
        device.take(200, &answer.headers, &answer.body);
        assert_eq!(site.check(&token, &device), Status::Bound);
        assert!(
            !cookies.contains(&device.cookie),
            "the cookie stays the same"
        );
        cookies.push(device.cookie.clone());
    }
}

// R87: the thief has all cookies and no key.
#[test]
fn a_copied_cookie_jar_works_until_the_bound_cookie_expires() {
    let mut site = Site::new();
    let (token, device) = site.bound(1);
    let mut thief = Device::new(2);
    thief.cookie.clone_from(&device.cookie);
    thief.id.clone_from(&device.id);
    site.world.later(COOKIE_LIFE - 1);
    assert!(site.guard(&token, &thief, Policy::Refuse).answer.is_none());
    site.world.later(1);
    for _ in 0..3 {
        let refused = site.guard(&token, &thief, Policy::Refuse).answer;
        let refused = refused.expect("a refusal");
        thief.take(403, &refused.headers, &refused.body);
        let answer = site.refresh(Some(&token), &thief.refresh_request());
        assert_eq!(answer.status, 403, "another key refreshes");
        assert!(!answer.headers.contains_key("set-cookie"));
        thief.take(403, &answer.headers, &answer.body);
    }
    // The device itself goes on.
    let mut device = device;
    site.renew(Some(&token), &mut device);
    assert_eq!(site.check(&token, &device), Status::Bound);
}

// R88
#[test]
fn doubled_and_dropped_refreshes_end_nothing() {
    let mut site = Site::new();
    let (token, mut device) = site.bound(1);
    site.world.later(COOKIE_LIFE);
    let request = device.refresh_request();
    let first = site.refresh(Some(&token), &request);
    let second = site.refresh(Some(&token), &request);
    // The answers may arrive in any order, or not at all.
    for answers in [vec![&first, &second], vec![&second, &first], vec![]] {
        let mut device = device.clone();
        for answer in &answers {
            assert_eq!(answer.status, 200);
            device.take(200, &answer.headers, &answer.body);
        }
        site.renew(Some(&token), &mut device);
        assert_eq!(site.check(&token, &device), Status::Bound);
    }
    // Nor does a browser that restarts without its challenge.
    device.challenge = None;
    site.renew(Some(&token), &mut device);
    assert_eq!(site.check(&token, &device), Status::Bound);
}

// A browser that first asks for a guarded page when its cookie has expired.
#[test]
fn the_first_refresh_confirms_the_registration() {
    let mut site = Site::new();
    let (token, challenge) = site.sign_in(None);
    let mut device = Device::new(1);
    let answer = site.register(&token, &device.registration(&challenge));
    device.take(200, &answer.headers, &answer.body);
    site.world.later(COOKIE_LIFE);
    assert_eq!(site.check(&token, &device), Status::Pending);
    site.renew(Some(&token), &mut device);
    let thief = Device::new(2);
    assert_eq!(site.check(&token, &thief), Status::Missing);
    assert_eq!(site.check(&token, &device), Status::Bound);
}

// R88
#[test]
fn a_doubled_registration_gets_the_same_session() {
    let mut site = Site::new();
    let (token, challenge) = site.sign_in(None);
    let mut device = Device::new(1);
    let jws = device.registration(&challenge);
    for _ in 0..3 {
        let answer = site.register(&token, &jws);
        device.take(200, &answer.headers, &answer.body);
        assert_eq!(site.check(&token, &device), Status::Bound);
    }
    // Once the browser has shown its cookie, no other key takes its place.
    let other = Device::new(2).registration(&challenge);
    assert_eq!(site.register(&token, &other).status, 403);
    assert_eq!(site.check(&token, &device), Status::Bound);
}

// R88
#[test]
fn a_lost_answer_to_a_registration_locks_nobody_out() {
    let mut site = Site::new();
    let (token, challenge) = site.sign_in(None);
    let lost = Device::new(1);
    let answer = site.register(&token, &lost.registration(&challenge));
    assert_eq!(answer.status, 200);
    site.world.later(COOKIE_LIFE + 1);

    // The browser has nothing, goes on, and is offered the binding again.
    let mut browser = Device::new(2);
    let checked = site.guard(&token, &browser, Policy::Refuse);
    assert!(checked.answer.is_none() && checked.status == Status::Pending);
    let challenge = site.offer_again(&token).expect("another offer");
    let answer = site.register(&token, &browser.registration(&challenge));
    browser.take(200, &answer.headers, &answer.body);
    assert_eq!(site.check(&token, &browser), Status::Bound);
    assert_eq!(site.offer_again(&token), None, "it is bound");
}

// R88: a browser takes two offers at once, with a key for each, and keeps two sessions.
#[test]
fn a_browser_that_registers_twice_keeps_the_key_that_counts() {
    for swapped in [false, true] {
        let mut site = Site::new();
        let (token, challenge) = site.sign_in(None);
        let (mut one, mut two) = (Device::new(1), Device::new(2));
        let first = site.register(&token, &one.registration(&challenge));
        let second = site.register(&token, &two.registration(&challenge));
        one.take(200, &first.headers, &first.body);
        two.take(200, &second.headers, &second.body);
        assert_ne!(one.id, two.id);
        // The jar keeps the cookie of the answer that arrived last.
        let cookie = if swapped { &one.cookie } else { &two.cookie };
        let mut browser = two.clone();
        browser.cookie.clone_from(cookie);
        let checked = site.guard(&token, &browser, Policy::End);
        assert!(checked.answer.is_none(), "locked out");
        // Both are refreshed. The first one ends, and it alone.
        let answer = site.refresh(Some(&token), &one.refresh_request());
        assert!(ended(&answer.body));
        site.renew(Some(&token), &mut browser);
        assert_eq!(site.check(&token, &browser), Status::Bound);
    }
}

// R88: its browser may have got its end, and would be locked out with it.
#[test]
fn a_key_that_lost_its_place_does_not_come_back() {
    for others in [1, 4] {
        let mut site = Site::new();
        let (token, challenge) = site.sign_in(None);
        let mut one = Device::new(1);
        let jws = one.registration(&challenge);
        let answer = site.register(&token, &jws);
        one.take(200, &answer.headers, &answer.body);
        for seed in 2..2 + others {
            let lost = Device::new(seed);
            let answer = site.register(&token, &lost.registration(&challenge));
            assert_eq!(answer.status, 200);
        }
        let answer = site.refresh(Some(&token), &one.refresh_request());
        assert!(ended(&answer.body));
        assert_eq!(site.register(&token, &jws).status, 403);
        assert_eq!(site.check(&token, &one), Status::Pending);
        let mut last = Device::new(9);
        let answer = site.register(&token, &last.registration(&challenge));
        last.take(200, &answer.headers, &answer.body);
        assert_eq!(site.check(&token, &last), Status::Bound);
    }
}

// R88: a late answer to a refresh from before another sign-in replaced the good cookie.
#[test]
fn a_refused_cookie_is_removed_so_that_the_browser_refreshes() {
    let mut site = Site::new();
    let (_, other) = site.bound(2);
    let (token, mut device) = site.bound(1);
    device.cookie = other.cookie;
    let refused = site.guard(&token, &device, Policy::Refuse).answer;
    let headers = refused.expect("a foreign cookie").headers;
    let line = headers["set-cookie"].to_str().expect("text");
    assert!(line.starts_with("__Host-session-bound=; ") && line.contains("Max-Age=0"));
    device.cookie = None;
    let refused = site.guard(&token, &device, Policy::Refuse).answer;
    let headers = refused.expect("no cookie").headers;
    assert!(!headers.contains_key("set-cookie"));
    site.renew(Some(&token), &mut device);
    assert_eq!(site.check(&token, &device), Status::Bound);
}

// R88: a second offer while the browser makes its key would make it register twice.
#[test]
fn a_session_that_waits_for_its_key_is_offered_again_after_half_a_minute() {
    let mut site = Site::new();
    let (token, challenge) = site.sign_in(None);
    site.world.later(29);
    assert_eq!(site.offer_again(&token), None);
    site.world.later(1);
    let again = site.offer_again(&token).expect("an offer");
    assert_ne!(again, challenge);
    // One that nobody signed in waits for none.
    let anonymous = site.world.issue(None, count);
    site.world.later(30);
    assert_eq!(site.offer_again(&anonymous), None);
}

#[test]
fn a_rotation_keeps_the_binding_and_a_sign_in_ends_it() {
    let mut site = Site::new();
    let (token, mut device) = site.bound(1);
    let rotated = site.world.issue(Some(&token), rotate);
    // Within the grace both tokens.
    assert_eq!(site.check(&token, &device), Status::Bound);
    assert_eq!(site.check(&rotated, &device), Status::Bound);
    site.world.later(COOKIE_LIFE);
    assert_eq!(site.check(&rotated, &device), Status::Stale);
    site.renew(Some(&rotated), &mut device);
    assert_eq!(site.check(&rotated, &device), Status::Bound);

    let (token, challenge) = site.sign_in(Some(&rotated));
    assert_eq!(site.check(&token, &device), Status::Pending);
    let answer = site.refresh(Some(&token), &device.refresh_request());
    assert!(ended(&answer.body), "the old binding goes on");
    let mut device = Device::new(1);
    let answer = site.register(&token, &device.registration(&challenge));
    device.take(200, &answer.headers, &answer.body);
    assert_eq!(site.check(&token, &device), Status::Bound);
}

// R88
#[test]
fn a_sign_out_ends_the_binding_in_the_browser_too() {
    let mut site = Site::new();
    let (token, mut device) = site.bound(1);
    // A refresh is under way, and arrives after the sign-out.
    let (answer, commit) = site.begin_refresh(Some(&token), &device.refresh_request());
    site.world.request(Some(&token), support::sign_out);
    site.world.run(commit).expect("nothing to write");
    assert_eq!(answer.status, 200);
    device.take(200, &answer.headers, &answer.body);
    assert!(!site.world.lives(&token), "a refresh revives the session");

    // With the old session's cookie, and without it.
    for token in [Some(&*token), None] {
        let mut device = device.clone();
        let answer = site.refresh(token, &device.refresh_request());
        assert!(answer.status == 200 && ended(&answer.body));
        device.take(200, &answer.headers, &answer.body);
        assert_eq!(device.id, None);
    }
    let removal = site.binding.removal().expect("a line");
    let removal = removal.to_str().expect("text");
    assert!(removal.starts_with("__Host-session-bound=; "), "{removal}");
    assert!(removal.contains("; Max-Age=0"));
}

#[test]
fn the_policy_end_signs_out() {
    let mut site = Site::new();
    let (token, device) = site.bound(1);
    assert!(site.guard(&token, &device, Policy::End).answer.is_none());
    assert!(site.world.lives(&token));
    site.world.later(COOKIE_LIFE);
    let answer = site.guard(&token, &device, Policy::End).answer;
    let answer = answer.expect("a refusal");
    assert_eq!(answer.status, 401);
    assert!(answer.headers.contains_key("set-cookie"));
    assert!(!site.world.lives(&token));
}

// Sessions and browsers without the protocol.
#[test]
fn without_a_registration_every_policy_lets_pass() {
    let mut site = Site::new();
    let anonymous = site.world.issue(None, support::insert("n", 1));
    let (signed_in, _) = site.sign_in(None);
    let browser = Device::new(1);
    for policy in [Policy::Observe, Policy::Refuse, Policy::End] {
        site.world.take_calls();
        for (token, status) in [(&anonymous, Status::Unbound), (&signed_in, Status::Pending)] {
            let checked = site.guard(token, &browser, policy);
            assert_eq!(checked.status, status);
            assert!(checked.answer.is_none());
        }
        assert_eq!(site.world.take_calls(), ["load", "load"]);
    }
}

#[test]
fn no_handler_sees_or_drops_the_binding() {
    let mut site = Site::new();
    let (token, device) = site.bound(1);
    site.see(&token, |session| {
        assert_eq!((session.len(), session.keys().count()), (0, 0));
        assert!(session.insert("\u{2}binding", "mine").is_err());
    });
    site.world.request(Some(&token), |session| {
        session.insert("n", 1).expect("a number");
        session.clear();
        session.clear();
    });
    site.world.request(Some(&token), support::clear);
    assert_eq!(site.check(&token, &device), Status::Bound);
}
