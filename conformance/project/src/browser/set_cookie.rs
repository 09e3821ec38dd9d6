//! Every Set-Cookie line that a configuration can lead to, as Chromium keeps it and as the crate
//! `cookie` reads it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, Uri};
use axum::response::Html;
use cloakroom_core::{
    Commit, Config, Created, Directive, Exchange, KeyFormat, Outcome, SameSite, SigningKey,
    TokenFormat, UnixTime, http as mapping,
};
use cloakroom_flask::{SessionType, Settings};
use fantoccini::cookies::Cookie;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::chromium::{Browser, Kept, Programs};
use crate::program::{Failure, fail, same};

/// Where the pages are: below a name of more than one part, so that a Domain can be given. Browsers
/// know that it is here.
const HOST: &str = "www.shop.localhost";
const DOMAIN: &str = "shop.localhost";
const PATH: &str = "/app";

/// How many lines one response has. A browser keeps a limited number of cookies, and of their
/// bytes, for a site.
const AT_ONCE: usize = 40;

/// A page sends each line. The check compares the line with the cookie that the browser keeps,
/// returns and removes.
pub(super) async fn is_kept(programs: &Programs) -> Result<(), Failure> {
    let site = Site::open().await?;
    let browser = Browser::start(programs).await?;
    let configs = configs()?;
    // Fewer would mean that the builder refuses what it accepted when this was written.
    if configs.len() < 300 {
        return fail(format!("only {} configurations", configs.len()));
    }
    for configs in configs.chunks(AT_ONCE) {
        let outcomes: Vec<_> = configs.iter().map(issue).collect::<Result<_, _>>()?;
        let lines = lines(configs, &outcomes);
        let (kept, times) = site.send(&browser, &lines).await?;
        for (line, config) in lines.iter().zip(configs) {
            let cookie = Cookie::parse(line.as_str())?;
            let name = config.cookie_name();
            same("the name", cookie.name(), name)?;
            let Some(found) = kept.get(name) else {
                return fail(format!("the browser refuses `{line}`"));
            };
            let wanted = wanted(&cookie, found.expires, times);
            if *found != wanted {
                return fail(format!("`{line}` is kept as {found:?}, not as {wanted:?}"));
            }
        }
        let sent = site.headers(&browser).await?;
        for (config, outcome) in configs.iter().zip(&outcomes) {
            let tokens: Vec<_> = mapping::tokens(config, &sent).collect();
            let issued = [value(outcome).as_bytes()];
            same(
                &format!("what comes back of `{}`", config.cookie_name()),
                tokens == issued,
                true,
            )?;
        }
        let cleared: Vec<_> = outcomes.into_iter().map(clear).collect();
        let lines = self::lines(configs, &cleared);
        let (kept, _) = site.send(&browser, &lines).await?;
        if let Some(name) = kept.keys().next() {
            let line = lines.iter().find(|line| line.starts_with(name.as_str()));
            return fail(format!("{name} is still there after `{line:?}`"));
        }
    }
    browser.close().await
}

/// The cookie that a browser should keep for a line, according to another parser.
fn wanted(cookie: &Cookie<'_>, expires: Option<u64>, (before, after): (u64, u64)) -> Kept {
    let age = cookie
        .max_age()
        .map(|age| age.whole_seconds().unsigned_abs());
    // It counts from the moment when it got the line, which lies between the two.
    let in_time = |at: u64, age: u64| (before + age..=after + age + 1).contains(&at);
    let host_only = cookie.domain().is_none();
    Kept {
        value: cookie.value().to_owned(),
        domain: match host_only {
            true => HOST.to_owned(),
            false => format!(".{}", cookie.domain().unwrap_or_default()),
        },
        path: cookie.path().unwrap_or_default().to_owned(),
        expires: match (age, expires) {
            (Some(age), Some(at)) if in_time(at, age) => Some(at),
            (age, _) => age.map(|age| before + age),
        },
        secure: cookie.secure().unwrap_or(false),
        http_only: cookie.http_only().unwrap_or(false),
        same_site: cookie.same_site().map(|same_site| same_site.to_string()),
        partitioned: cookie.partitioned().unwrap_or(false),
    }
}

