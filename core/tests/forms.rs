//! The tokens of forms (R68) that a visitor sees before there is a session.

mod support;

use cloakroom_core::{Directive, Fate, Session, TokenFormat};
use support::{World, count, insert, issued, keeps, sign_in, sign_out};

/// The page with a form: its token, and the cookie that comes with it.
fn page(world: &mut World, token: Option<&str>) -> (String, Option<String>) {
    let mut form = String::new();
    let entropy = world.entropy()[..32].try_into().expect("32 bytes");
    let outcome = world.request(token, |session| {
        form = session.csrf_token(entropy);
        assert!(session.verify_csrf(&form) && !session.is_modified());
    });
    assert_eq!(outcome.fate, Fate::Unchanged);
    (form, issued(&outcome))
}

fn accepts(world: &mut World, token: &str, form: &str) -> bool {
    world.see(token, |session| session.verify_csrf(form))
}

#[test]
fn a_form_for_a_stranger_creates_no_record() {
    let formats = [TokenFormat::Random256, TokenFormat::UuidV4];
    for config in formats.map(|format| support::builder().token_format(format).build().unwrap()) {
        let mut world = World::with(config);
        let (form, cookie) = page(&mut world, None);
        let cookie = cookie.expect("a cookie for the form");
        assert!(world.take_calls().is_empty() && world.records.is_empty());

        // The cookie stays, and each page's form is another text.
        let (second, again) = page(&mut world, Some(&cookie));
        assert_eq!(again, None);
        assert_ne!(form, second);
        assert_eq!(world.take_calls(), ["load"]);
        assert!(accepts(&mut world, &cookie, &form) && accepts(&mut world, &cookie, &second));
        assert!(world.records.is_empty());
    }
}

#[test]
fn a_form_of_another_visitor_is_refused() {
    let mut world = World::new();
    let (form, _) = page(&mut world, None);
    let (own, cookie) = page(&mut world, None);
    let cookie = cookie.expect("a cookie");
    assert!(accepts(&mut world, &cookie, &own) && !accepts(&mut world, &cookie, &form));
    // Without any cookie, and with what is no token.
    assert!(!world.open(None).session().unwrap().verify_csrf(&form));
    let mut garbage = world.open(Some("../%00"));
    assert!(!garbage.session().unwrap().verify_csrf(&form));
    // A visitor with a session.
    let session = world.issue(None, insert("n", 1));
    assert!(!accepts(&mut world, &session, &form));
}

// R02, R06
#[test]
fn the_cookie_of_a_form_is_never_adopted() {
    for signs_in in [false, true] {
        let mut world = World::new();
        let (_, cookie) = page(&mut world, None);
        let cookie = cookie.expect("a cookie");
        let token = world.issue(Some(&cookie), |session| match signs_in {
            false => count(session),
            true => session.sign_in("ada").unwrap(),
        });
        assert_ne!(token, cookie);
        assert!(!world.lives(&cookie) && world.lives(&token));
    }
}

#[test]
fn a_sign_in_form_works_and_its_token_ends_with_the_sign_in() {
    let mut world = World::new();
    let (form, cookie) = page(&mut world, None);
    let cookie = cookie.expect("a cookie");
    let token = world.issue(Some(&cookie), |session| {
        assert!(session.verify_csrf(&form));
        session.sign_in("ada").unwrap();
        assert!(!session.verify_csrf(&form));
    });
    assert!(!accepts(&mut world, &token, &form));
    let (form, cookie) = page(&mut world, Some(&token));
    assert_eq!(cookie, None);
    assert!(accepts(&mut world, &token, &form));
    // The cookie of a session that has ended is as good as a stranger's, and no better.
    keeps_clear(&mut world, &token);
    assert!(!accepts(&mut world, &token, &form));
}

fn keeps_clear(world: &mut World, token: &str) {
    let outcome = world.request(Some(token), sign_out);
    assert_eq!(outcome.directive, Directive::Clear);
}

