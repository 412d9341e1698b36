//! Layouts: times written after the example of `Mon Jan 2 15:04:05 MST 2006`.

use std::fmt::Write as _;

use super::Time;
use super::civil::{month_name, weekday_name};

/// An element of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    NumberMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperHalf,
    LowerHalf,
    Zone,
    /// An offset: whether UTC is `Z`, whether there are colons, and how many parts there are.
    Offset {
        z: bool,
        colons: bool,
        parts: u8,
    },
    /// Digits after the second: their number, whether zeros at the end go, and the separator.
    Fraction {
        digits: u8,
        trims: bool,
    },
}

/// What stands at the start of a layout, by its spelling. Longer spellings come first.
const ELEMENTS: [(&str, Element); 34] = [
    ("January", Element::LongMonth),
    ("Jan", Element::Month),
    ("Monday", Element::LongWeekday),
    ("Mon", Element::Weekday),
    ("MST", Element::Zone),
    ("002", Element::ZeroYearDay),
    ("01", Element::ZeroMonth),
    ("02", Element::ZeroDay),
    ("03", Element::ZeroHour12),
    ("04", Element::ZeroMinute),
    ("05", Element::ZeroSecond),
    ("06", Element::Year),
    ("15", Element::Hour),
    ("1", Element::NumberMonth),
    ("2006", Element::LongYear),
    ("2", Element::Day),
    ("__2", Element::SpaceYearDay),
    ("_2", Element::SpaceDay),
    ("3", Element::Hour12),
    ("4", Element::Minute),
    ("5", Element::Second),
    ("PM", Element::UpperHalf),
    ("pm", Element::LowerHalf),
    (
        "-070000",
        Element::Offset {
            z: false,
            colons: false,
            parts: 3,
        },
    ),
    (
        "-07:00:00",
        Element::Offset {
            z: false,
            colons: true,
            parts: 3,
        },
    ),
    (
        "-0700",
        Element::Offset {
            z: false,
            colons: false,
            parts: 2,
        },
    ),
    (
        "-07:00",
        Element::Offset {
            z: false,
            colons: true,
            parts: 2,
        },
    ),
    (
        "-07",
        Element::Offset {
            z: false,
            colons: false,
            parts: 1,
        },
    ),
    (
        "Z070000",
        Element::Offset {
            z: true,
            colons: false,
            parts: 3,
        },
    ),
    (
        "Z07:00:00",
        Element::Offset {
            z: true,
            colons: true,
            parts: 3,
        },
    ),
    (
        "Z0700",
        Element::Offset {
            z: true,
            colons: false,
            parts: 2,
        },
    ),
    (
        "Z07:00",
        Element::Offset {
            z: true,
            colons: true,
            parts: 2,
        },
    ),
    (
        "Z07",
        Element::Offset {
            z: true,
            colons: false,
            parts: 1,
        },
    ),
    ("Z7", Element::Zone),
];

/// Finds the first element of a layout: what is before it, the element, and what is after it.
pub(super) fn next_element(layout: &str) -> Option<(&str, Element, &str)> {
    let bytes = layout.as_bytes();
    for at in 0..bytes.len() {
        if !layout.is_char_boundary(at) {
            continue;
        }
        let rest = &layout[at..];
        if let Some((element, length)) = element_at(rest) {
            // In `_2006` the underscore is text.
            if element == Element::SpaceDay && rest.starts_with("_2006") {
                return Some((&layout[..=at], Element::LongYear, &rest[5..]));
            }
            return Some((&layout[..at], element, &rest[length..]));
        }
    }
    None
}

fn element_at(rest: &str) -> Option<(Element, usize)> {
    if rest.starts_with(['.', ',']) {
        let digits = rest[1..].bytes();
        let first = digits
            .clone()
            .next()
            .filter(|byte| matches!(byte, b'0' | b'9'))?;
        let count = digits.take_while(|byte| *byte == first).count();
        // More digits after them make them no fraction.
        if rest[1 + count..].starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let digits = u8::try_from(count).ok()?;
        return Some((
            Element::Fraction {
                digits,
                trims: first == b'9',
            },
            1 + count,
        ));
    }
    let (spelling, element) = ELEMENTS[..33]
        .iter()
        .filter(|(spelling, _)| rest.starts_with(spelling))
        .max_by_key(|(spelling, _)| spelling.len())?;
    // `Jan` in `Janet` is text, unless a capital follows.
    if *spelling == "Jan" || *spelling == "Mon" {
        let follows = rest[3..].starts_with(|c: char| c.is_ascii_lowercase());
        if follows {
            return None;
        }
    }
    Some((*element, spelling.len()))
}

