//! A browser between deployments whose cookies have different scopes (R76).

use cloakroom_core::{Config, ConfigBuilder, CookieScope, Expiry, Session, http as mapping};
use http::{HeaderMap, header};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::World;

/// A visitor's next action.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    SignIn(&'static str),
    /// Signs in for two weeks, in a cookie that outlives the browser.
    Remember(&'static str),
    SignOut,
    Write,
    Rotate,
    Read,
    /// Closes the browser, which drops cookies without Max-Age.
    Close,
}

/// One request, and how much later than the last one it is.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    action: Action,
    /// The deployment that answers.
    deployment: usize,
    /// Whether the browser sends its cookies in the reverse order.
    reversed: bool,
    later: u64,
}

pub(crate) fn steps(later: std::ops::Range<u64>) -> impl Strategy<Value = Vec<Step>> {
    let action = prop_oneof![
        3 => prop::sample::select(vec!["ada", "bob"]).prop_map(Action::SignIn),
        2 => prop::sample::select(vec!["ada", "eve"]).prop_map(Action::Remember),
        3 => Just(Action::SignOut),
        3 => Just(Action::Write),
        1 => Just(Action::Rotate),
        2 => Just(Action::Read),
        1 => Just(Action::Close),
    ];
    let step = (action, 0..SCOPES, any::<bool>(), later).prop_map(
        |(action, deployment, reversed, later)| Step {
            action,
            deployment,
            reversed,
            later,
        },
    );
    prop::collection::vec(step, 1..12)
}

pub(crate) const SCOPES: usize = 4;

fn scope(index: usize) -> CookieScope {
    let scope = CookieScope::new();
    match index {
        0 => scope,
        1 => scope.path("/app"),
        2 => scope.domain("example.org"),
        _ => scope.partitioned(true),
    }
}

/// The configuration of each deployment. If `named`, each one names the scopes of the others.
pub(crate) fn deployments(base: &dyn Fn() -> ConfigBuilder, named: bool) -> [Config; SCOPES] {
    std::array::from_fn(|own| {
        let mut builder = base().cookie_name("__Secure-shop");
        builder = match own {
            0 => builder,
            1 => builder.path("/app"),
            2 => builder.domain("example.org"),
            _ => builder.partitioned(true),
        };
        for other in (0..SCOPES).filter(|other| named && *other != own) {
            builder = builder.former_scope(scope(other));
        }
        builder.build().expect("a good configuration")
    })
}

/// The cookies of one name, by their scope, with their ends. Requests are for `/app/`, so all are
/// sent.
#[derive(Default)]
struct Browser(BTreeMap<usize, (String, Option<u64>)>);

impl Browser {
    fn obey(&mut self, response: &HeaderMap, now: u64) {
        for line in response.get_all(header::SET_COOKIE) {
            let cookie = cookie::Cookie::parse(line.to_str().expect("ASCII")).expect("a cookie");
            let partitioned = cookie.partitioned().unwrap_or_default();
            let scope = match (cookie.domain(), cookie.path(), partitioned) {
                (None, Some("/"), false) => 0,
                (None, Some("/app"), false) => 1,
                (Some("example.org"), Some("/"), false) => 2,
                (None, Some("/"), true) => 3,
                other => panic!("{other:?}"),
            };
            let age = cookie
                .max_age()
                .map(|age| age.whole_seconds().unsigned_abs());
            match age {
                Some(0) => _ = self.0.remove(&scope),
                age => {
                    let end = age.map(|age| now + age);
                    self.0.insert(scope, (cookie.value().to_owned(), end));
                }
            }
        }
    }

    fn sends(&mut self, now: u64, reversed: bool) -> Vec<String> {
        self.0.retain(|_, (_, end)| end.is_none_or(|end| now < end));
        let mut values: Vec<_> = self.0.values().map(|(value, _)| value.clone()).collect();
        if reversed {
            values.reverse();
        }
        values
    }
}

fn request<R>(
    world: &mut World,
    browser: &mut Browser,
    reversed: bool,
    handler: impl FnOnce(&mut Session<'_>) -> R,
) -> R {
    let sent = browser.sends(world.now, reversed);
    let tokens = sent.iter().map(String::as_bytes);
    let mut exchange = world.open_all(tokens).expect("the records can be read");
    let result = handler(&mut exchange.session().expect("loaded"));
    let commit = exchange.finish(world.now());
    let outcome = world.run(commit).expect("no error");
    let mut response = HeaderMap::new();
    mapping::apply(&world.config, &outcome, &mut response);
    browser.obey(&response, world.now);
    result
}

/// After each sign-in the visitor is this subject, and after each sign-out nobody, whatever is left
/// in the browser: until the session ends, and never somebody from before. If `removes`, one cookie
/// is left after a sign-in and none after a sign-out.
pub(crate) fn check(deployments: &[Config; SCOPES], steps: &[Step], removes: bool) {
    let mut world = World::with(deployments[0].clone());
    let mut browser = Browser::default();
    let mut subject: Option<&str> = None;
    for step in steps {
        world.later(step.later);
        world.config = deployments[step.deployment].clone();
        let reversed = step.reversed;
        let before = request(&mut world, &mut browser, reversed, |session| {
            session.subject().map(str::to_owned)
        });
        // The session may have ended meanwhile.
        assert!(
            before.is_none() || before.as_deref() == subject,
            "{before:?} instead of {subject:?} before {step:?}"
        );
        subject = subject.filter(|_| before.is_some());
        match step.action {
            Action::Close => browser.0.retain(|_, (_, end)| end.is_some()),
            ref action => request(&mut world, &mut browser, reversed, |session| match action {
                Action::SignIn(name) => session.sign_in(name).expect("good"),
                Action::Remember(name) => {
                    session.sign_in(name).expect("good");
                    let weeks = Duration::from_secs(14 * 86_400);
                    let expiry = Expiry::new().idle(weeks).absolute(weeks).persistent();
                    session.set_expiry(expiry).expect("good");
                }
                Action::SignOut => session.sign_out(),
                Action::Write => _ = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1),
                Action::Rotate => session.rotate(),
                Action::Read | Action::Close => {}
            }),
        }
        match step.action {
            Action::SignIn(name) | Action::Remember(name) => {
                subject = Some(name);
                assert!(!removes || browser.0.len() == 1, "{step:?}");
                let after = request(&mut world, &mut browser, !reversed, |session| {
                    session.subject().map(str::to_owned)
                });
                assert_eq!(after.as_deref(), subject, "after {step:?}");
            }
            Action::SignOut => {
                subject = None;
                assert!(!removes || browser.0.is_empty(), "{step:?}");
            }
            _ => {}
        }
    }
}
