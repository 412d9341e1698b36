//! The timestamps that go-yaml finds in plain scalars.

use std::fmt;

/// A date, or a date with a time, in the forms that go-yaml takes: `2001-12-14`, `2001-12-14T21:59:43.10-05:00`,
/// `2001-12-14 21:59:43.10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    nanosecond: u32,
    /// Minutes east of UTC.
    offset: i16,
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// Takes one or two digits.
    fn number(&mut self) -> Option<u8> {
        match self.0 {
            [a @ b'0'..=b'9', b @ b'0'..=b'9', rest @ ..] => {
                self.0 = rest;
                Some((a - b'0') * 10 + (b - b'0'))
            }
            [a @ b'0'..=b'9', rest @ ..] => {
                self.0 = rest;
                Some(a - b'0')
            }
            _ => None,
        }
    }

    fn two_digits(&mut self) -> Option<u8> {
        if self.0.len() >= 2 && self.0[1].is_ascii_digit() {
            self.number()
        } else {
            None
        }
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == wanted).then(|| self.0 = rest)
    }

    /// Takes a fraction of a second, if there is one, as nanoseconds.
    fn fraction(&mut self) -> u32 {
        let [b'.' | b',', rest @ ..] = self.0 else {
            return 0;
        };
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return 0;
        }
        let mut nanoseconds = 0;
        for digit in rest[..digits].iter().chain([b'0'; 9].iter()).take(9) {
            nanoseconds = nanoseconds * 10 + u32::from(digit - b'0');
        }
        self.0 = &rest[digits..];
        nanoseconds
    }
}

fn days_in(month: u8, year: u16) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Timestamp {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let year = bytes[..4]
            .iter()
            .fold(0, |year, digit| year * 10 + u16::from(digit - b'0'));
        let mut cursor = Cursor(&bytes[5..]);
        let month = cursor.number()?;
        cursor.byte(b'-')?;
        let day = cursor.number()?;
        if !(1..=12).contains(&month) || day == 0 || day > days_in(month, year) {
            return None;
        }
        let mut found = Self {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            nanosecond: 0,
            offset: 0,
        };
        let zoned = match cursor.0.first() {
            None => return Some(found),
            Some(b'T' | b't') => true,
            Some(b' ') => false,
            Some(_) => return None,
        };
        cursor.0 = &cursor.0[1..];
        if !zoned {
            // A space in a layout of Go stands for any number of spaces.
            while let [b' ', rest @ ..] = cursor.0 {
                cursor.0 = rest;
            }
        }
        found.hour = cursor.number()?;
        cursor.byte(b':')?;
        found.minute = cursor.number()?;
        cursor.byte(b':')?;
        found.second = cursor.number()?;
        found.nanosecond = cursor.fraction();
        if found.hour > 23 || found.minute > 59 || found.second > 59 {
            return None;
        }
        if zoned && cursor.byte(b'Z').is_none() {
            let east = match cursor.0.first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            cursor.0 = &cursor.0[1..];
            let hours = cursor.two_digits()?;
            cursor.byte(b':')?;
            let minutes = cursor.two_digits()?;
            if hours > 24 || minutes > 60 {
                return None;
            }
            found.offset = east * (i16::from(hours) * 60 + i16::from(minutes));
        }
        cursor.0.is_empty().then_some(found)
    }

    /// Whether JSON can hold it: Go refuses offsets of a day and more there.
    pub(crate) const fn fits_json(self) -> bool {
        self.offset.unsigned_abs() < 24 * 60
    }
}

/// Writes the timestamp by RFC 3339, as Go's `encoding/json` does.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        )?;
        if self.nanosecond > 0 {
            let digits = format!("{:09}", self.nanosecond);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}
