//! Whole numbers in pickle: all that the layouts need of it.

/// A pickled number and how long it is, or `None` if what stands there is anything else.
///
/// Protocols 0 to 5, and the floating point numbers that a cache may have been given as a timeout.
pub(crate) fn read(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut rest = bytes;
    loop {
        let (code, after) = rest.split_first()?;
        let (number, after) = match code {
            // PROTO and FRAME say nothing about the value.
            0x80 => {
                rest = after.get(1..)?;
                continue;
            }
            0x95 => {
                rest = after.get(8..)?;
                continue;
            }
            b'K' => (i64::from(*after.first()?), after.get(1..)?),
            b'M' => (
                i64::from(u16::from_le_bytes(*after.first_chunk()?)),
                after.get(2..)?,
            ),
            b'J' => (
                i64::from(i32::from_le_bytes(*after.first_chunk()?)),
                after.get(4..)?,
            ),
            0x8a => {
                let (len, after) = after.split_first()?;
                let (digits, after) = after.split_at_checked(usize::from(*len))?;
                (long(digits)?, after)
            }
            b'I' | b'L' => {
                let end = after.iter().take(32).position(|byte| *byte == b'\n')?;
                let (digits, after) = after.split_at(end);
                let digits = std::str::from_utf8(digits).ok()?;
                (digits.trim_end_matches('L').parse().ok()?, after.get(1..)?)
            }
            b'G' => {
                let number = f64::from_be_bytes(*after.first_chunk()?);
                // A cast of a float saturates.
                (
                    number.is_finite().then_some(number as i64)?,
                    after.get(8..)?,
                )
            }
            _ => return None,
        };
        let after = after.strip_prefix(b".")?;
        return Some((number, bytes.len() - after.len()));
    }
}

fn long(digits: &[u8]) -> Option<i64> {
    let negative = digits.last().is_some_and(|last| last & 0x80 != 0);
    let mut number = [if negative { 0xff } else { 0 }; 8];
    number.get_mut(..digits.len())?.copy_from_slice(digits);
    Some(i64::from_le_bytes(number))
}

/// A number as werkzeug pickles it: protocol 1, which every Python reads.
pub(crate) fn write(number: u64) -> Vec<u8> {
    match number {
        0..0x100 => vec![b'K', number as u8, b'.'],
        0x100..0x1_0000 => {
            let [low, high] = (number as u16).to_le_bytes();
            vec![b'M', low, high, b'.']
        }
        0x1_0000..0x8000_0000 => {
            let [a, b, c, d] = (number as u32).to_le_bytes();
            vec![b'J', a, b, c, d, b'.']
        }
        _ => format!("L{number}L\n.").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    fn check(pickled: &[u8], expected: Option<i64>) {
        assert_eq!(
            read(pickled),
            expected.map(|number| (number, pickled.len())),
            "{pickled:?}"
        );
    }

    #[test]
    fn numbers_of_every_protocol_are_read() {
        check(b"I1700000000\n.", Some(1_700_000_000));
        check(b"L4294967296L\n.", Some(4_294_967_296));
        check(b"K\x00.", Some(0));
        check(b"M\xf4\x01.", Some(500));
        check(b"J\x00\xf1\x53\x65.", Some(1_700_000_000));
        check(b"G\x41\xd9\x54\xfc\x40\x20\x00\x00.", Some(1_700_000_000));
        check(b"\x80\x02\x8a\x05\x00\x00\x00\x00\x01.", Some(1 << 32));
        check(b"\x80\x02\x8a\x01\xff.", Some(-1));
        check(b"\x80\x05\x95\x04\0\0\0\0\0\0\0M\xf5\x01.", Some(501));
    }

    #[test]
    fn written_values_are_read_back_and_the_rest_is_left_alone() {
        for number in [
            0,
            255,
            256,
            65_535,
            65_536,
            0x7fff_ffff,
            0x8000_0000,
            253_402_300_799,
        ] {
            let mut pickled = write(number);
            let len = pickled.len();
            pickled.extend_from_slice(b"\x80\x04}.");
            assert_eq!(read(&pickled), Some((number.cast_signed(), len)));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in [
            &b""[..],
            b".",
            b"K",
            b"K\x01",
            b"cos\nsystem\n.",
            b"\x80",
            b"\x95\0",
            b"I12",
            b"Ixy\n.",
            b"\x8a\x09\0\0\0\0\0\0\0\0\x01.",
            b"G\x7f\xf0\0\0\0\0\0\0.",
            b"}.",
        ] {
            check(wrong, None);
        }
    }
}
