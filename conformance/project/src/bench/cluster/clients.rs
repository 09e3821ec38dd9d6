//! The visitors of the shop. Each one knows what was acknowledged, and compares each page with it.

use std::time::Duration;

use super::http::{Browser, Page};
use super::trouble::Log;

/// The lease of the near caches.
pub(super) const LEASE: Duration = Duration::from_secs(1);

/// The shop allows so many of one thing.
const MOST: u64 = 90;

/// A session, by what its visitor was told.
pub(super) struct Mine {
    pub(super) token: String,
    pub(super) visits: Count,
    pub(super) cart: Count,
    pub(super) is_signed_in: bool,
    pub(super) is_used: bool,
}

/// A number that only grows.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    /// It was acknowledged.
    pub(super) sure: u64,
    /// So many more may be counted: their answers were errors, or lost.
    pub(super) maybe: u64,
    /// When the last one was acknowledged.
    pub(super) at: Duration,
}

/// A request.
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) took: Duration,
    pub(super) failed: bool,
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) samples: Vec<Sample>,
    /// When a page was older than what was acknowledged, and by how much.
    pub(super) stale: Vec<(Duration, Duration)>,
    /// When that was acknowledged which was not there any more.
    pub(super) lost: Vec<Duration>,
    pub(super) acknowledged: usize,
    /// The tokens of sessions that were signed out, and when that was acknowledged.
    pub(super) ended: Vec<(String, Duration)>,
}

pub(super) struct Client {
    browser: Browser,
    processes: usize,
    log: Log,
    random: fastrand::Rng,
    pub(super) sessions: Vec<Mine>,
    pub(super) seen: Seen,
    number: usize,
    signed_in: usize,
}

impl Client {
    pub(super) fn new(number: usize, addresses: &[String], log: &Log, sessions: Vec<Mine>) -> Self {
        Self {
            browser: Browser::new(addresses),
            processes: addresses.len(),
            log: log.clone(),
            random: fastrand::Rng::with_seed(number as u64),
            sessions,
            seen: Seen::default(),
            number,
            signed_in: 0,
        }
    }

    /// Visits with one session after the other, chosen at random, until `over`.
    pub(super) async fn work(mut self, over: impl Fn() -> bool) -> Self {
        while !over() {
            let which = self.random.usize(..self.sessions.len());
            self.visit(which).await;
        }
        self
    }

    async fn visit(&mut self, which: usize) {
        self.sessions[which].is_used = true;
        let Some(csrf) = self.look(which).await else {
            return;
        };
        match self.random.u8(..16) {
            0 if self.sessions[which].is_signed_in => self.sign_out(which, &csrf).await,
            1..8 if self.sessions[which].cart.sure < MOST => self.add(which, &csrf).await,
            _ => {}
        }
    }

    /// Loads the first page, which counts. Returns the token of its forms.
    async fn look(&mut self, which: usize) -> Option<String> {
        let token = self.sessions[which].token.clone();
        let page = self.ask("/", &token, None).await;
        let session = &mut self.sessions[which];
        // The number on the page may be of a cached record: the store has the one that was saved.
        let Some(page) = page.filter(Page::counts_visits) else {
            session.visits.maybe += 1;
            return None;
        };
        self.seen.acknowledged += 1;
        if let Some(token) = &page.token {
            // The session was not found, and the shop began another.
            self.seen.lost.push(session.visits.at.max(session.cart.at));
            *session = Mine::new(token.clone(), false);
            session.is_used = true;
        }
        session.visits.sure += 1;
        session.visits.at = self.log.now();
        page.csrf().map(str::to_owned)
    }

