//! Device-bound sessions.

use cloakroom_core::{Config, Exchange, UnixTime};
use cloakroom_dbsc::{DeviceBinding, Policy, Status};
use http::{HeaderMap, HeaderValue};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Presents the bytes wherever a browser's bytes go. They register no key, refresh nothing, and are
/// no bound cookie.
pub(crate) fn bound_sessions(data: &[u8]) {
    let config = Config::default();
    let binding = DeviceBinding::new(&config).expect("a good configuration");
    let mut exchange = Exchange::open(&config, [], NOW);
    let mut session = exchange.session().expect("nothing to load");
    let offer = binding.offer(&mut session, NOW, [7; 64]);
    assert!(offer.expect("room").is_some(), "nothing is offered");

    let mut request = HeaderMap::new();
    for (name, before) in [
        ("secure-session-response", ""),
        ("sec-secure-session-id", ""),
        ("cookie", "__Host-session-bound="),
    ] {
        let value = [before.as_bytes(), data].concat();
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            request.insert(name, value);
        }
    }
    let answer = binding.register(&request, &mut session, NOW, [8; 64]);
    assert_eq!(
        answer.expect("an answer").status,
        403,
        "a forged registration"
    );
    // The identifier of this very session.
    let ours = "BwcHBwcHBwcHBwcHBwcHBw";
    for id in [None, Some(ours)] {
        if let Some(id) = id {
            request.insert("sec-secure-session-id", HeaderValue::from_static(id));
        }
        let answer = binding.refresh(&request, &mut session, NOW, [9; 64]);
        let answer = answer.expect("an answer");
        assert!(
            !answer.headers.contains_key("set-cookie"),
            "a forged refresh"
        );
    }
    let checked = binding.guard(&request, &mut session, Policy::End, NOW, [9; 64]);
    assert_eq!(checked.expect("an answer").status, Status::Pending);
}
