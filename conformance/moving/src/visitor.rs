//! Visitors of two applications, with a record of what was acknowledged to them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::Value;

use crate::{Seen, served};

/// An application, as clients reach it.
pub struct Door {
    address: SocketAddr,
    answered: AtomicUsize,
    unanswered: AtomicUsize,
}

/// A successful response.
struct Answer {
    cookie: Option<String>,
    body: Value,
}

impl Door {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            answered: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
        }
    }

    /// How many requests had a successful response.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// How many had none, or one of a failure: they may or may not have had an effect.
    pub fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::SeqCst)
    }

    /// Returns nothing without a response, and with a 5xx one.
    async fn ask(&self, path: &str, cookie: &str) -> Option<Answer> {
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, "shop.test")
            .header(header::COOKIE, format!("id={cookie}"));
        let request = request.body(Body::empty()).expect("a request");
        let response = match served::send(self.address, request).await {
            Ok(response) if !response.status().is_server_error() => response,
            _ => {
                self.unanswered.fetch_add(1, Ordering::SeqCst);
                // A process that is down refuses at once.
                tokio::time::sleep(Duration::from_millis(5)).await;
                return None;
            }
        };
        assert!(response.status().is_success(), "{path}: {response:?}");
        self.answered.fetch_add(1, Ordering::SeqCst);
        let lines = response.headers().get_all(header::SET_COOKIE).iter();
        let mut cookies = lines.map(|line| {
            let value = line.to_str().ok().and_then(|line| line.strip_prefix("id="));
            let value = value.and_then(|value| value.split(';').next());
            value.expect("the cookie").to_owned()
        });
        Some(Answer {
            cookie: cookies.next(),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
        })
    }
}

/// A visitor who signed in.
pub struct Visitor {
    pub name: String,
    /// The values of the session's cookie, the newest last.
    pub cookies: Vec<String>,
    pub is_signed_out: bool,
    /// A rotation's response was lost.
    has_lost_a_token: bool,
    /// How many items have been sent.
    sent: usize,
    acknowledged: Vec<String>,
}

impl Visitor {
    /// Returns a visitor with a session of this user.
    pub fn new(name: String, cookie: String) -> Self {
        Self {
            name,
            cookies: vec![cookie],
            is_signed_out: false,
            has_lost_a_token: false,
            sent: 0,
            acknowledged: Vec::new(),
        }
    }

    fn cookie(&self) -> &str {
        self.cookies.last().expect("at least one")
    }

    /// Puts an item into the cart, each attempt another one, until that is acknowledged.
    pub async fn add(&mut self, door: &Door) {
        loop {
            let item = self.item();
            let path = format!("/add/{item}");
            if let Some(answer) = door.ask(&path, self.cookie()).await {
                self.keeps(answer.cookie.as_deref());
                self.acknowledged.push(item);
                return;
            }
        }
    }

    /// Puts four items into the cart at the same time.
    pub async fn add_at_once(&mut self, door: &Door) {
        let items = [(); 4].map(|()| self.item());
        let add = async |item: &String| door.ask(&format!("/add/{item}"), self.cookie()).await;
        let [one, two, three, four] = &items;
        let answers = tokio::join!(add(one), add(two), add(three), add(four));
        for (answer, item) in <[_; 4]>::from(answers).into_iter().zip(items) {
            if let Some(answer) = answer {
                self.keeps(answer.cookie.as_deref());
                self.acknowledged.push(item);
            }
        }
    }

    /// An item that was not there before.
    fn item(&mut self) -> String {
        self.sent += 1;
        format!("{}-{}", self.name, self.sent)
    }

    /// Looks at the session until there is an answer, and checks it.
    pub async fn look(&self, door: &Door) {
        for cookie in &self.cookies {
            // The earlier ones are aliases, or of no use after the sign-out.
            let answer = loop {
                if let Some(answer) = door.ask("/see", cookie).await {
                    break answer;
                }
            };
            self.keeps(answer.cookie.as_deref());
            self.check(&Seen::read(&answer.body));
        }
    }

    /// Fails if the response has another cookie. tower-sessions sends the same one with each
    /// change, and removes that of a session without values.
    fn keeps(&self, cookie: Option<&str>) {
        let same = cookie.is_none_or(|cookie| cookie == self.cookie());
        let removed = self.is_signed_out && cookie == Some("");
        assert!(same || removed, "{}: another cookie", self.name);
    }

    /// Gets another token. If the response is lost, the visitor goes on with the old one, and gets
    /// no other.
    pub async fn rotate(&mut self, door: &Door) {
        let answer = door.ask("/rotate", self.cookie()).await;
        let cookie = answer.as_ref().and_then(|answer| answer.cookie.clone());
        let name = &self.name;
        assert!(
            cookie.is_some() || answer.is_none() || self.has_lost_a_token,
            "{name}"
        );
        self.has_lost_a_token |= answer.is_none();
        self.cookies.extend(cookie);
    }

    /// Signs out, with the first token, until that is acknowledged.
    pub async fn sign_out(&mut self, door: &Door) {
        while door.ask("/sign-out", &self.cookies[0]).await.is_none() {}
        self.is_signed_out = true;
    }

    /// Signs out while two other requests change the session. One that comes after the sign-out is
    /// a stranger's, and starts another session.
    pub async fn sign_out_amid_requests(&mut self, door: &Door) {
        let paths = [(); 2].map(|()| format!("/add/{}", self.item()));
        let cookie = self.cookie().to_owned();
        let [one, other] = &paths;
        tokio::join!(
            door.ask(one, &cookie),
            self.sign_out(door),
            door.ask(other, &cookie)
        );
    }

    /// Fails unless the session is as it was acknowledged.
    pub fn check(&self, seen: &Seen) {
        let Self { name, sent, .. } = self;
        if self.is_signed_out {
            let nothing = Seen {
                user: None,
                cart: Vec::new(),
            };
            assert_eq!(*seen, nothing, "{name}: the sign-out is undone");
            return;
        }
        assert_eq!(seen.user.as_deref(), Some(&**name), "{name} is signed out");
        for item in &self.acknowledged {
            assert!(seen.cart.contains(item), "{item} is lost: {seen:?}");
        }
        let mut once: Vec<_> = seen.cart.iter().collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.cart.len(), "an item twice: {seen:?}");
        let is_sent = |item: &String| {
            let number = item.strip_prefix(&format!("{name}-"));
            let number = number.and_then(|number| number.parse().ok());
            number.is_some_and(|number: usize| (1..=*sent).contains(&number))
        };
        assert!(seen.cart.iter().all(is_sent), "{name}: {seen:?}");
    }
}
