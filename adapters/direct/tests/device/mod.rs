//! Sessions bound to a device, end to end on any adapter: an application, and a browser's side in
//! software. The adapters' tests include this file.

#[path = "../../../../core/dbsc/tests/client/mod.rs"]
mod client;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::client::{Device, offered, value};
use cloakroom::{Config, DeviceBinding, ManualClock, Sessions};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched};
use cloakroom_store::{UnixTime, Write};
use futures_util::future::join_all;
use http::{HeaderMap, Method, Request, Response, StatusCode};

const COOKIE_LIFE: Duration = Duration::from_secs(600);

/// An application with these routes:
///
/// - POST `/sign-in` signs `ada` in, POST `/sign-out` signs out.
/// - GET `/visit` adds one to the value `visits`, and shows it.
/// - GET `/refuse`, `/observe`, `/end` are guarded with these policies, and show the
///   `DeviceStatus`.
/// - GET `/static` does not use the session.
pub(crate) trait App: Sized {
    fn new(sessions: Sessions<Counted>, binding: DeviceBinding) -> impl Future<Output = Self>;

    fn send(&self, request: Request<String>) -> impl Future<Output = Response<String>>;
}

/// The tests of an [`App`].
macro_rules! device_tests {
    ($app:ty) => {
        device_tests!($app:
            a_copied_cookie_jar_is_refused_after_the_bound_cookies_life,
            the_policy_end_signs_out_for_everybody,
            a_registration_among_page_loads_loses_nothing,
            a_sign_out_ends_the_browsers_session_and_a_broken_store_does_not,
            a_refresh_is_one_load_and_an_untouched_request_nothing,
            a_session_whose_registration_is_not_confirmed_reaches_its_pages,
            hostile_requests_get_an_answer,
        );
    };
    ($app:ty: $($test:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                device::$test(&mut device::Site::<$app>::new().await).await;
            }
        )+
    };
}
pub(crate) use device_tests;

/// A store that counts its calls, and fails on request.
#[derive(Clone)]
pub(crate) struct Counted {
    store: MemoryStore,
    calls: Arc<Mutex<Vec<&'static str>>>,
    broken: Arc<Mutex<bool>>,
}

impl Counted {
    fn note(&self, call: &'static str) -> Result<(), StoreError> {
        self.calls.lock().expect("not poisoned").push(call);
        match *self.broken.lock().expect("not poisoned") {
            true => Err(StoreError::permanent("counted", "broken")),
            false => Ok(()),
        }
    }
}

impl Store for Counted {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.note("load")?;
        self.store.load(key).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.note("create")?;
        self.store.create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.note("replace")?;
        self.store.replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.note("touch")?;
        self.store.touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.note("delete")?;
        self.store.delete(key, old).await
    }
}

/// An answer, and its body.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

/// A cookie jar, and a key.
#[derive(Clone)]
pub(crate) struct Browser {
    session: Option<String>,
    device: Device,
}

impl Browser {
    fn new(seed: u8) -> Self {
        Self {
            session: None,
            device: Device::new(seed),
        }
    }

    async fn send<A: App>(
        &mut self,
        app: &A,
        method: Method,
        path: &str,
        headers: HeaderMap,
    ) -> Answer {
        let mut request = Request::new(String::new());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a path");
        *request.headers_mut() = headers;
        let cookies = [&self.session, &self.device.cookie];
        let cookies: Vec<_> = cookies.into_iter().flatten().cloned().collect();
        if !cookies.is_empty() {
            let cookies = value(&cookies.join("; "));
            request.headers_mut().insert("cookie", cookies);
        }
        let (parts, body) = app.send(request).await.into_parts();
        for line in parts.headers.get_all("set-cookie") {
            let line = line.to_str().expect("text");
            if line.starts_with("__Host-session=") {
                self.session = line.split(';').next().map(str::to_owned);
            }
        }
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn page<A: App>(&mut self, app: &A, path: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-dest", value("document"));
        self.send(app, Method::GET, path, headers).await
    }

    async fn post<A: App>(&mut self, app: &A, path: &str) -> Answer {
        self.send(app, Method::POST, path, HeaderMap::new()).await
    }

    /// Signs in, and returns the challenge of the offer.
    async fn sign_in<A: App>(&mut self, app: &A) -> String {
        let answer = self.post(app, "/sign-in").await;
        assert_eq!(answer.status, 200);
        let offer = &answer.headers["secure-session-registration"];
        offered(offer.to_str().expect("text"))
    }

    async fn register<A: App>(&mut self, app: &A, challenge: &str) -> Answer {
        let mut headers = HeaderMap::new();
        let jws = self.device.registration(challenge);
        headers.insert("secure-session-response", value(&jws));
        self.send(app, Method::POST, "/dbsc/register", headers)
            .await
    }

    async fn refresh<A: App>(&mut self, app: &A) -> Answer {
        let headers = self.device.refresh_request();
        self.send(app, Method::POST, "/dbsc/refresh", headers).await
    }

    fn take(&mut self, answer: &Answer) {
        let status = answer.status.as_u16();
        self.device.take(status, &answer.headers, &answer.body);
    }
}

pub(crate) struct Site<A> {
    app: A,
    store: Counted,
    clock: ManualClock,
}

impl<A: App> Site<A> {
    pub(crate) async fn new() -> Self {
        let clock = ManualClock::new();
        let store = Counted {
            store: MemoryStore::builder().clock(clock.reader()).build(),
            calls: Arc::default(),
            broken: Arc::default(),
        };
        let sessions = Sessions::new(store.clone()).with_clock(clock.reader());
        let binding = DeviceBinding::new(&Config::default()).expect("a good configuration");
        let app = A::new(sessions, binding).await;
        Self { app, store, clock }
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.store.calls.lock().expect("not poisoned"))
    }

