//! The frame of the data: `array(3)` of the id, the data and the expiry, as `rmp_serde` writes
//! tower-sessions' `Record`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cloakroom_store::{Key, UnixTime};

/// `array(3)`, then `bin8` of 16 bytes.
const HEAD: [u8; 3] = [0x93, 0xc4, 0x10];
const ID: usize = 16;
const ID_TEXT: usize = 22;
const DATA: usize = HEAD.len() + ID;
/// `array(9)`, then nine integers: year, day of the year, hour, minute, second, nanosecond, and the
/// offset's hour, minute, second.
const EXPIRY: u8 = 0x99;
const PARTS: usize = 9;
/// Integers of five bytes at most.
const MAX_EXPIRY: usize = 1 + PARTS * 5;

/// The last second that the crate `time` has.
const LAST: u64 = 253_402_300_799;

/// Returns a record with this data, or `None` if the key does not end with an id.
pub(crate) fn wrap(key: &Key, data: &[u8], expires_at: UnixTime) -> Option<Bytes> {
    let key = key.as_bytes();
    let text = key.get(key.len().checked_sub(ID_TEXT)?..)?;
    let mut id = [0; ID + 2];
    if URL_SAFE_NO_PAD.decode_slice(text, &mut id) != Ok(ID) {
        return None;
    }
    let mut record = Vec::with_capacity(DATA + data.len() + MAX_EXPIRY);
    record.extend_from_slice(&HEAD);
    // The text is the number little-endian, the record has it big-endian.
    record.extend(id[..ID].iter().rev());
    record.extend_from_slice(data);
    record.push(EXPIRY);
    for part in date(expires_at.as_secs().min(LAST)) {
        // Writing to memory does not fail.
        let _ = rmp::encode::write_uint(&mut record, part);
    }
    Some(record.into())
}

/// The byte that MessagePack never uses.
const NEVER: u8 = 0xc1;

/// Returns the data of a record, or `None` if it is none.
pub(crate) fn data(record: &Bytes) -> Option<Bytes> {
    let end = record.starts_with(&HEAD).then(|| expiry(record)).flatten();
    end.map(|end| record.slice(DATA..end))
}

/// Returns the data of a record. Anything else comes with a byte before it for which the format
/// rejects it: data alone are no record.
pub(crate) fn data_or_rejected(record: &Bytes) -> Bytes {
    data(record).unwrap_or_else(|| [&[NEVER], &record[..]].concat().into())
}

/// Returns where the expiry begins: the last place from which nine integers reach to the end.
///
/// No later place can. Within the expiry there are fewer integers left, however they are read.
fn expiry(record: &[u8]) -> Option<usize> {
    let first = record.len().saturating_sub(MAX_EXPIRY).max(DATA);
    (first..record.len()).rev().find(|at| {
        let Some((&EXPIRY, mut rest)) = record[*at..].split_first() else {
            return false;
        };
        let read = (0..PARTS).all(|_| rmp::decode::read_int::<i64, _>(&mut rest).is_ok());
        read && rest.is_empty()
    })
}

/// Year, day of the year, hour, minute, second, nanosecond and offset, in UTC.
fn date(seconds: u64) -> [u64; PARTS] {
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let length = |year| if leap(year) { 366 } else { 365 };
    let mut year = 1970;
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    [year, day + 1, hour, minute, second % 60, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODw";

    fn record(data: &[u8], seconds: u64) -> Bytes {
        let key = Key::new(TOKEN).expect("a key");
        wrap(&key, data, UnixTime::from_secs(seconds)).expect("an id")
    }

    // R85, R86
    #[test]
    fn any_data_comes_back_and_what_is_no_record_has_none() {
        let nine = [0x99, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let open = [0x99, 0xcd];
        for data_in in [
            &b""[..],
            b"\x80",
            &nine,
            &open,
            &[0x99; 40],
            &[0xcd; 9],
            &[0; 64],
        ] {
            // Each byte of the expiry is 0x99 or an integer's marker in one of these.
            for seconds in [
                0,
                1_800_000_000,
                7_289_654_400,
                2_153 * 31_556_952,
                u64::MAX,
            ] {
                let record = record(data_in, seconds);
                assert_eq!(data(&record).unwrap(), data_in, "{seconds}: {data_in:?}");
            }
        }
        for other in [&b""[..], b"\x80", b"\x93", b"{}", &HEAD, &[0x99; 30]] {
            let other = Bytes::copy_from_slice(other);
            assert_eq!(data(&other), None);
            assert_eq!(data_or_rejected(&other)[0], NEVER);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0)[..5], [1970, 1, 0, 0, 0]);
        // 2024-02-29 12:34:56 and the last day of a leap year.
        assert_eq!(date(1_709_210_096)[..5], [2024, 60, 12, 34, 56]);
        assert_eq!(date(1_735_603_200)[..2], [2024, 366]);
        assert_eq!(date(4_107_542_400)[..2], [2100, 60]);
        assert_eq!(date(LAST)[..5], [9999, 365, 23, 59, 59]);
    }

    #[test]
    fn a_key_without_an_id_has_no_record() {
        for key in ["session:1", "AAECAwQFBgcICQoLDA0OD=", "x"] {
            let key = Key::new(key).expect("a key");
            assert!(wrap(&key, b"", UnixTime::from_secs(0)).is_none());
        }
    }
}
