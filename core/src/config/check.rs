//! The rules of RFC 10025 (cookies) and of this library that a configuration must keep.

use std::time::Duration;

use super::{ConfigBuilder, ConfigError, MAX_MAX_AGE, SameSite};
use crate::Key;
use crate::token::{KeyFormat, SigningKey, TokenFormat, TokenRules};

const MAX_ATTRIBUTE: usize = 1_024;
const MAX_FORMER_SCOPES: usize = 8;
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

pub(super) fn cookie(builder: &ConfigBuilder, name: &str) -> Result<(), ConfigError> {
    let fail = |field, problem| Err(ConfigError::new(field, problem));
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return fail(
            "cookie_name",
            "must be letters, digits or !#$%&'*+-.^_`|~ (RFC 9110, token), and not empty",
        );
    }
    if prefix(name).is_some_and(|prefix| prefix.len() == name.len()) {
        return fail("cookie_name", "has nothing behind its prefix; add a name");
    }
    if builder.fields.insecure_for_development {
        if prefix(name).is_some() {
            return fail(
                "cookie_name",
                "its prefix needs Secure; leave the name out, or do not use insecure_for_development",
            );
        }
        if builder.fields.same_site == SameSite::None {
            return fail(
                "same_site",
                "SameSite=None needs Secure; use Lax or Strict, or do not use insecure_for_development",
            );
        }
        if builder.fields.partitioned {
            return fail(
                "partitioned",
                "Partitioned needs Secure; do not use insecure_for_development",
            );
        }
    }
    if let Some(prefix) = prefix(name) {
        if prefix.contains("Http-") && !builder.fields.http_only {
            return fail(
                "http_only",
                "the cookie's prefix needs HttpOnly; leave it on or use another prefix",
            );
        }
        if prefix.starts_with("__Host-") && builder.fields.domain.is_some() {
            return fail(
                "domain",
                "a `__Host-` cookie has no Domain; remove it or use `__Secure-`",
            );
        }
        if prefix.starts_with("__Host-") && builder.fields.path != "/" {
            return fail(
                "path",
                "a `__Host-` cookie has Path=/; remove the path or use another prefix",
            );
        }
    }
    if !is_path(&builder.fields.path) {
        return fail("path", PATH);
    }
    if !builder.fields.domain.as_deref().is_none_or(is_domain) {
        return fail("domain", DOMAIN);
    }
    Ok(())
}

const PATH: &str = "must begin with `/`, not end with a space, and be at most 1,024 bytes of ASCII \
                    without `;` and control characters";
const DOMAIN: &str = "must be a host name: letters, digits, hyphens and dots between them (other \
                      names in their xn-- form)";

/// A user agent trims spaces, so the cookie's path would differ from the configured one (RFC 10025,
/// section 5.6).
fn is_path(path: &str) -> bool {
    let in_attribute = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b';';
    path.starts_with('/')
        && !path.ends_with(' ')
        && path.bytes().all(in_attribute)
        && path.len() <= MAX_ATTRIBUTE
}

/// User agents ignore a leading dot. With a trailing dot no host matches, and they drop the cookie
/// (RFC 10025, section 5.1.3).
fn is_domain(domain: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let host = domain.strip_prefix('.').unwrap_or(domain);
    !host.split('.').any(str::is_empty)
        && domain.bytes().all(valid)
        && domain.len() <= MAX_ATTRIBUTE
}

pub(super) fn former_scopes(builder: &ConfigBuilder, name: &str) -> Result<(), ConfigError> {
    let fail = |problem| Err(ConfigError::new("former_scope", problem));
    let (present, host) = (builder.scope(), prefix(name).unwrap_or_default());
    if builder.fields.former_scopes.len() > MAX_FORMER_SCOPES {
        return fail(
            "there are more than eight, each of which is a header of a response; remove the oldest",
        );
    }
    for scope in &builder.fields.former_scopes {
        if !is_path(&scope.path) {
            return fail(PATH);
        }
        if !scope.domain.as_deref().is_none_or(is_domain) {
            return fail(DOMAIN);
        }
        if host.starts_with("__Host-") && (scope.domain.is_some() || scope.path != "/") {
            return fail(
                "a `__Host-` cookie never had a Domain or another Path; a cookie of another name is \
                 not looked at, so remove this",
            );
        }
        if scope.partitioned && builder.fields.insecure_for_development {
            return fail("Partitioned needs Secure; do not use insecure_for_development");
        }
        if scope.is(&present) {
            return fail("is the scope that the cookie has now, and would remove it; remove this");
        }
    }
    Ok(())
}