impl Time {
    /// Writes the time by a layout.
    pub(crate) fn format(&self, layout: &str) -> String {
        let mut out = String::new();
        let civil = self.civil();
        let mut rest = layout;
        while let Some((text, element, after)) = next_element(rest) {
            out.push_str(text);
            let separator = rest.as_bytes().get(text.len()).copied().unwrap_or(b'.');
            rest = after;
            let hour12 = if civil.hour % 12 == 0 {
                12
            } else {
                civil.hour % 12
            };
            let _ = match element {
                Element::LongMonth => write!(out, "{}", month_name(civil.month)),
                Element::Month => write!(out, "{:.3}", month_name(civil.month)),
                Element::NumberMonth => write!(out, "{}", civil.month),
                Element::ZeroMonth => write!(out, "{:02}", civil.month),
                Element::LongWeekday => write!(out, "{}", weekday_name(civil.weekday())),
                Element::Weekday => write!(out, "{:.3}", weekday_name(civil.weekday())),
                Element::Day => write!(out, "{}", civil.day),
                Element::SpaceDay => write!(out, "{:2}", civil.day),
                Element::ZeroDay => write!(out, "{:02}", civil.day),
                Element::SpaceYearDay => write!(out, "{:3}", civil.year_day()),
                Element::ZeroYearDay => write!(out, "{:03}", civil.year_day()),
                Element::Hour => write!(out, "{:02}", civil.hour),
                Element::Hour12 => write!(out, "{hour12}"),
                Element::ZeroHour12 => write!(out, "{hour12:02}"),
                Element::Minute => write!(out, "{}", civil.minute),
                Element::ZeroMinute => write!(out, "{:02}", civil.minute),
                Element::Second => write!(out, "{}", civil.second),
                Element::ZeroSecond => write!(out, "{:02}", civil.second),
                Element::LongYear if civil.year < 0 => write!(out, "-{:04}", -civil.year),
                Element::LongYear => write!(out, "{:04}", civil.year),
                Element::Year => write!(out, "{:02}", civil.year.rem_euclid(100)),
                Element::UpperHalf => {
                    write!(out, "{}", if civil.hour >= 12 { "PM" } else { "AM" })
                }
                Element::LowerHalf => {
                    write!(out, "{}", if civil.hour >= 12 { "pm" } else { "am" })
                }
                Element::Zone if !self.zone.is_empty() => write!(out, "{}", self.zone),
                Element::Zone => {
                    self.write_zone(&mut out);
                    Ok(())
                }
                Element::Offset { z, colons, parts } => {
                    self.write_offset(&mut out, z, colons, parts);
                    Ok(())
                }
                Element::Fraction { digits, trims } => {
                    self.write_fraction(&mut out, separator, digits, trims);
                    Ok(())
                }
            };
        }
        out.push_str(rest);
        out
    }

    /// Writes the offset where the zone has no name.
    fn write_zone(&self, out: &mut String) {
        let minutes = self.offset.abs() / 60;
        out.push(if self.offset < 0 { '-' } else { '+' });
        let _ = write!(out, "{:02}{:02}", minutes / 60, minutes % 60);
    }

    fn write_offset(&self, out: &mut String, z: bool, colons: bool, parts: u8) {
        if z && self.offset == 0 {
            out.push('Z');
            return;
        }
        let seconds = self.offset.abs();
        out.push(if self.offset < 0 { '-' } else { '+' });
        let numbers = [seconds / 3_600, seconds / 60 % 60, seconds % 60];
        for (at, number) in numbers.into_iter().take(usize::from(parts)).enumerate() {
            if at > 0 && colons {
                out.push(':');
            }
            let _ = write!(out, "{number:02}");
        }
    }

    fn write_fraction(&self, out: &mut String, separator: u8, digits: u8, trims: bool) {
        let text = format!("{:09}", self.nanos);
        let mut text: String = text
            .chars()
            .chain(std::iter::repeat('0'))
            .take(usize::from(digits.min(9)))
            .collect();
        if trims {
            text.truncate(text.trim_end_matches('0').len());
            if text.is_empty() {
                return;
            }
        }
        out.push(char::from(separator));
        out.push_str(&text);
    }
}