    fn breaks(&self, broken: bool) {
        *self.store.broken.lock().expect("not poisoned") = broken;
    }

    /// A browser whose session is bound.
    async fn bound(&self) -> Browser {
        let mut browser = Browser::new(1);
        let challenge = browser.sign_in(&self.app).await;
        let answer = browser.register(&self.app, &challenge).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        browser.take(&answer);
        assert_eq!(browser.page(&self.app, "/refuse").await.body, "Bound");
        browser
    }
}

/// The cookies of a browser, without its key.
fn copied(browser: &Browser) -> Browser {
    let mut thief = browser.clone();
    thief.device = Device::new(2);
    thief.device.cookie.clone_from(&browser.device.cookie);
    thief.device.id.clone_from(&browser.device.id);
    thief
}

// R87
pub(crate) async fn a_copied_cookie_jar_is_refused_after_the_bound_cookies_life<A: App>(
    site: &mut Site<A>,
) {
    let mut browser = site.bound().await;
    let mut thief = copied(&browser);
    assert_eq!(thief.page(&site.app, "/refuse").await.body, "Bound");

    site.clock.advance(COOKIE_LIFE);
    let answer = thief.page(&site.app, "/refuse").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::FORBIDDEN, ""));
    thief.take(&answer);
    let answer = thief.refresh(&site.app).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.headers.contains_key("set-cookie"));
    assert_eq!(thief.page(&site.app, "/observe").await.body, "Stale");
    thief.device.cookie = None;
    assert_eq!(thief.page(&site.app, "/observe").await.body, "Missing");
    assert_eq!(thief.page(&site.app, "/refuse").await.status, 403);

    // The device goes on.
    let answer = browser.refresh(&site.app).await;
    assert_eq!(answer.status, 200);
    browser.take(&answer);
    assert_eq!(browser.page(&site.app, "/refuse").await.body, "Bound");
}

// R87
pub(crate) async fn the_policy_end_signs_out_for_everybody<A: App>(site: &mut Site<A>) {
    let mut browser = site.bound().await;
    let mut thief = copied(&browser);
    assert_eq!(thief.page(&site.app, "/end").await.body, "Bound");
    thief.device.cookie = None;
    assert_eq!(thief.page(&site.app, "/end").await.status, 401);
    let answer = browser.refresh(&site.app).await;
    let body = answer.body;
    assert!(body.contains("\"continue\":false"), "{body}");
}

// R88
pub(crate) async fn a_registration_among_page_loads_loses_nothing<A: App>(site: &mut Site<A>) {
    let mut browser = Browser::new(1);
    let challenge = browser.sign_in(&site.app).await;
    let mut pages: Vec<_> = (0..20).map(|_| browser.clone()).collect();
    let visits = pages.iter_mut().map(|page| page.page(&site.app, "/visit"));
    let (answer, visits) = tokio::join!(browser.register(&site.app, &challenge), join_all(visits));
    assert_eq!(answer.status, 200);
    assert!(visits.iter().all(|visit| visit.status == 200));
    browser.take(&answer);
    assert_eq!(browser.page(&site.app, "/refuse").await.body, "Bound");
    assert_eq!(browser.page(&site.app, "/visit").await.body, "21");
    site.clock.advance(COOKIE_LIFE);
    // Twenty requests wait for one refresh.
    let answer = browser.refresh(&site.app).await;
    browser.take(&answer);
    let mut pages: Vec<_> = (0..20).map(|_| browser.clone()).collect();
    let pages = pages.iter_mut().map(|page| page.page(&site.app, "/refuse"));
    let pages = join_all(pages).await;
    assert!(pages.iter().all(|page| page.body == "Bound"));
}

