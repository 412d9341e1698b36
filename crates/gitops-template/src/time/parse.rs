//! Times read by a layout.

use super::Time;
use super::civil::{Civil, days_in, is_leap, month_name, weekday_name};
use super::layout::{Element, next_element};

/// What was read of a time so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
    afternoon: Option<bool>,
    offset: Option<i32>,
    is_utc: bool,
    zone: String,
}

/// Why an element could not be read.
enum Problem {
    Syntax,
    Range(&'static str),
}

type Parsed<'t, T> = Result<(T, &'t str), Problem>;

impl Time {
    /// Reads a time by a layout, as `time.Parse` does. A time without a zone is in UTC.
    pub(crate) fn parse(layout: &str, value: &str) -> Result<Self, String> {
        let mut fields = Fields::default();
        let mut rest_layout = layout;
        let mut rest = value;
        loop {
            let (text, element, after) = match next_element(rest_layout) {
                Some((text, element, after)) => (text, Some(element), after),
                None => (rest_layout, None, ""),
            };
            rest = match skip(rest, text) {
                Some(rest) => rest,
                None => return Err(failure(layout, value, text, rest)),
            };
            let Some(element) = element else {
                if rest.is_empty() {
                    break;
                }
                let shown = quote(rest);
                return Err(format!(
                    "parsing time {}: extra text: {shown}",
                    quote(value)
                ));
            };
            let spelling = &rest_layout[text.len()..rest_layout.len() - after.len()];
            rest_layout = after;
            match fields.read(element, rest, rest_layout) {
                Ok(after) => rest = after,
                Err(Problem::Range(what)) => {
                    return Err(format!(
                        "parsing time {}: {what} out of range",
                        quote(value)
                    ));
                }
                Err(Problem::Syntax) => return Err(failure(layout, value, spelling, rest)),
            }
        }
        fields.finish().map_err(|problem| match problem {
            Problem::Range(what) => {
                format!("parsing time {}: {what} out of range", quote(value))
            }
            Problem::Syntax => failure(layout, value, "", value),
        })
    }
}

fn failure(layout: &str, value: &str, element: &str, rest: &str) -> String {
    let (layout, value, element, rest) = (quote(layout), quote(value), quote(element), quote(rest));
    format!("parsing time {value} as {layout}: cannot parse {rest} as {element}")
}

/// Quotes as the `time` package does: everything but printable ASCII by its bytes.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' | 0x7f => out.push(char::from(byte)),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// Passes over text of a layout; a run of spaces stands for any number of them.
fn skip<'t>(value: &'t str, text: &str) -> Option<&'t str> {
    let mut value = value;
    let mut text = text;
    while !text.is_empty() {
        if text.starts_with(' ') {
            if !value.is_empty() && !value.starts_with(' ') {
                return None;
            }
            text = text.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        let c = text.chars().next()?;
        value = value.strip_prefix(c)?;
        text = &text[c.len_utf8()..];
    }
    Some(value)
}

/// Reads a number of one or two digits; with `fixed`, of two.
fn number(text: &str, fixed: bool) -> Parsed<'_, i64> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits == 0 || (fixed && digits < 2) {
        return Err(Problem::Syntax);
    }
    let (number, rest) = text.split_at(digits);
    Ok((number.parse().map_err(|_| Problem::Syntax)?, rest))
}

fn fixed_number(text: &str, digits: usize) -> Parsed<'_, i64> {
    let number = text.get(..digits).ok_or(Problem::Syntax)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::Syntax);
    }
    Ok((
        number.parse().map_err(|_| Problem::Syntax)?,
        &text[digits..],
    ))
}

/// Finds which of the names the text starts with, whatever their case, from 1.
fn name<'t>(
    text: &'t str,
    names: impl Iterator<Item = &'static str>,
    short: bool,
) -> Parsed<'t, i64> {
    for (at, name) in names.enumerate() {
        let name = if short { &name[..3] } else { name };
        if text
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
        {
            return Ok((at as i64 + 1, &text[name.len()..]));
        }
    }
    Err(Problem::Syntax)
}

fn in_range(
    value: i64,
    range: std::ops::RangeInclusive<i64>,
    what: &'static str,
) -> Result<i64, Problem> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(Problem::Range(what))
    }
}

