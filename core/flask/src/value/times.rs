use std::fmt;
use std::str::FromStr;

use crate::FormatError;

/// `datetime.date`: a day of the years 1 to 9999.
///
/// ```
/// use cloakroom_flask::Date;
///
/// let day: Date = "2026-02-28".parse()?;
/// assert_eq!(day.to_string(), "2026-02-28");
/// assert!("2026-02-30".parse::<Date>().is_err());
/// # Ok::<(), cloakroom_flask::FormatError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Date(time::Date);

impl Date {
    pub(crate) fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let month = time::Month::try_from(month).ok()?;
        let date = time::Date::from_calendar_date(year, month, day).ok()?;
        (1..=9999).contains(&year).then_some(Self(date))
    }

    pub(crate) fn parts(self) -> (i32, u8, u8) {
        let (year, month, day) = self.0.to_calendar_date();
        (year, month.into(), day)
    }

    pub(crate) fn weekday(self) -> usize {
        self.0.weekday().number_days_from_monday().into()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.parts();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Date {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut digits = Digits(text.as_bytes());
        let date = digits.date().filter(|_| digits.0.is_empty());
        date.ok_or(FormatError::Malformed)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Date(..)")
    }
}

/// `datetime.datetime`: a day and a time of day to the microsecond, with an offset from UTC
/// ("aware") or without ("naive").
///
/// Read from and written as ISO 8601, in the form of Python's `isoformat`.
///
/// ```
/// use cloakroom_flask::DateTime;
///
/// let aware: DateTime = "2026-11-21T06:29:51+00:00".parse()?;
/// assert_eq!(aware, "2026-11-21T06:29:51Z".parse()?);
/// assert_eq!(aware.unix_seconds(), Some(1_795_242_591));
/// let naive: DateTime = "2026-11-21T06:29:51.5".parse()?;
/// assert_eq!(naive.to_string(), "2026-11-21T06:29:51.500000");
/// assert_eq!(naive.unix_seconds(), None);
/// # Ok::<(), cloakroom_flask::FormatError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    pub(crate) date: Date,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
    pub(crate) microsecond: u32,
    /// Seconds east of UTC.
    pub(crate) offset: Option<i32>,
}

/// Python allows offsets of less than a day.
const MAX_OFFSET: i32 = 86_400;

impl DateTime {
    pub(crate) fn new(
        date: Date,
        [hour, minute, second]: [u8; 3],
        microsecond: u32,
        offset: Option<i32>,
    ) -> Option<Self> {
        let offset_valid = offset.is_none_or(|offset| -MAX_OFFSET < offset && offset < MAX_OFFSET);
        let valid =
            hour < 24 && minute < 60 && second < 60 && microsecond < 1_000_000 && offset_valid;
        valid.then_some(Self {
            date,
            hour,
            minute,
            second,
            microsecond,
            offset,
        })
    }

    /// Makes a time from seconds since the epoch, in UTC.
    pub(crate) fn from_unix(seconds: i64, microsecond: u32) -> Option<Self> {
        let at = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let (year, month, day) = at.to_calendar_date();
        let date = Date::new(year, month.into(), day)?;
        Self::new(
            date,
            [at.hour(), at.minute(), at.second()],
            microsecond,
            Some(0),
        )
    }

    /// Returns the seconds since the epoch, rounded down. `None` for a time without an offset.
    ///
    /// ```
    /// # use cloakroom_flask::DateTime;
    /// let one: DateTime = "1970-01-01T01:00:00+01:00".parse().unwrap();
    /// assert_eq!(one.unix_seconds(), Some(0));
    /// ```
    #[must_use]
    pub fn unix_seconds(&self) -> Option<i64> {
        Some(self.civil_seconds() - i64::from(self.offset?))
    }

    /// Returns the seconds as if the time of day were UTC.
    fn civil_seconds(&self) -> i64 {
        let time = time::Time::from_hms(self.hour, self.minute, self.second)
            .unwrap_or(time::Time::MIDNIGHT);
        self.date.0.with_time(time).assume_utc().unix_timestamp()
    }

