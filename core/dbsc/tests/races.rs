//! R88: registrations and refreshes at the same time as other requests of the session.

mod client;
mod site;
#[path = "../../tests/support/mod.rs"]
mod support;

use client::Device;
use cloakroom_core::Error;
use cloakroom_dbsc::{Policy, Status};
use proptest::prelude::*;
use site::{COOKIE_LIFE, Site};
use support::{count, rotate};

// R88: neither the binding nor the page's write is lost, whichever is first, and if an answer of
// the store is lost in between.
#[test]
fn a_registration_that_races_a_page_load_loses_nothing() {
    let writes: [fn(&mut cloakroom_core::Session<'_>); 3] = [count, rotate, |session| {
        session.clear();
        count(session);
    }];
    for write in writes {
        for (registration_first, lost) in
            [(true, false), (true, true), (false, false), (false, true)]
        {
            let mut site = Site::new();
            let (token, challenge) = site.sign_in(None);
            site.world.request(Some(&token), |session| {
                session.insert("a", 1).expect("a number");
            });
            let mut device = Device::new(1);
            let page = site.world.begin(Some(&token), write);
            let (answer, registration) =
                site.begin_registration(&token, &device.registration(&challenge));
            let (first, second) = match registration_first {
                true => (registration, page),
                false => (page, registration),
            };
            site.world.run(first).expect("the first one is saved");
            let mut second = site.world.until(second, "replace");
            if lost {
                second = site.world.lose(second, false).expect("it is tried again");
            }
            site.world.run(second).expect("the second one is saved");

            device.take(200, &answer.headers, &answer.body);
            assert_eq!(site.check(&token, &device), Status::Bound);
            let counted = site.world.number(&token, "n");
            let rotates = site.world.records.len() > 1;
            assert!(counted == Some(1) || rotates, "the page's write is lost");
        }
    }
}

// R88: each of two browsers' registrations is answered. The later commit counts, and the other
// browser starts over at its next refresh.
#[test]
fn of_two_registrations_at_once_one_stays_and_the_other_starts_over() {
    let mut site = Site::new();
    let (token, challenge) = site.sign_in(None);
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    let (answer_one, commit_one) = site.begin_registration(&token, &one.registration(&challenge));
    let (answer_two, commit_two) = site.begin_registration(&token, &two.registration(&challenge));
    site.world.run(commit_one).expect("saved");
    site.world.run(commit_two).expect("saved over it");
    one.take(200, &answer_one.headers, &answer_one.body);
    two.take(200, &answer_two.headers, &answer_two.body);

    // The first browser's cookie confirms nothing, and does not lock it out.
    assert_eq!(site.check(&token, &one), Status::Pending);
    let answer = site.refresh(Some(&token), &one.refresh_request());
    assert_eq!(answer.status, 200);
    one.take(200, &answer.headers, &answer.body);
    assert_eq!(one.id, None, "it goes on with a key that nobody knows");
    assert_eq!(site.check(&token, &two), Status::Bound);
}

// R88: the browser has shown its cookie while another registration was under way.
#[test]
fn a_confirmed_key_is_not_replaced_by_a_registration_under_way() {
    let mut site = Site::new();
    let (token, challenge) = site.sign_in(None);
    let (mut one, two) = (Device::new(1), Device::new(2));
    let answer = site.register(&token, &one.registration(&challenge));
    one.take(200, &answer.headers, &answer.body);
    let (_, late) = site.begin_registration(&token, &two.registration(&challenge));
    assert_eq!(site.check(&token, &one), Status::Bound);
    // The adapter answers this with a 5xx, and the browser keeps what it has.
    let error = site.world.run(late).expect_err("it replaces the key");
    assert!(matches!(error, Error::UpdateFailed { .. }), "{error:?}");
    site.world.later(COOKIE_LIFE);
    site.renew(Some(&token), &mut one);
    assert_eq!(site.check(&token, &one), Status::Bound);
}