pub(super) fn times(builder: &ConfigBuilder) -> Result<(), ConfigError> {
    let fail = |field, problem| Err(ConfigError::new(field, problem));
    let whole = |duration: Duration| duration.subsec_nanos() == 0;
    if builder.fields.idle_timeout.is_zero() || !whole(builder.fields.idle_timeout) {
        return fail(
            "idle_timeout",
            "must be a whole number of seconds, at least one",
        );
    }
    if builder.fields.absolute_timeout.is_zero() || !whole(builder.fields.absolute_timeout) {
        return fail(
            "absolute_timeout",
            "must be a whole number of seconds, at least one",
        );
    }
    if builder.fields.idle_timeout > builder.fields.absolute_timeout {
        return fail(
            "idle_timeout",
            "is longer than the absolute timeout and would never apply; shorten it or raise that one",
        );
    }
    if let Some(timeout) = builder.fields.idle_timeout_until_closed
        && (timeout.is_zero() || !whole(timeout) || timeout > builder.fields.absolute_timeout)
    {
        return fail(
            "idle_timeout_until_closed",
            "must be a whole number of seconds, at least one, and not longer than the absolute timeout",
        );
    }
    if let Some(passed) = builder.fields.touch_interval
        && (!whole(passed) || passed >= builder.fields.idle_timeout)
    {
        return fail(
            "touch_interval",
            "must be a whole number of seconds, and shorter than the idle timeout",
        );
    }
    let sent = match builder.fields.renew_cookie {
        true => builder.fields.idle_timeout,
        false => builder.fields.absolute_timeout,
    };
    if builder.fields.persistent && sent > MAX_MAX_AGE {
        return fail(
            if builder.fields.renew_cookie {
                "idle_timeout"
            } else {
                "absolute_timeout"
            },
            "gives a Max-Age over 34,560,000 seconds (400 days), which user agents cut; shorten it",
        );
    }
    if builder.fields.rotation_grace > MAX_GRACE || !whole(builder.fields.rotation_grace) {
        return fail(
            "rotation_grace",
            "must be a whole number of seconds, at most 3,600",
        );
    }
    Ok(())
}

/// Rejects settings that would have no effect beside another one.
pub(super) fn ignored(builder: &ConfigBuilder) -> Result<(), ConfigError> {
    let signs = !builder.fields.signing_keys.is_empty();
    let of_scheme = [
        ("signing_keys", signs),
        (
            "token_format",
            builder.fields.token_format != TokenFormat::default(),
        ),
    ];
    let of_envelope = [
        ("token_scheme", builder.fields.token_scheme.is_some()),
        (
            "key_format",
            builder.fields.key_format != KeyFormat::default(),
        ),
        ("key_prefix", builder.fields.key_prefix.is_some()),
    ];
    let first = |settings: &[(&'static str, bool)]| {
        let set = settings.iter().find(|(_, set)| *set);
        set.map(|(field, _)| *field)
    };
    if builder.fields.envelope.is_some()
        && let Some(field) = first(&of_scheme).or_else(|| first(&of_envelope))
    {
        let problem = "has no effect on sessions in the cookie; remove it, or `envelope`";
        return Err(ConfigError::new(field, problem));
    }
    if builder.fields.token_scheme.is_some()
        && let Some(field) = first(&of_scheme)
    {
        let problem = "has no effect beside `token_scheme`; remove one of the two";
        return Err(ConfigError::new(field, problem));
    }
    Ok(())
}

pub(super) fn sizes(
    builder: &ConfigBuilder,
    name: &str,
    tokens: &TokenRules,
) -> Result<(), ConfigError> {
    let fail = |field, problem| Err(ConfigError::new(field, problem));
    if name.len() + tokens.token_len() > MAX_NAME_AND_VALUE {
        return fail(
            "cookie_name",
            "with its value is over 4,096 bytes, which user agents drop; shorten it",
        );
    }
    if let Some(problem) = tokens.signing_keys.iter().find_map(SigningKey::problem) {
        return fail("signing_keys", problem);
    }
    let keys = &tokens.signing_keys;
    if (1..keys.len()).any(|at| keys.iter().take(at).any(|key| key.is(&keys[at]))) {
        return fail(
            "signing_keys",
            "has one key twice; remove it, or put the new key in front",
        );
    }
    if !tokens.prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
        return fail("key_prefix", "must be printable ASCII without spaces");
    }
    if let Some(problem) = super::text::problem(&tokens.prefix) {
        return fail("key_prefix", problem);
    }
    if tokens.key_len() > Key::MAX_LEN {
        return fail(
            "key_prefix",
            "gives keys over 250 bytes, which Memcached refuses; shorten it",
        );
    }
    if builder.fields.limits.record_bytes < MIN_RECORD {
        return fail("limits", "record_bytes must be at least 256");
    }
    if builder.fields.limits.values == 0 {
        return fail("limits", "values must be at least 1");
    }
    Ok(())
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
