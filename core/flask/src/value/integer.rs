use num_bigint::{BigInt, Sign};
use std::fmt;
use std::str::FromStr;

use super::Value;
use crate::FormatError;

/// The most digits of an integer that is read or written as text. Python has the same limit,
/// because the conversion takes quadratic time.
const MAX_DIGITS: usize = 4_300;

/// An integer of any size, for those beyond 64 bits. `Value::from` turns it into the fitting
/// [`Value`].
///
/// ```
/// use cloakroom_flask::{Integer, Value};
///
/// let big: Integer = "18446744073709551616".parse()?;
/// assert_eq!(big.to_string(), "18446744073709551616");
/// assert_eq!(Value::from("7".parse::<Integer>()?), Value::Int(7));
/// # Ok::<(), cloakroom_flask::FormatError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Integer(BigInt);

impl Integer {
    /// Reads two's complement, least significant byte first, as in a pickle.
    pub(crate) fn from_signed_le(bytes: &[u8]) -> Self {
        Self(BigInt::from_signed_bytes_le(bytes))
    }

    pub(crate) fn to_signed_le(&self) -> Vec<u8> {
        self.0.to_signed_bytes_le()
    }

    /// Reads CBOR's form: `-1 - n` for negative ones.
    pub(crate) fn from_cbor(negative: bool, magnitude: &[u8]) -> Self {
        let value = BigInt::from_bytes_be(Sign::Plus, magnitude);
        Self(if negative { -value - 1 } else { value })
    }

    pub(crate) fn to_cbor(&self) -> (bool, Vec<u8>) {
        let negative = self.0.sign() == Sign::Minus;
        let value = if negative {
            -&self.0 - 1
        } else {
            self.0.clone()
        };
        (negative, value.to_bytes_be().1)
    }

    /// Returns the number of bytes.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.0.bits().div_ceil(8)).unwrap_or(usize::MAX)
    }

    pub(crate) fn to_u64(&self) -> Option<u64> {
        u64::try_from(&self.0).ok()
    }

    /// Returns the text, unless Python would not write one that long.
    pub(crate) fn digits(&self) -> Result<String, FormatError> {
        // A decimal digit takes more than three bits.
        if self.0.bits() / 4 > MAX_DIGITS as u64 {
            return Err(FormatError::TooLarge);
        }
        Ok(self.0.to_string())
    }
}

impl From<Integer> for Value {
    fn from(value: Integer) -> Self {
        match i64::try_from(&value.0) {
            Ok(small) => Self::Int(small),
            Err(_) => Self::BigInt(value),
        }
    }
}

impl From<i128> for Value {
    fn from(value: i128) -> Self {
        Integer(value.into()).into()
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i128::from(value).into()
    }
}

impl FromStr for Integer {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        if text.len() > MAX_DIGITS + 1 {
            return Err(FormatError::TooLarge);
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(FormatError::Malformed);
        }
        text.parse().map(Self).map_err(|_| FormatError::Malformed)
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Integer(..)")
    }
}
