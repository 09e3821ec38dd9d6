//! A site whose sessions are bound, on a store in memory and in virtual time.
#![allow(dead_code, reason = "each test file uses its part of this")]

use cloakroom_core::{Commit, Config, Session};
use cloakroom_dbsc::{Answer, Checked, DeviceBinding, Policy, Status};
use http::HeaderMap;

use crate::client::{Device, offered, value};
use crate::support::World;

pub(crate) const COOKIE_LIFE: u64 = 600;
pub(crate) const CHALLENGE_LIFE: u64 = 3_600;

pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) binding: DeviceBinding,
}

impl Site {
    pub(crate) fn new() -> Self {
        let config = Config::builder()
            .idle_timeout(std::time::Duration::from_secs(40_000))
            .build()
            .expect("a good configuration");
        let binding = DeviceBinding::new(&config).expect("a good configuration");
        Self {
            world: World::with(config),
            binding,
        }
    }

    /// Signs in, and returns the token and the challenge of the offer.
    pub(crate) fn sign_in(&mut self, token: Option<&str>) -> (String, String) {
        let (now, entropy) = (self.world.now(), self.world.entropy());
        let (binding, mut offer) = (self.binding.clone(), None);
        let token = self.world.issue(token, |session| {
            session.sign_in("ada").expect("a good subject");
            offer = binding.offer(session, now, entropy).expect("room");
        });
        let offer = offer.expect("an offer");
        (token, offered(offer.to_str().expect("text")))
    }

    /// Signs in and binds the session, until the browser has shown its cookie.
    pub(crate) fn bound(&mut self, seed: u8) -> (String, Device) {
        let (token, challenge) = self.sign_in(None);
        let mut device = Device::new(seed);
        let answer = self.register(&token, &device.registration(&challenge));
        assert_eq!(answer.status, 200);
        device.take(200, &answer.headers, &answer.body);
        assert_eq!(self.check(&token, &device), Status::Bound);
        (token, device)
    }

    /// A registration up to its commit.
    pub(crate) fn begin_registration(&mut self, token: &str, jws: &str) -> (Answer, Commit) {
        let (now, entropy) = (self.world.now(), self.world.entropy());
        let (binding, mut answer) = (self.binding.clone(), None);
        let request = response(jws);
        let commit = self.world.begin(Some(token), |session| {
            answer = Some(binding.register(&request, session, now, entropy));
        });
        (answer.expect("called").expect("an answer"), commit)
    }

    pub(crate) fn register(&mut self, token: &str, jws: &str) -> Answer {
        let (answer, commit) = self.begin_registration(token, jws);
        self.world.run(commit).expect("the registration is saved");
        answer
    }

    /// A refresh up to its commit.
    pub(crate) fn begin_refresh(
        &mut self,
        token: Option<&str>,
        request: &HeaderMap,
    ) -> (Answer, Commit) {
        let (now, entropy) = (self.world.now(), self.world.entropy());
        let mut exchange = self.world.open(token);
        exchange.in_background();
        let mut session = exchange.session().expect("loaded");
        let answer = self.binding.refresh(request, &mut session, now, entropy);
        (answer.expect("an answer"), exchange.finish(now))
    }

    pub(crate) fn refresh(&mut self, token: Option<&str>, request: &HeaderMap) -> Answer {
        let (answer, commit) = self.begin_refresh(token, request);
        self.world.run(commit).expect("nothing to fail");
        answer
    }

    /// Refreshes as a browser does: signs the challenge that it has, and then the one that it gets.
    pub(crate) fn renew(&mut self, token: Option<&str>, device: &mut Device) {
        for _ in 0..3 {
            let answer = self.refresh(token, &device.refresh_request());
            device.take(answer.status.as_u16(), &answer.headers, &answer.body);
            if answer.status == 200 {
                return;
            }
        }
        panic!("the browser gives up");
    }

    pub(crate) fn check(&mut self, token: &str, device: &Device) -> Status {
        self.guard(token, device, Policy::Observe).status
    }

    pub(crate) fn guard(&mut self, token: &str, device: &Device, policy: Policy) -> Checked {
        let (now, entropy) = (self.world.now(), self.world.entropy());
        let (binding, mut checked) = (self.binding.clone(), None);
        let request = device.page_request();
        self.world.request(Some(token), |session| {
            checked = Some(binding.guard(&request, session, policy, now, entropy));
        });
        checked
            .expect("called")
            .expect("a binding that can be read")
    }

    /// The challenge of the offer that a page load gets.
    pub(crate) fn offer_again(&mut self, token: &str) -> Option<String> {
        let (now, entropy) = (self.world.now(), self.world.entropy());
        let binding = self.binding.clone();
        let offer = self.see(token, |session| binding.offer_again(session, now, entropy));
        let offer = offer.expect("a binding that can be read")?;
        Some(offered(offer.to_str().expect("text")))
    }

    pub(crate) fn see<T>(&mut self, token: &str, look: impl FnOnce(&mut Session<'_>) -> T) -> T {
        self.world.see(token, look)
    }
}

pub(crate) fn response(jws: &str) -> HeaderMap {
    let mut request = HeaderMap::new();
    request.insert("secure-session-response", value(jws));
    request
}
