//! The option of every URL: a cache in this process before the store.

use std::time::Duration;

use cloakroom_store::StoreError;

use crate::failure;

const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(30);

/// Takes the option `near` out of a URL. Returns the URL without it, and the lease.
pub(crate) fn take(url: &str) -> Result<(Box<str>, Option<Duration>), StoreError> {
    let Some((place, query)) = url.split_once('?') else {
        return Ok((url.into(), None));
    };
    let (query, fragment) = match query.find('#') {
        Some(at) => query.split_at(at),
        None => (query, ""),
    };
    let (mut others, mut lease) = (Vec::new(), None);
    for option in query.split('&') {
        match option.strip_prefix("near=") {
            None => others.push(option),
            Some(_) if lease.is_some() => return Err(failure::near()),
            Some(value) => lease = Some(parse(value).ok_or_else(failure::near)?),
        }
    }
    if lease.is_none() {
        return Ok((url.into(), None));
    }
    if !cfg!(feature = "near") {
        return Err(failure::near_is_off());
    }
    let query = match others.is_empty() {
        true => String::new(),
        false => format!("?{}", others.join("&")),
    };
    Ok((format!("{place}{query}{fragment}").into(), lease))
}

/// Reads `250ms` or `1s`.
fn parse(value: &str) -> Option<Duration> {
    let lease = match value.strip_suffix("ms") {
        Some(number) => Duration::from_millis(digits(number)?),
        None => Duration::from_secs(digits(value.strip_suffix('s')?)?),
    };
    (LEAST..=MOST).contains(&lease).then_some(lease)
}

/// A number without a sign.
fn digits(number: &str) -> Option<u64> {
    let plain = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| plain)
}

#[cfg(all(test, feature = "near"))]
mod tests {
    use super::take;
    use std::time::Duration;

    #[test]
    fn the_option_is_taken_from_wherever_it_stands() {
        for (url, rest, lease) in [
            ("memory:", "memory:", None),
            ("memory:?near=1s", "memory:", Some(1_000)),
            ("redis://h/0?near=250ms", "redis://h/0", Some(250)),
            (
                "redis://h?near=30s&protocol=resp3",
                "redis://h?protocol=resp3",
                Some(30_000),
            ),
            (
                "postgres://h/d?sslmode=require&near=100ms#x",
                "postgres://h/d?sslmode=require#x",
                Some(100),
            ),
            ("redis://h?nearest=1s", "redis://h?nearest=1s", None),
            ("redis://h/0#near=1s", "redis://h/0#near=1s", None),
        ] {
            let (taken, found) = take(url).unwrap();
            assert_eq!(&*taken, rest);
            assert_eq!(found, lease.map(Duration::from_millis), "{url}");
        }
    }

    #[test]
    fn what_is_no_lease_is_refused_without_being_repeated() {
        for value in [
            "",
            "1",
            "s",
            "ms",
            "0s",
            "99ms",
            "31s",
            "1.5s",
            "+1s",
            "-1s",
            "1 s",
            "1m",
            "99999999999999999999s",
            "1s&near=1s",
            "1s@host",
        ] {
            let error = take(&format!("redis://u:secret@h?near={value}")).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("near=1s") && !text.contains("secret"),
                "{value}: {text}"
            );
            assert!(!text.contains("99999") && !text.contains("@host"), "{text}");
        }
    }
}