    /// Puts a thing into the cart, and looks for it by the other processes.
    async fn add(&mut self, which: usize, csrf: &str) {
        let token = self.sessions[which].token.clone();
        let form = format!("csrf={csrf}&product=hat");
        let page = self.ask("/cart/add", &token, Some(&form)).await;
        let cart = &mut self.sessions[which].cart;
        if page.is_none_or(|page| page.status != 303) {
            cart.maybe += 1;
            return;
        }
        self.seen.acknowledged += 1;
        *cart = Count {
            sure: cart.sure + 1,
            maybe: cart.maybe,
            at: self.log.now(),
        };
        let (sure, acknowledged) = (cart.sure, cart.at);
        let shown = self
            .shown_since(&token, acknowledged, |page| page.in_cart() >= sure)
            .await;
        let cart = &mut self.sessions[which].cart;
        match shown {
            None => {}
            Some(page) if page.in_cart() < sure => {
                self.seen.lost.push(acknowledged);
                cart.sure = page.in_cart();
            }
            Some(page) => {
                let more = page.in_cart() - sure;
                cart.sure += more;
                cart.maybe = cart.maybe.saturating_sub(more);
            }
        }
    }

    /// Signs out, looks whether the other processes heed it, and signs in as another user.
    async fn sign_out(&mut self, which: usize, csrf: &str) {
        let token = self.sessions[which].token.clone();
        let form = format!("csrf={csrf}");
        let page = self.ask("/sign-out", &token, Some(&form)).await;
        if page.is_none_or(|page| page.status != 303) {
            // The next page shows whether it happened: either is right.
            let shown = self.ask("/cart", &token, None).await;
            if shown.is_none_or(|page| !page.is_signed_in()) {
                self.begin(which).await;
            }
            return;
        }
        self.seen.acknowledged += 1;
        let acknowledged = self.log.now();
        self.seen.ended.push((token.clone(), acknowledged));
        let shown = self
            .shown_since(&token, acknowledged, |page| !page.is_signed_in())
            .await;
        if shown.is_some_and(|page| page.is_signed_in()) {
            self.seen.lost.push(acknowledged);
        }
        self.begin(which).await;
    }

    /// Begins a new session in this place, and signs it in. As long as that fails, tries again.
    async fn begin(&mut self, which: usize) {
        for _ in 0..100 {
            let Some(page) = self.ask("/", "", None).await else {
                continue;
            };
            let (Some(token), Some(csrf)) = (page.token.clone(), page.csrf()) else {
                continue;
            };
            let visits = Count {
                sure: 1,
                maybe: 0,
                at: self.log.now(),
            };
            self.signed_in += 1;
            let form = format!("csrf={csrf}&name=again-{}-{}", self.number, self.signed_in);
            let page = self.ask("/sign-in", &token, Some(&form)).await;
            let Some(token) = page.and_then(|page| page.token) else {
                continue;
            };
            self.seen.acknowledged += 2;
            let mut session = Mine::new(token, true);
            session.visits = visits;
            session.cart.at = self.log.now();
            session.is_used = true;
            self.sessions[which] = session;
            return;
        }
    }

    /// Looks at the cart, by one process after the other, until one shows what was acknowledged, or
    /// until no cache can be the reason. `None`: no page came.
    async fn shown_since(
        &mut self,
        token: &str,
        acknowledged: Duration,
        is_shown: impl Fn(&Page) -> bool,
    ) -> Option<Page> {
        let mut last = None;
        loop {
            let asked = self.log.now();
            let Some(page) = self.ask("/cart", token, None).await else {
                if self.log.now() > acknowledged + 4 * LEASE {
                    return last;
                }
                continue;
            };
            if is_shown(&page) {
                return Some(page);
            }
            let age = asked.saturating_sub(acknowledged);
            if age > 4 * LEASE {
                // It is lost.
                return Some(page);
            }
            self.seen.stale.push((asked, age));
            last = Some(page);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks one of the processes. `None`: an error, or no answer.
    async fn ask(&mut self, path: &str, token: &str, form: Option<&str>) -> Option<Page> {
        let process = self.random.usize(..self.processes);
        let at = self.log.now();
        let page = self.browser.ask(process, path, token, form).await;
        let page = page.ok().filter(|page| page.status < 500);
        self.seen.samples.push(Sample {
            at,
            took: self.log.now().saturating_sub(at),
            failed: page.is_none(),
        });
        page
    }
}

impl Mine {
    pub(super) fn new(token: String, is_signed_in: bool) -> Self {
        Self {
            token,
            visits: Count::default(),
            cart: Count::default(),
            is_signed_in,
            is_used: false,
        }
    }
}