/// Every combination that the builder accepts, each under a name of its own, and Flask's cookie.
fn configs() -> Result<Vec<Config>, Failure> {
    let mut configs = Vec::new();
    let flags = |bits: usize| move |n: usize| bits >> n & 1 == 1;
    for prefix in ["", "__Secure-", "__Host-", "__Http-", "__Host-Http-"] {
        for same_site in [
            SameSite::Strict,
            SameSite::Lax,
            SameSite::None,
            SameSite::Absent,
        ] {
            for bits in 0..64 {
                let (flag, n) = (flags(bits), configs.len());
                // All that a name may consist of, in some of them.
                let odd = if n % 5 == 0 { "!#$%&'*+-.^_`|~" } else { "" };
                let mut builder = Config::builder()
                    .cookie_name(format!("{prefix}n{n}{odd}"))
                    .same_site(same_site)
                    .http_only(flag(0))
                    .partitioned(flag(1))
                    .persistent(flag(2));
                if flag(3) {
                    builder = builder.path(PATH);
                }
                if flag(4) {
                    builder = builder.domain(DOMAIN);
                }
                if flag(5) {
                    builder = builder.insecure_for_development();
                }
                builder = match n % 4 {
                    0 => builder.absolute_timeout(Duration::from_secs(34_560_000)),
                    1 => builder.token_format(TokenFormat::UuidV4),
                    2 => builder.key_format(KeyFormat::Plain),
                    _ => builder.signing_keys(SigningKey::new([7; 32])),
                };
                configs.extend(builder.build());
            }
        }
    }
    let mut flask = Settings::new(SessionType::Cookie);
    flask.secret_key = Some("dev-secret-key".to_owned().into());
    configs.push(flask.config()?);
    Ok(configs)
}

/// A new session's outcome.
fn issue(config: &Config) -> Result<Outcome, Failure> {
    let now = UnixTime::from(SystemTime::now());
    let mut exchange = Exchange::open(config, [], now);
    exchange.session()?.insert("cart", "3 apples")?;
    let mut next = exchange.finish(now);
    let mut entropy = [0; 64];
    for (n, byte) in (1..).zip(&mut entropy) {
        *byte = n;
    }
    loop {
        next = match next {
            Commit::Mint(mint) => mint.with(entropy)?,
            Commit::Create(create) => create.then(Created::Stored, now)?,
            Commit::Done(outcome) => return Ok(outcome),
            other => return fail(format!("a new session leads to {other:?}")),
        };
    }
}

fn clear(mut outcome: Outcome) -> Outcome {
    outcome.directive = Directive::Clear;
    outcome
}

fn value(outcome: &Outcome) -> &str {
    match &outcome.directive {
        Directive::Issue(issued) => issued.token.expose(),
        _ => "",
    }
}

fn lines(configs: &[Config], outcomes: &[Outcome]) -> Vec<String> {
    let mut response = HeaderMap::new();
    for (config, outcome) in configs.iter().zip(outcomes) {
        mapping::apply(config, outcome, &mut response);
    }
    let lines = response.get_all(SET_COOKIE).iter();
    lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
        .collect()
}

/// A page that sends given lines, and records the cookies of its requests.
struct Site {
    page: Arc<Page>,
    url: String,
    server: JoinHandle<std::io::Result<()>>,
}

#[derive(Default)]
struct Page {
    lines: Mutex<HeaderMap>,
    got: Mutex<HeaderMap>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Site {
    async fn open() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{HOST}:{}{PATH}", listener.local_addr()?.port());
        let page = Arc::new(Page::default());
        let router = Router::new().fallback(answer).with_state(page.clone());
        let server = tokio::spawn(async { axum::serve(listener, router).await });
        Ok(Self { page, url, server })
    }

    /// The browser's cookies after a response with these lines, and the interval in which it
    /// received them.
    async fn send(
        &self,
        browser: &Browser,
        lines: &[String],
    ) -> Result<(HashMap<String, Kept>, (u64, u64)), Failure> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SET_COOKIE, line.parse()?);
        }
        *self
            .page
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = headers;
        let before = UnixTime::from(SystemTime::now()).as_secs();
        browser.visit(&format!("{}/set", self.url)).await?;
        let after = UnixTime::from(SystemTime::now()).as_secs();
        Ok((browser.all_cookies().await?, (before, after)))
    }

    /// The headers of the browser's next request.
    async fn headers(&self, browser: &Browser) -> Result<HeaderMap, Failure> {
        browser.visit(&format!("{}/look", self.url)).await?;
        let got = self.page.got.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(got.clone())
    }
}

async fn answer(
    State(page): State<Arc<Page>>,
    uri: Uri,
    headers: HeaderMap,
) -> (HeaderMap, Html<&'static str>) {
    let mut response = HeaderMap::new();
    match uri.path() {
        "/app/set" => {
            response = page
                .lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
        }
        "/app/look" => {
            let cookies = headers.get_all(COOKIE).iter().cloned();
            let cookies = cookies.map(|line| (COOKIE, line)).collect();
            *page.got.lock().unwrap_or_else(PoisonError::into_inner) = cookies;
        }
        // The picture that browsers ask for by themselves.
        _ => {}
    }
    (response, Html("<!doctype html><title>cookies</title>"))
}
