//! How long a record lives, in Memcached's terms and back.

use std::time::Duration;

use cloakroom_store::UnixTime;

/// Up to this many seconds a number means "from now"; a larger one is seconds since 1970.
const THIRTY_DAYS: u64 = 30 * 24 * 60 * 60;

/// Memcached keeps such a number in 32 bits: 2038-01-19.
const LAST: u64 = i32::MAX as u64;

/// Returns the server's expiry time for a record that ends at `end`.
///
/// A relative lifetime where possible, so that the server's clock does not matter. Longer lifetimes
/// are absolute times, up to the last that Memcached knows.
pub(crate) fn exptime(now: UnixTime, end: UnixTime) -> i64 {
    if end == UnixTime::MAX {
        return 0;
    }
    if end <= now {
        // At once.
        return -1;
    }
    let rest = end.as_secs() - now.as_secs();
    let moment = end.as_secs().min(LAST);
    let number = match moment.checked_sub(now.as_secs()) {
        _ if rest <= THIRTY_DAYS => rest,
        Some(rest) if rest > THIRTY_DAYS => moment,
        // Too near to the last moment, or behind it.
        _ => THIRTY_DAYS,
    };
    number.cast_signed()
}

/// When a record ends that has so many seconds left.
pub(crate) fn end(now: UnixTime, rest: Option<u64>) -> UnixTime {
    rest.map_or(UnixTime::MAX, |rest| now + Duration::from_secs(rest))
}

#[cfg(test)]
mod tests {
    use super::{end, exptime};
    use cloakroom_store::UnixTime;

    const DAY: u64 = 86_400;

    fn check(now: u64, end: u64, expected: i64) {
        let told = exptime(UnixTime::from_secs(now), UnixTime::from_secs(end));
        assert_eq!(told, expected, "at {now} for {end}");
    }

    // R57
    #[test]
    fn a_life_of_more_than_thirty_days_is_sent_as_a_date() {
        let now = 1_800_000_000;
        check(now, now + 1, 1);
        check(now, now + 30 * DAY, 2_592_000);
        check(now, now + 30 * DAY + 1, 1_802_592_001);
        check(now, now + 365 * DAY, 1_831_536_000);
    }

    #[test]
    fn a_past_expiry_ends_at_once() {
        check(1_800_000_000, 1_800_000_000, -1);
        check(1_800_000_000, 0, -1);
    }

    #[test]
    fn a_session_without_expiry_has_no_end() {
        check(1_800_000_000, u64::MAX, 0);
        assert_eq!(end(UnixTime::from_secs(1), None), UnixTime::MAX);
    }

    // Negative numbers end a record at once:
    // https://github.com/memcached/memcached/blob/master/doc/protocol.txt
    #[test]
    fn no_date_beyond_32_bits_is_sent() {
        check(1_800_000_000, 4_102_444_800, 2_147_483_647);
        check(2_147_000_000, 2_147_000_000 + 40 * DAY, 2_592_000);
        check(4_000_000_000, 4_000_000_000 + 40 * DAY, 2_592_000);
        check(4_000_000_000, 4_000_000_000 + DAY, 86_400);
    }
}