// Another tab makes the visitor a session; the form that is open stays good until the sign-in.
#[test]
fn a_form_outlives_the_beginning_of_an_anonymous_session() {
    let mut world = World::new();
    let (form, cookie) = page(&mut world, None);
    let session = world.issue(cookie.as_deref(), insert("cart", 1));
    assert!(accepts(&mut world, &session, &form));
    let token = world.issue(Some(&session), sign_in("ada"));
    assert!(!accepts(&mut world, &token, &form));

    // In the request that creates the session, in either order.
    for first in [true, false] {
        let mut form = String::new();
        let session = world.issue(None, |session| {
            if first {
                form = session.csrf_token([first.into(); 32]);
            }
            count(session);
            if !first {
                form = session.csrf_token([first.into(); 32]);
            }
            assert!(session.verify_csrf(&form));
        });
        assert!(accepts(&mut world, &session, &form));
    }
}

// A cookie of this name can be planted by every subdomain: no session may depend on it.
#[test]
fn a_session_whose_cookie_others_can_set_takes_over_no_form() {
    let config = support::builder()
        .cookie_name("__Secure-session")
        .domain("example.org")
        .build();
    let mut world = World::with(config.unwrap());
    let (form, cookie) = page(&mut world, None);
    let cookie = cookie.expect("a cookie");
    assert!(accepts(&mut world, &cookie, &form));
    let session = world.issue(Some(&cookie), insert("cart", 1));
    assert!(!accepts(&mut world, &session, &form));
}

#[test]
fn a_sign_out_with_a_form_leaves_the_form_a_cookie() {
    let mut world = World::new();
    let token = world.issue(None, sign_in("ada"));
    let (old, _) = page(&mut world, Some(&token));
    let mut form = String::new();
    let outcome = world.request(Some(&token), |session| {
        session.sign_out();
        assert!(!session.verify_csrf(&old));
        form = session.csrf_token([8; 32]);
        assert!(session.verify_csrf(&form) && !session.verify_csrf(&old));
    });
    assert_eq!(outcome.fate, Fate::Saved);
    let cookie = issued(&outcome).expect("a cookie for the form");
    assert!(world.records.is_empty());
    assert_ne!(cookie, token);
    assert!(accepts(&mut world, &cookie, &form) && !accepts(&mut world, &cookie, &old));
    // Signing out with such a cookie removes it.
    let outcome = world.request(Some(&cookie), sign_out);
    assert_eq!(outcome.directive, Directive::Clear);
}

#[test]
fn a_handler_that_failed_leaves_no_cookie_for_its_form() {
    let mut world = World::new();
    let mut exchange = world.open(None);
    let _ = exchange.session().unwrap().csrf_token([1; 32]);
    exchange.discard_changes();
    let commit = exchange.finish(world.now());
    keeps(&world.run(commit).unwrap(), Fate::Unchanged);
}

// R36: of several tokens without a session each is as good as the other, in either order.
#[test]
fn several_cookies_without_a_session_do_not_depend_on_their_order() {
    let mut world = World::new();
    let mut cookies = Vec::new();
    let mut forms = Vec::new();
    for _ in 0..2 {
        let (form, cookie) = page(&mut world, None);
        forms.push(form);
        cookies.push(cookie.expect("a cookie"));
    }
    for order in [[0, 1], [1, 0]] {
        let presented = order.map(|n: usize| cookies[n].as_bytes());
        let mut exchange = world.open_all(presented).unwrap();
        let mut session = exchange.session().unwrap();
        let form = session.csrf_token([4; 32]);
        forms.push(form);
        assert!(forms.iter().all(|form| session.verify_csrf(form)));
    }
    assert_eq!(forms[2], forms[3]);
    // Two living sessions are strangers to this request, and must be able to sign in.
    let living: Vec<_> = (0..2).map(|n| world.issue(None, insert("n", n))).collect();
    let presented: Vec<_> = living.iter().map(String::as_bytes).collect();
    let mut exchange = world.open_all(presented.clone()).unwrap();
    let form = exchange.session().unwrap().csrf_token([5; 32]);
    let show = |session: Session<'_>| session.verify_csrf(&form);
    assert!(show(world.open_all(presented).unwrap().session().unwrap()));
    assert!(!accepts(&mut world, &living[0], &form));
}
