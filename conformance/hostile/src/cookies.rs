//! Cookie lines in, Set-Cookie lines out.

use cloakroom_core::{
    Commit, Config, Created, Directive, Exchange, Outcome, SameSite, UnixTime, http as mapping,
};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use crate::take;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Lines of a Cookie header, separated by newlines.
pub(crate) fn cookies(data: &[u8]) {
    let config = Config::default();
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let tokens: Vec<&[u8]> = mapping::tokens(&config, &headers).collect();
    assert!(tokens.len() <= data.len(), "more tokens than bytes");
    for token in &tokens {
        let mut windows = data.windows(token.len().max(1));
        assert!(
            token.is_empty() || windows.any(|window| window == *token),
            "a token that nobody sent"
        );
    }
    // Several lines mean the same as one joined (RFC 10025; RFC 9113, 8.2.3).
    let lines: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        let one = HeaderMap::from_iter([(COOKIE, joined)]);
        let of_one: Vec<&[u8]> = mapping::tokens(&config, &one).collect();
        assert_eq!(tokens, of_one, "several lines and one joined differ");
    }
    let mut exchange = Exchange::open(&config, tokens.iter().copied(), NOW);
    let mut loads = 0;
    while let Some(key) = exchange.wants_load().cloned() {
        exchange
            .handle_loaded(&key, None)
            .expect("nothing was found");
        loads += 1;
    }
    assert!(loads <= 16, "{loads} loads");
    let mut session = exchange.session().expect("loaded");
    assert!(session.is_new());
    session.insert("n", 1).expect("a good value");
    let outcome = create(exchange, entropy(data));
    let Directive::Issue(issued) = &outcome.directive else {
        panic!("no token for a new session");
    };
    assert!(
        !tokens.contains(&issued.token.expose().as_bytes()),
        "a token was adopted"
    );
}

/// Builds a configuration from the bytes. If it is accepted, another parser reads its Set-Cookie
/// lines as configured.
pub(crate) fn set_cookie(mut data: &[u8]) {
    let [flags, same_site, grace, name] = take(&mut data);
    let same_site = match same_site % 4 {
        0 => SameSite::Strict,
        1 => SameSite::Lax,
        2 => SameSite::None,
        _ => SameSite::Absent,
    };
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\n');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let prefix = ["__Host-", "__Secure-", "", "__Http-"][usize::from(name) % 4];
    let name = format!("{prefix}{}", next());
    let mut builder = Config::builder()
        .cookie_name(&name)
        .same_site(same_site)
        .rotation_grace(Duration::from_secs(u64::from(grace)))
        .http_only(flags & 1 == 0)
        .partitioned(flags & 2 != 0);
    let (path, domain) = (next(), next());
    if flags & 4 != 0 {
        builder = builder.path(&path);
    }
    if flags & 8 != 0 {
        builder = builder.domain(&domain);
    }
    if flags & 16 != 0 {
        builder = builder.persistent(true);
    }
    let Ok(config) = builder.build() else { return };
    let mut exchange = Exchange::open(&config, [], NOW);
    let mut session = exchange.session().expect("nothing to load");
    session.insert("n", 1).expect("a good value");
    let issued = create(exchange, [7; 64]);
    let mut gone = issued.clone();
    gone.directive = Directive::Clear;
    for outcome in [issued, gone] {
        let mut response = HeaderMap::new();
        mapping::apply(&config, &outcome, &mut response);
        let lines: Vec<_> = response.get_all(SET_COOKIE).iter().collect();
        let [line] = lines[..] else {
            panic!("{} Set-Cookie lines", lines.len());
        };
        let line = line.to_str().expect("visible ASCII");
        let cookie = cookie::Cookie::parse(line).expect("a cookie");
        let value = match &outcome.directive {
            Directive::Issue(issued) => issued.token.expose(),
            _ => "",
        };
        assert_eq!((cookie.name(), cookie.value()), (&*name, value));
        assert_eq!(cookie.secure(), Some(true));
        assert_eq!(cookie.http_only().unwrap_or(false), flags & 1 == 0);
        assert_eq!(cookie.partitioned().unwrap_or(false), flags & 2 != 0);
        let path = if flags & 4 != 0 { &*path } else { "/" };
        // Browsers drop the space around an attribute's value (RFC 10025, section 5.6).
        assert_eq!(cookie.path(), Some(path.trim()));
        let domain = (flags & 8 != 0).then(|| domain.trim_start_matches('.'));
        assert_eq!(
            cookie.domain().map(str::to_ascii_lowercase),
            domain.map(str::to_ascii_lowercase)
        );
        let expected = match same_site {
            SameSite::Strict => Some(cookie::SameSite::Strict),
            SameSite::Lax => Some(cookie::SameSite::Lax),
            SameSite::None => Some(cookie::SameSite::None),
            SameSite::Absent => None,
        };
        assert_eq!(cookie.same_site(), expected);
    }
}

/// Derives reproducible randomness that the author of the bytes cannot foresee.
fn entropy(data: &[u8]) -> [u8; 64] {
    let mut entropy = [0; 64];
    for (n, part) in entropy.chunks_exact_mut(8).enumerate() {
        let mut hasher = std::hash::DefaultHasher::new();
        (n, data).hash(&mut hasher);
        part.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    entropy
}

/// Carries out what creates a session, where there is nothing yet.
fn create(exchange: Exchange, entropy: [u8; 64]) -> Outcome {
    let Commit::Mint(mint) = exchange.finish(NOW) else {
        panic!("nothing is created");
    };
    let Ok(Commit::Create(create)) = mint.with(entropy) else {
        panic!("nothing is created");
    };
    match create.then(Created::Stored, NOW) {
        Ok(Commit::Done(outcome)) => outcome,
        _ => panic!("a creation takes more than one step"),
    }
}