impl Fields {
    fn read<'t>(
        &mut self,
        element: Element,
        text: &'t str,
        layout: &str,
    ) -> Result<&'t str, Problem> {
        let months = || (1..=12).map(month_name);
        let weekdays = || (0..7).map(weekday_name);
        Ok(match element {
            Element::Year => {
                let (year, rest) = fixed_number(text, 2)?;
                self.year = if year >= 69 { year + 1900 } else { year + 2000 };
                rest
            }
            Element::LongYear => {
                let (year, rest) = fixed_number(text, 4)?;
                self.year = year;
                rest
            }
            Element::Month | Element::LongMonth => {
                let (month, rest) = name(text, months(), element == Element::Month)?;
                self.month = Some(month);
                rest
            }
            Element::NumberMonth | Element::ZeroMonth => {
                let (month, rest) = number(text, element == Element::ZeroMonth)?;
                self.month = Some(in_range(month, 1..=12, "month")?);
                rest
            }
            Element::Weekday | Element::LongWeekday => {
                name(text, weekdays(), element == Element::Weekday)?.1
            }
            Element::Day | Element::SpaceDay | Element::ZeroDay => {
                let text = if element == Element::SpaceDay {
                    text.strip_prefix(' ').unwrap_or(text)
                } else {
                    text
                };
                let (day, rest) = number(text, element == Element::ZeroDay)?;
                self.day = Some(day);
                rest
            }
            Element::SpaceYearDay | Element::ZeroYearDay => {
                let spaces = if element == Element::SpaceYearDay {
                    text.bytes()
                        .take(2)
                        .take_while(|byte| *byte == b' ')
                        .count()
                } else {
                    0
                };
                let (day, rest) = fixed_number(&text[spaces..], 3 - spaces)?;
                self.year_day = Some(day);
                rest
            }
            Element::Hour => {
                let (hour, rest) = number(text, false)?;
                self.hour = in_range(hour, 0..=23, "hour")?;
                rest
            }
            Element::Hour12 | Element::ZeroHour12 => {
                let (hour, rest) = number(text, element == Element::ZeroHour12)?;
                self.hour = in_range(hour, 0..=12, "hour")?;
                rest
            }
            Element::Minute | Element::ZeroMinute => {
                let (minute, rest) = number(text, element == Element::ZeroMinute)?;
                self.minute = in_range(minute, 0..=59, "minute")?;
                rest
            }
            Element::Second | Element::ZeroSecond => {
                let (second, rest) = number(text, element == Element::ZeroSecond)?;
                self.second = in_range(second, 0..=59, "second")?;
                self.read_fraction(rest, layout)?
            }
            Element::UpperHalf | Element::LowerHalf => {
                let half = text.get(..2).ok_or(Problem::Syntax)?;
                let upper = element == Element::UpperHalf;
                self.afternoon = Some(match half {
                    "PM" if upper => true,
                    "AM" if upper => false,
                    "pm" if !upper => true,
                    "am" if !upper => false,
                    _ => return Err(Problem::Syntax),
                });
                &text[2..]
            }
            Element::Offset { z, colons, parts } => self.read_offset(text, z, colons, parts)?,
            Element::Zone => self.read_zone(text)?,
            Element::Fraction {
                digits,
                trims: false,
            } => {
                let length = 1 + usize::from(digits);
                let text_digits = text.get(..length).ok_or(Problem::Syntax)?;
                self.nanos = nanos(text_digits)?;
                &text[length..]
            }
            Element::Fraction { trims: true, .. } => {
                if !starts_fraction(text) {
                    return Ok(text);
                }
                let digits = text[1..]
                    .bytes()
                    .take(9)
                    .take_while(u8::is_ascii_digit)
                    .count();
                self.nanos = nanos(&text[..=digits])?;
                &text[1 + digits..]
            }
        })
    }

    /// Reads a fraction after seconds that the layout does not mention.
    fn read_fraction<'t>(&mut self, text: &'t str, layout: &str) -> Result<&'t str, Problem> {
        if !starts_fraction(text) {
            return Ok(text);
        }
        let next = next_element(layout);
        if matches!(next, Some((_, Element::Fraction { .. }, _))) {
            return Ok(text);
        }
        let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
        self.nanos = nanos(&text[..=digits])?;
        Ok(&text[1 + digits..])
    }

    fn read_offset<'t>(
        &mut self,
        text: &'t str,
        z: bool,
        colons: bool,
        parts: u8,
    ) -> Result<&'t str, Problem> {
        if z && let Some(rest) = text.strip_prefix('Z') {
            self.is_utc = true;
            return Ok(rest);
        }
        let negative = match text.as_bytes().first() {
            Some(b'-') => true,
            Some(b'+') => false,
            _ => return Err(Problem::Syntax),
        };
        let mut rest = &text[1..];
        let mut numbers = [0; 3];
        for (at, place) in numbers.iter_mut().enumerate().take(usize::from(parts)) {
            if at > 0 && colons {
                rest = rest.strip_prefix(':').ok_or(Problem::Syntax)?;
            }
            (*place, rest) = fixed_number(rest, 2)?;
        }
        let [hours, minutes, seconds] = numbers;
        in_range(hours, 0..=24, "time zone offset hour")?;
        in_range(minutes, 0..=60, "time zone offset minute")?;
        in_range(seconds, 0..=60, "time zone offset second")?;
        let offset = (hours * 3_600 + minutes * 60 + seconds) as i32;
        self.offset = Some(if negative { -offset } else { offset });
        Ok(rest)
    }

    fn read_zone<'t>(&mut self, text: &'t str) -> Result<&'t str, Problem> {
        if let Some(rest) = text.strip_prefix("UTC") {
            self.is_utc = true;
            return Ok(rest);
        }
        let letters = text
            .bytes()
            .take(6)
            .take_while(u8::is_ascii_uppercase)
            .count();
        let length = match letters {
            _ if text.starts_with("ChST") || text.starts_with("MeST") => 4,
            3 if text.starts_with("GMT") => 3 + signed_offset(&text[3..]),
            0 if text.starts_with(['+', '-']) => match signed_offset(text) {
                0 => return Err(Problem::Syntax),
                length => length,
            },
            3 => 3,
            4 if text.as_bytes()[3] == b'T' || text.starts_with("WITA") => 4,
            5 if text.as_bytes()[4] == b'T' => 5,
            _ => return Err(Problem::Syntax),
        };
        self.zone = String::from(&text[..length]);
        Ok(&text[length..])
    }

    fn finish(self) -> Result<Time, Problem> {
        let mut hour = self.hour;
        match self.afternoon {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        let (mut month, mut day) = (self.month, self.day);
        if let Some(year_day) = self.year_day {
            let days = if is_leap(self.year) { 366 } else { 365 };
            in_range(year_day, 1..=days, "day-of-year")?;
            let start = Civil {
                year: self.year,
                month: 1,
                day: year_day,
                hour: 0,
                minute: 0,
                second: 0,
            };
            let date = Civil::from_seconds(start.seconds());
            if month.is_some_and(|month| month != date.month)
                || day.is_some_and(|day| day != date.day)
            {
                return Err(Problem::Range("day-of-year does not match month"));
            }
            (month, day) = (Some(date.month), Some(date.day));
        }
        let (month, day) = (month.unwrap_or(1), day.unwrap_or(1));
        in_range(day, 1..=days_in(month, self.year), "day")?;
        let civil = Civil {
            year: self.year,
            month,
            day,
            hour,
            minute: self.minute,
            second: self.second,
        };
        let nanos = u32::try_from(self.nanos).unwrap_or(0);
        let utc = Time::from_unix(civil.seconds(), nanos);
        if self.is_utc {
            return Ok(utc);
        }
        if let Some(offset) = self.offset {
            // An offset of zero is that of the local zone, which is UTC.
            let zone = if offset == 0 {
                String::from("UTC")
            } else {
                self.zone
            };
            let seconds = utc.seconds - i64::from(offset);
            return Ok(Time {
                seconds,
                nanos,
                offset,
                zone,
            });
        }
        if self.zone.is_empty() {
            return Ok(utc);
        }
        // A zone that is only known by its abbreviation has no offset, unless it says so, and even
        // then the time stays where it was read.
        let hours: i32 = self
            .zone
            .strip_prefix("GMT")
            .and_then(|h| h.parse().ok())
            .unwrap_or(0);
        let offset = hours * 3_600;
        Ok(Time {
            seconds: utc.seconds,
            nanos,
            offset,
            zone: self.zone,
        })
    }
}

fn starts_fraction(text: &str) -> bool {
    matches!(text.as_bytes(), [b'.' | b',', b'0'..=b'9', ..])
}

/// Reads a separator and digits as nanoseconds.
fn nanos(text: &str) -> Result<i64, Problem> {
    let digits = text.get(1..).ok_or(Problem::Syntax)?;
    if !text.starts_with(['.', ',']) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::Syntax);
    }
    let digits: String = digits
        .chars()
        .chain(std::iter::repeat('0'))
        .take(9)
        .collect();
    digits.parse().map_err(|_| Problem::Syntax)
}

/// Measures a sign and one or two digits of hours less than 24.
fn signed_offset(text: &str) -> usize {
    if !text.starts_with(['+', '-']) {
        return 0;
    }
    let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
    match text[1..=digits].parse::<u32>() {
        Ok(hours) if hours < 24 => 1 + digits,
        _ => 0,
    }
}
