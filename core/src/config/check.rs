//! The rules of RFC 10025 (cookies) and of this library that a configuration must keep.

use std::time::Duration;

use super::{Builder, ConfigError, MAX_MAX_AGE, SameSite};
use crate::Key;
use crate::token::{SigningKey, TokenRules};

const MAX_ATTRIBUTE: usize = 1_024;
const MAX_NAME_AND_VALUE: usize = 4_096;
const MAX_GRACE: Duration = Duration::from_secs(3_600);
/// The smallest record: a header and no values.
const MIN_RECORD: usize = 256;

// The longer prefix first: `__Host-` is a prefix of `__Host-Http-`.
const PREFIXES: [&str; 4] = ["__Host-Http-", "__Host-", "__Http-", "__Secure-"];

fn prefix(name: &str) -> Option<&'static str> {
    PREFIXES.into_iter().find(|prefix| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
}

pub(super) fn without_prefix(name: &str) -> &str {
    prefix(name)
        .and_then(|prefix| name.get(prefix.len()..))
        .unwrap_or(name)
}

pub(super) fn cookie(builder: &Builder, name: &str) -> Result<(), ConfigError> {
    let fail = |field, problem| Err(ConfigError::new(field, problem));
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return fail(
            "cookie_name",
            "must be letters, digits or !#$%&'*+-.^_`|~ (RFC 9110, token), and not empty",
        );
    }
    if without_prefix(name).is_empty() {
        return fail("cookie_name", "has nothing behind its prefix; add a name");
    }
    if builder.insecure_for_development {
        if prefix(name).is_some() {
            return fail(
                "cookie_name",
                "its prefix needs Secure; leave the name out, or do not use insecure_for_development",
            );
        }
        if builder.same_site == SameSite::None {
            return fail(
                "same_site",
                "SameSite=None needs Secure; use Lax or Strict, or do not use insecure_for_development",
            );
        }
        if builder.partitioned {
            return fail(
                "partitioned",
                "Partitioned needs Secure; do not use insecure_for_development",
            );
        }
    }
    if let Some(prefix) = prefix(name) {
        if prefix.contains("Http-") && !builder.http_only {
            return fail(
                "http_only",
                "the cookie's prefix needs HttpOnly; leave it on or use another prefix",
            );
        }
        if prefix.starts_with("__Host-") && builder.domain.is_some() {
            return fail(
                "domain",
                "a `__Host-` cookie has no Domain; remove it or use `__Secure-`",
            );
        }
        if prefix.starts_with("__Host-") && builder.path != "/" {
            return fail(
                "path",
                "a `__Host-` cookie has Path=/; remove the path or use another prefix",
            );
        }
    }
    let in_attribute = |text: &str| {
        text.bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b';')
    };
    // A user agent trims spaces, and the cookie would have another path than the configuration says (RFC 10025, section 5.6).
    if !builder.path.starts_with('/')
        || builder.path.ends_with(' ')
        || !in_attribute(&builder.path)
        || builder.path.len() > MAX_ATTRIBUTE
    {
        return fail(
            "path",
            "must begin with `/`, not end with a space, and be at most 1,024 bytes of ASCII without `;` and control characters",
        );
    }
    if let Some(domain) = &builder.domain {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        // User agents pass over a dot in front; with one at the end no host matches, and they drop the cookie (RFC 10025, section 5.1.3).
        let host = domain.strip_prefix('.').unwrap_or(domain);
        if host.is_empty()
            || host.split('.').any(str::is_empty)
            || !domain.bytes().all(valid)
            || domain.len() > MAX_ATTRIBUTE
        {
            return fail(
                "domain",
                "must be a host name: letters, digits, hyphens and dots between them (other names in their xn-- form)",
            );
        }
    }
    Ok(())
}

pub(super) fn times(builder: &Builder) -> Result<(), ConfigError> {
    let fail = |field, problem| Err(ConfigError::new(field, problem));
    let whole = |duration: Duration| duration.subsec_nanos() == 0;
    if builder.idle_timeout.is_zero() || !whole(builder.idle_timeout) {
        return fail(
            "idle_timeout",
            "must be a whole number of seconds, at least one",
        );
    }
    if builder.absolute_timeout.is_zero() || !whole(builder.absolute_timeout) {
        return fail(
            "absolute_timeout",
            "must be a whole number of seconds, at least one",
        );
    }
    if builder.idle_timeout > builder.absolute_timeout {
        return fail(
            "idle_timeout",
            "is longer than the absolute timeout and would never apply; shorten it or raise that one",
        );
    }
    if let Some(timeout) = builder.idle_timeout_until_closed
        && (timeout.is_zero() || !whole(timeout) || timeout > builder.absolute_timeout)
    {
        return fail(
            "idle_timeout_until_closed",
            "must be a whole number of seconds, at least one, and not longer than the absolute timeout",
        );
    }
    if let Some(passed) = builder.extend_after
        && (!whole(passed) || passed >= builder.idle_timeout)
    {
        return fail(
            "extend_after",
            "must be a whole number of seconds, and shorter than the idle timeout",
        );
    }
    let sent = match builder.renew_cookie {
        true => builder.idle_timeout,
        false => builder.absolute_timeout,
    };
    if builder.persistent && sent > MAX_MAX_AGE {
        return fail(
            if builder.renew_cookie {
                "idle_timeout"
            } else {
                "absolute_timeout"
            },
            "gives a Max-Age over 34,560,000 seconds (400 days), which user agents cut; shorten it",
        );
    }
    if builder.rotation_grace > MAX_GRACE || !whole(builder.rotation_grace) {
        return fail(
            "rotation_grace",
            "must be a whole number of seconds, at most 3,600",
        );
    }
    Ok(())
}

pub(super) fn sizes(builder: &Builder, name: &str, tokens: &TokenRules) -> Result<(), ConfigError> {
    let fail = |field, problem| Err(ConfigError::new(field, problem));
    if name.len() + tokens.token_len() > MAX_NAME_AND_VALUE {
        return fail(
            "cookie_name",
            "with its value is over 4,096 bytes, which user agents drop; shorten it",
        );
    }
    if !tokens.signing_keys.iter().all(SigningKey::is_long_enough) {
        return fail(
            "signing_keys",
            "each key needs at least 32 bytes; use random ones",
        );
    }
    if !tokens.prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
        return fail("key_prefix", "must be printable ASCII without spaces");
    }
    if tokens.key_len() > Key::MAX_LEN {
        return fail(
            "key_prefix",
            "gives keys over 250 bytes, which Memcached refuses; shorten it",
        );
    }
    if builder.limits.record_bytes < MIN_RECORD {
        return fail("limits", "record_bytes must be at least 256");
    }
    if builder.limits.values == 0 {
        return fail("limits", "values must be at least 1");
    }
    Ok(())
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