// R88
pub(crate) async fn a_sign_out_ends_the_browsers_session_and_a_broken_store_does_not<A: App>(
    site: &mut Site<A>,
) {
    let mut browser = site.bound().await;
    site.clock.advance(COOKIE_LIFE);
    site.breaks(true);
    let answer = browser.refresh(&site.app).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    let answer = browser.page(&site.app, "/refuse").await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    site.breaks(false);
    let answer = browser.refresh(&site.app).await;
    assert_eq!(answer.status, 200);
    browser.take(&answer);
    assert_eq!(browser.page(&site.app, "/refuse").await.body, "Bound");

    let answer = browser.post(&site.app, "/sign-out").await;
    assert_eq!(answer.status, 200);
    let mut removed = answer.headers.get_all("set-cookie").iter();
    assert!(removed.any(|line| line.as_bytes().starts_with(b"__Host-session-bound=; ")));
    let answer = browser.refresh(&site.app).await;
    browser.take(&answer);
    assert_eq!(browser.device.id, None);
    // The next sign-in gets a binding of its own.
    let challenge = browser.sign_in(&site.app).await;
    browser.device = Device::new(3);
    let answer = browser.register(&site.app, &challenge).await;
    browser.take(&answer);
    assert_eq!(browser.page(&site.app, "/refuse").await.body, "Bound");
}

pub(crate) async fn a_refresh_is_one_load_and_an_untouched_request_nothing<A: App>(
    site: &mut Site<A>,
) {
    let mut browser = site.bound().await;
    site.clock.advance(COOKIE_LIFE);
    site.calls();
    let answer = browser.refresh(&site.app).await;
    assert_eq!(answer.status, 200);
    assert_eq!(site.calls(), ["load"]);
    let answer = browser.page(&site.app, "/static").await;
    assert_eq!(answer.status, 200);
    assert!(site.calls().is_empty());
    assert!(answer.headers.get("vary").is_none());
    // A page of a bound session is not offered again, nor one without a sign-in.
    let answer = browser.page(&site.app, "/visit").await;
    assert!(!answer.headers.contains_key("secure-session-registration"));
    let mut stranger = Browser::new(4);
    let answer = stranger.page(&site.app, "/visit").await;
    assert!(!answer.headers.contains_key("secure-session-registration"));
    // Other methods and paths reach the application.
    assert_eq!(stranger.page(&site.app, "/dbsc/refresh").await.status, 404);
}

// R88: a lost answer, and a browser without the protocol.
pub(crate) async fn a_session_whose_registration_is_not_confirmed_reaches_its_pages<A: App>(
    site: &mut Site<A>,
) {
    let mut browser = Browser::new(1);
    let challenge = browser.sign_in(&site.app).await;
    assert_eq!(browser.register(&site.app, &challenge).await.status, 200);
    // It may still be making its key.
    let answer = browser.page(&site.app, "/refuse").await;
    assert!(!answer.headers.contains_key("secure-session-registration"));
    for path in ["/refuse", "/observe", "/end"] {
        site.clock.advance(COOKIE_LIFE);
        let answer = browser.page(&site.app, path).await;
        assert_eq!(answer.body, "Pending");
        let offer = &answer.headers["secure-session-registration"];
        assert_ne!(offered(offer.to_str().expect("text")), challenge);
        let part = HeaderMap::new();
        let answer = browser.send(&site.app, Method::GET, path, part).await;
        assert!(!answer.headers.contains_key("secure-session-registration"));
    }
}

// R87, invariant 12
pub(crate) async fn hostile_requests_get_an_answer<A: App>(site: &mut Site<A>) {
    let mut browser = site.bound().await;
    let long = "a.".repeat(3_000);
    for jws in ["", ".", "..", "\"", "a.b.c", &long] {
        for path in ["/dbsc/register", "/dbsc/refresh"] {
            let mut headers = browser.device.refresh_request();
            headers.insert("secure-session-response", value(jws));
            let answer = browser.send(&site.app, Method::POST, path, headers).await;
            assert_eq!(answer.status, 403, "{jws} to {path}");
        }
    }
    let answer = browser.post(&site.app, "/dbsc/refresh").await;
    assert_eq!(answer.status, 400);
    assert_eq!(browser.page(&site.app, "/refuse").await.body, "Bound");
}