    /// Returns HTTP's format (RFC 9110, IMF-fixdate), if that is exact: UTC, whole seconds.
    pub(crate) fn to_http(self) -> Option<String> {
        if self.offset != Some(0) || self.microsecond != 0 {
            return None;
        }
        let (year, month, day) = self.date.parts();
        let weekday = WEEKDAYS.get(self.date.weekday())?;
        let month = MONTHS.get(usize::from(month) - 1)?;
        let Self {
            hour,
            minute,
            second,
            ..
        } = self;
        Some(format!(
            "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        ))
    }

    pub(crate) fn from_http(text: &str) -> Option<Self> {
        let rest = text.get(5..)?.as_bytes();
        let (mut day, rest) = (Digits(rest.get(..2)?), rest.get(2..)?.strip_prefix(b" ")?);
        let (month, rest) = rest.split_at_checked(3)?;
        let month = MONTHS.iter().position(|name| name.as_bytes() == month)? + 1;
        let mut digits = Digits(rest.strip_prefix(b" ")?);
        let year = digits.number(4)?;
        digits.expect(b' ')?;
        let date = Date::new(year.cast_signed(), month.try_into().ok()?, day.byte()?)?;
        let time = digits.time()?;
        let read = Self::new(date, time, 0, Some(0)).filter(|_| digits.0 == b" GMT")?;
        // Also checks the day of the week.
        (read.to_http()? == text).then_some(read)
    }
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            hour,
            minute,
            second,
            ..
        } = self;
        write!(f, "{date}T{hour:02}:{minute:02}:{second:02}")?;
        if self.microsecond > 0 {
            write!(f, ".{:06}", self.microsecond)?;
        }
        let Some(offset) = self.offset else {
            return Ok(());
        };
        let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", offset / 3_600, offset / 60 % 60)?;
        match offset % 60 {
            0 => Ok(()),
            seconds => write!(f, ":{seconds:02}"),
        }
    }
}

impl FromStr for DateTime {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut digits = Digits(text.as_bytes());
        let read = digits.date_time().filter(|_| digits.0.is_empty());
        read.ok_or(FormatError::Malformed)
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DateTime(..)")
    }
}

/// `datetime.timedelta`, as Python normalises it: seconds and microseconds are not negative, and
/// less than a day and a second.
///
/// ```
/// use cloakroom_flask::TimeDelta;
///
/// let minute = TimeDelta::new(0, 60, 0).unwrap();
/// assert_eq!(minute.total_seconds(), 60);
/// assert!(TimeDelta::new(0, 86_400, 0).is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimeDelta {
    pub(crate) days: i32,
    pub(crate) seconds: u32,
    pub(crate) microseconds: u32,
}

impl TimeDelta {
    /// Makes a length of these parts, or returns `None` if they are not as Python normalises them.
    ///
    /// ```
    /// # use cloakroom_flask::TimeDelta;
    /// assert_eq!(TimeDelta::new(-1, 86_399, 0).unwrap().total_seconds(), -1);
    /// ```
    #[must_use]
    pub fn new(days: i32, seconds: u32, microseconds: u32) -> Option<Self> {
        let valid = days.abs() < 1_000_000_000 && seconds < 86_400 && microseconds < 1_000_000;
        valid.then_some(Self {
            days,
            seconds,
            microseconds,
        })
    }

    /// Returns the length in whole seconds, rounded down.
    ///
    /// ```
    /// # use cloakroom_flask::TimeDelta;
    /// assert_eq!(TimeDelta::new(31, 0, 0).unwrap().total_seconds(), 2_678_400);
    /// ```
    #[must_use]
    pub fn total_seconds(&self) -> i64 {
        i64::from(self.days) * 86_400 + i64::from(self.seconds)
    }
}

impl fmt::Debug for TimeDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TimeDelta(..)")
    }
}

/// The rest of a text.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, len: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u32::from(digit - b'0'))
        })
    }

    fn byte(&mut self) -> Option<u8> {
        self.number(2)?.try_into().ok()
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        let (found, rest) = self.0.split_first()?;
        self.0 = rest;
        (*found == wanted).then_some(())
    }

    fn date(&mut self) -> Option<Date> {
        let year = self.number(4)?;
        self.expect(b'-')?;
        let month = self.byte()?;
        self.expect(b'-')?;
        Date::new(year.cast_signed(), month, self.byte()?)
    }

    fn time(&mut self) -> Option<[u8; 3]> {
        let hour = self.byte()?;
        self.expect(b':')?;
        let minute = self.byte()?;
        self.expect(b':')?;
        Some([hour, minute, self.byte()?])
    }

    fn date_time(&mut self) -> Option<DateTime> {
        let date = self.date()?;
        self.expect(b'T')?;
        let time = self.time()?;
        let mut microsecond = 0;
        if self.0.first() == Some(&b'.') {
            self.expect(b'.')?;
            let len = self
                .0
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if !(1..=6).contains(&len) {
                return None;
            }
            microsecond = self.number(len)? * 10_u32.pow(6 - u32::try_from(len).ok()?);
        }
        let offset = match self.0 {
            [] => None,
            [b'Z' | b'z'] => {
                self.0 = &[];
                Some(0)
            }
            [sign @ (b'+' | b'-'), rest @ ..] => {
                self.0 = rest;
                let hours = self.number(2)?;
                self.expect(b':')?;
                let mut seconds = hours * 3_600 + self.number(2)? * 60;
                if !self.0.is_empty() {
                    self.expect(b':')?;
                    seconds += self.number(2)?;
                }
                let seconds = seconds.cast_signed();
                Some(if *sign == b'-' { -seconds } else { seconds })
            }
            _ => return None,
        };
        DateTime::new(date, time, microsecond, offset)
    }
}