// R88: a registration with the token from before a sign-in does not bind the new session.
#[test]
fn a_registration_never_crosses_a_sign_in() {
    let mut site = Site::new();
    let (old, challenge) = site.sign_in(None);
    let mut thief = Device::new(2);
    let jws = thief.registration(&challenge);
    let (_, late) = site.begin_registration(&old, &jws);
    let (token, _) = site.sign_in(Some(&old));
    let error = site.world.run(late).expect_err("it is saved");
    assert!(matches!(error, Error::Superseded), "{error:?}");
    assert_eq!(site.check(&token, &thief), Status::Pending);
    // Nor one whose commit was first, while the sign-in was under way.
    let mut site = Site::new();
    let (old, challenge) = site.sign_in(None);
    let sign_in = site.world.begin(Some(&old), support::ada);
    let answer = site.register(&old, &thief.registration(&challenge));
    thief.take(200, &answer.headers, &answer.body);
    let outcome = site.world.run(sign_in).expect("signed in");
    let token = support::issued(&outcome).expect("a token");
    assert_eq!(site.check(&token, &thief), Status::Unbound);
}

/// A step of a browser or its server. Each answer may be lost.
#[derive(Clone, Copy, Debug)]
enum Step {
    Register { lost: bool },
    Refresh { lost: bool },
    Restart,
    Page { lost: bool },
    Rotate,
    SignIn { lost: bool },
    Later(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lost = any::<bool>;
    let step = prop_oneof![
        3 => lost().prop_map(|lost| Step::Register { lost }),
        3 => lost().prop_map(|lost| Step::Refresh { lost }),
        1 => Just(Step::Restart),
        4 => lost().prop_map(|lost| Step::Page { lost }),
        1 => Just(Step::Rotate),
        1 => lost().prop_map(|lost| Step::SignIn { lost }),
        3 => (0..2 * COOKIE_LIFE).prop_map(Step::Later),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    // R88: whatever is lost, the browser of the session reaches its pages. It refreshes where it
    // has to, as browsers do, and registers where it is offered to.
    #[test]
    fn no_lost_answer_locks_the_browser_out(steps in steps()) {
        let mut site = Site::new();
        let (mut token, challenge) = site.sign_in(None);
        let mut offer = Some(challenge);
        let mut device = Device::new(1);
        let mut seed = 1;
        for step in steps {
            match step {
                Step::Later(seconds) => {
                    site.world.later(seconds.min(1_000));
                }
                Step::Restart => device.challenge = None,
                Step::Rotate => token = site.world.issue(Some(&token), rotate),
                Step::SignIn { lost } => {
                    let (new, challenge) = site.sign_in(Some(&token));
                    token = new;
                    offer = (!lost).then_some(challenge);
                }
                Step::Register { lost } => {
                    let Some(challenge) = offer.take() else { continue };
                    // A browser makes a new key for each registration.
                    seed += 1;
                    let mut new = Device::new(seed);
                    new.cookie.clone_from(&device.cookie);
                    let answer = site.register(&token, &new.registration(&challenge));
                    if !lost && answer.status == 200 {
                        new.take(200, &answer.headers, &answer.body);
                        device = new;
                    }
                }
                Step::Refresh { lost } => {
                    if device.id.is_none() { continue }
                    let answer = site.refresh(Some(&token), &device.refresh_request());
                    if !lost {
                        device.take(answer.status.as_u16(), &answer.headers, &answer.body);
                    }
                }
                Step::Page { lost } => {
                    // The browser holds the request back for the refresh.
                    if device.id.is_some() && site.check(&token, &device) != Status::Bound {
                        site.renew(Some(&token), &mut device);
                    }
                    let checked = site.guard(&token, &device, Policy::Refuse);
                    prop_assert!(checked.answer.is_none(), "locked out: {:?}", checked.status);
                    if let Some(challenge) = site.offer_again(&token).filter(|_| !lost) {
                        offer = Some(challenge);
                    }
                }
            }
        }
    }
}
