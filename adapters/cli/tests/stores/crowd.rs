//! The clients of an application, who work while an operator's commands run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::{Config, Directive, Outcome, Sessions, Store};
use tokio::task::JoinHandle;

use crate::common::{SECRET_VALUE, until};

/// How long the processes of the application accept sessions after all have been ended.
pub(crate) const LEASE: Duration = Duration::from_millis(100);

/// Between two requests of a client, so that the command gets its share of the processors.
const PAUSE: Duration = Duration::from_millis(3);

/// Of each kind.
const CLIENTS: usize = 3;

/// The tokens and the keys of all sessions so far.
pub(crate) type Secrets = Arc<Mutex<Vec<String>>>;

/// An application on a store.
#[derive(Clone)]
pub(crate) struct App<S> {
    pub(crate) sessions: Sessions<S>,
    secrets: Secrets,
}

impl<S: Store> App<S> {
    pub(crate) fn new(store: S, secrets: &Secrets) -> Self {
        let config = Config::builder().end_all_within(LEASE).build().unwrap();
        Self {
            sessions: Sessions::new(store).with_config(config),
            secrets: Arc::clone(secrets),
        }
    }

    /// Signs a visitor in, and returns the token.
    pub(crate) async fn sign_in(&self, subject: &str) -> String {
        let signed_in = self.sessions.with(None, |session| {
            session.insert("coat", SECRET_VALUE)?;
            session.insert("visits", 3)?;
            session.sign_in(subject)
        });
        self.issued(&signed_in.await.unwrap().1).unwrap()
    }

    /// Begins a session without a subject, and returns the token.
    pub(crate) async fn visit(&self) -> String {
        let visited = self.sessions.with(None, |session| {
            session.insert("coat", SECRET_VALUE)?;
            session.insert("visits", 3)
        });
        self.issued(&visited.await.unwrap().1).unwrap()
    }

    pub(crate) async fn rotate(&self, token: &str) -> String {
        let rotated = self.sessions.with(Some(token), |session| {
            session.rotate();
            Ok(())
        });
        self.issued(&rotated.await.unwrap().1).unwrap()
    }

    pub(crate) async fn visits(&self, token: &str) -> Option<u32> {
        let read = self
            .sessions
            .with(Some(token), |session| session.get("visits"));
        read.await.unwrap().0
    }

    /// The public id of a session that has one.
    pub(crate) async fn id(&self, token: &str) -> String {
        let read = self.sessions.with(Some(token), |session| Ok(session.id()));
        read.await.unwrap().0.expect("a session")
    }

    /// Returns the token that a response would carry, after noting it and its key.
    pub(crate) fn issued(&self, outcome: &Outcome) -> Option<String> {
        let Directive::Issue(issued) = &outcome.directive else {
            return None;
        };
        let token = issued.token.expose().to_owned();
        let exchange = self.sessions.open([token.as_bytes()]);
        let key = exchange.wants_load().expect("the key of a token").as_str();
        let (_, digest) = key.rsplit_once(':').expect("a prefix");
        let mut secrets = self.secrets.lock().unwrap();
        secrets.extend([token.clone(), digest.to_owned()]);
        Some(token)
    }
}

/// Clients at work.
pub(crate) struct Crowd {
    over: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    savers: Vec<JoinHandle<(String, u32)>>,
    guests: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Some save and rotate all the time, in the sessions of these tokens. The others sign in and
    /// out.
    pub(crate) fn start<S: Store + Clone>(app: &App<S>, tokens: Vec<String>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(AtomicUsize::new(0));
        let shared = || (app.clone(), Arc::clone(&over), Arc::clone(&requests));
        let savers = tokens.into_iter().map(|token| {
            let (app, over, requests) = shared();
            tokio::spawn(async move { save(&app, token, &over, &requests).await })
        });
        let savers = savers.collect();
        let guests = (0..CLIENTS).map(|number| {
            let (app, over, requests) = shared();
            tokio::spawn(async move { come_and_go(&app, number, &over, &requests).await })
        });
        let guests = guests.collect();
        Self {
            over,
            requests,
            savers,
            guests,
        }
    }

    /// Signs in the clients that save, and starts them.
    pub(crate) async fn of<S: Store + Clone>(app: &App<S>) -> Self {
        let mut tokens = Vec::new();
        for number in 0..CLIENTS {
            tokens.push(app.sign_in(&format!("saver-{number}")).await);
        }
        Self::start(app, tokens)
    }

    /// Waits until each client could have been answered once more.
    pub(crate) async fn go_on(&self) {
        let before = self.requests.load(Ordering::SeqCst);
        until("the clients go on", async || {
            self.requests.load(Ordering::SeqCst) >= before + 2 * CLIENTS || self.has_failed()
        })
        .await;
    }

    fn has_failed(&self) -> bool {
        self.savers.iter().any(JoinHandle::is_finished)
            || self.guests.iter().any(JoinHandle::is_finished)
    }

    /// Stops them, and returns the tokens of the sessions that they saved in, and what those must
    /// hold. None of them was signed out, and each sign-out stayed one.
    pub(crate) async fn stop(self) -> Vec<(String, u32)> {
        self.over.store(true, Ordering::SeqCst);
        for guest in self.guests {
            guest.await.expect("no guest came back");
        }
        let mut saved = Vec::new();
        for saver in self.savers {
            saved.push(saver.await.expect("nobody was signed out"));
        }
        saved
    }
}

async fn save<S: Store>(
    app: &App<S>,
    mut token: String,
    over: &AtomicBool,
    requests: &AtomicUsize,
) -> (String, u32) {
    let mut visits = app.visits(&token).await.expect("a session to save in");
    loop {
        let last = over.load(Ordering::SeqCst);
        let saved = app.sessions.with(Some(&token), |session| {
            assert!(session.subject().is_some(), "signed out");
            if visits % 8 == 0 {
                session.rotate();
            }
            session.update("visits", |n: Option<u32>| n.unwrap_or(0) + 1)
        });
        let (now, outcome) = saved.await.expect("a save");
        visits += 1;
        assert_eq!(now, visits, "an update was lost");
        if let Some(newer) = app.issued(&outcome) {
            token = newer;
        }
        requests.fetch_add(1, Ordering::SeqCst);
        if last {
            return (token, visits);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn come_and_go<S: Store>(
    app: &App<S>,
    number: usize,
    over: &AtomicBool,
    requests: &AtomicUsize,
) {
    while !over.load(Ordering::SeqCst) {
        let token = app.sign_in(&format!("guest-{number}")).await;
        assert_eq!(app.visits(&token).await, Some(3));
        let left = app.sessions.with(Some(&token), |session| {
            session.sign_out();
            Ok(())
        });
        left.await.expect("a sign-out");
        assert_eq!(app.visits(&token).await, None, "it came back");
        requests.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PAUSE).await;
    }
}
