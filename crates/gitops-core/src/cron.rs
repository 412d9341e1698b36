//! Schedules of five fields, in the grammar that Argo CD reads: that of robfig/cron, which knows neither `L`, `W` and
//! `#` nor Sunday as 7, and which asks for either of two days where both are restricted.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// How far ahead the next occurrence is looked for: a leap day that misses a century.
const HORIZON_YEARS: i16 = 9;

/// A schedule, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether the days of the month, or those of the week, are left open: then both must match.
    any_day: bool,
    /// A zone in front of the fields, as `CRON_TZ=Asia/Tokyo`.
    pub(crate) zone: Option<String>,
}

struct Field {
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const MINUTES: Field = Field {
    low: 0,
    high: 59,
    names: &[],
};
const HOURS: Field = Field {
    low: 0,
    high: 23,
    names: &[],
};
const DAYS: Field = Field {
    low: 1,
    high: 31,
    names: &[],
};
const MONTHS: Field = Field {
    low: 1,
    high: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAYS: Field = Field {
    low: 0,
    high: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Schedule {
    /// Reads a schedule.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty spec string".into());
        }
        let (mut zone, mut rest) = (None, text);
        if let Some(named) = text
            .strip_prefix("TZ=")
            .or_else(|| text.strip_prefix("CRON_TZ="))
        {
            let (name, fields) = named.split_once(' ').unwrap_or((named, ""));
            zone = Some(name.to_owned());
            rest = fields.trim();
        }
        if rest.starts_with('@') {
            return Err(format!("parser does not accept descriptors: {rest}"));
        }
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!(
                "expected exactly 5 fields, found {}: [{}]",
                fields.len(),
                fields.join(" ")
            ));
        };
        let (minutes, _) = parse_field(minute, &MINUTES)?;
        let (hours, _) = parse_field(hour, &HOURS)?;
        let (days, any_day) = parse_field(day, &DAYS)?;
        let (months, _) = parse_field(month, &MONTHS)?;
        let (weekdays, any_weekday) = parse_field(weekday, &WEEKDAYS)?;
        Ok(Self {
            minutes,
            hours,
            days,
            months,
            weekdays,
            any_day: any_day || any_weekday,
            zone,
        })
    }

    fn on(&self, date: Date) -> bool {
        let bit = |set: u64, n: i8| set >> n & 1 == 1;
        if !bit(self.months, date.month()) {
            return false;
        }
        let day = bit(self.days, date.day());
        let weekday = bit(self.weekdays, date.weekday().to_sunday_zero_offset());
        if self.any_day {
            day && weekday
        } else {
            day || weekday
        }
    }

    /// Returns the first time on the clock on the wall that is later than `after` and occurs.
    pub(crate) fn next(&self, after: DateTime) -> Option<DateTime> {
        let mut date = after.date();
        let mut from = (after.hour(), after.minute() + 1);
        let last = date.year().saturating_add(HORIZON_YEARS);
        loop {
            if self.on(date) {
                for hour in from.0..24 {
                    let begin = if hour == from.0 { from.1 } else { 0 };
                    if self.hours >> hour & 1 == 0 {
                        continue;
                    }
                    if let Some(minute) = (begin..60).find(|m| self.minutes >> m & 1 == 1) {
                        return Some(date.at(hour, minute, 0, 0));
                    }
                }
            }
            date = date.tomorrow().ok()?;
            if date.year() > last {
                return None;
            }
            // A month that is left out is passed over at once.
            if self.months >> date.month() & 1 == 0 {
                date = date.last_of_month();
            }
            from = (0, 0);
        }
    }

    /// Returns the first instant after `after` at which it occurs in a zone. A time that the change to summer time
    /// leaves out occurs when the clock has moved on; one that comes twice occurs the first time.
    pub(crate) fn next_in(
        &self,
        after: jiff::Timestamp,
        zone: &TimeZone,
    ) -> Option<jiff::Timestamp> {
        // Where the clock is turned back, what comes next on the wall may lie before.
        let wall = zone.to_datetime(after);
        let mut at = wall.checked_sub(jiff::Span::new().hours(3)).ok()?;
        loop {
            at = self.next(at)?;
            let instant = zone.to_ambiguous_timestamp(at).compatible().ok()?;
            if instant > after {
                return Some(instant);
            }
        }
    }
}

/// Reads one field: the set of numbers, and whether it is left open.
fn parse_field(text: &str, field: &Field) -> Result<(u64, bool), String> {
    let (mut set, mut open) = (0, false);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (numbers, any) = parse_range(part, field)?;
        set |= numbers;
        open |= any;
    }
    Ok((set, open))
}

fn parse_range(text: &str, field: &Field) -> Result<(u64, bool), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = parts[0].split('-').collect();
    let single = ends.len() == 1;
    let mut open = false;
    let (begin, mut end) = if matches!(ends[0], "*" | "?") {
        open = true;
        (field.low, field.high)
    } else {
        let begin = parse_number(ends[0], field.names)?;
        match ends[..] {
            [_] => (begin, begin),
            [_, end] => (begin, parse_number(end, field.names)?),
            _ => return Err(format!("too many hyphens: {text}")),
        }
    };
    let step = match parts[..] {
        [_] => 1,
        [_, step] => {
            let step = parse_number(step, &[])?;
            // `5/10` means from 5 on.
            if single {
                end = field.high;
            }
            if step > 1 {
                open = false;
            }
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    if begin < field.low {
        return Err(format!(
            "beginning of range ({begin}) below minimum ({}): {text}",
            field.low
        ));
    }
    if end > field.high {
        return Err(format!(
            "end of range ({end}) above maximum ({}): {text}",
            field.high
        ));
    }
    if begin > end {
        return Err(format!(
            "beginning of range ({begin}) beyond end of range ({end}): {text}"
        ));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    let mut set = 0;
    let mut n = begin;
    while n <= end {
        set |= 1 << n;
        n = n.saturating_add(step);
    }
    Ok((set, open))
}

fn parse_number(text: &str, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_lowercase();
    if let Some(i) = names.iter().position(|name| *name == lower) {
        // Months count from 1, days of the week from 0.
        let first = u32::from(names.len() == 12);
        return Ok(u32::try_from(i).unwrap_or(0) + first);
    }
    match text.parse::<i64>() {
        Ok(number) if number < 0 => Err(format!("negative number ({number}) not allowed: {text}")),
        Ok(number) => Ok(u32::try_from(number).unwrap_or(u32::MAX)),
        Err(_) => Err(format!(
            "failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    fn next(schedule: &str, after: &str) -> Option<String> {
        let schedule = Schedule::parse(schedule).expect("it is well-formed");
        Some(schedule.next(after.parse().expect("a time"))?.to_string())
    }

    #[test]
    fn occurrences() {
        // As robfig/cron has them in its own tests.
        let cases = [
            ("0/15 * * * *", "2012-07-09T14:45:00", "2012-07-09T15:00:00"),
            (
                "20-35/15 * * * *",
                "2012-07-09T15:45:00",
                "2012-07-09T16:20:00",
            ),
            ("0 0 29 Feb ?", "2012-07-09T23:35:00", "2016-02-29T00:00:00"),
            (
                "0 0 * Feb Mon",
                "2012-07-09T23:35:00",
                "2013-02-04T00:00:00",
            ),
            (
                "0 0 * Feb Mon/2",
                "2012-07-09T23:35:00",
                "2013-02-01T00:00:00",
            ),
            ("0 0 1 * SUN", "2012-07-09T23:35:00", "2012-07-15T00:00:00"),
        ];
        for (schedule, after, expected) in cases {
            assert_eq!(
                next(schedule, after).as_deref(),
                Some(expected),
                "{schedule}"
            );
        }
        assert_eq!(next("0 0 30 2 *", "2012-07-09T23:35:00"), None);
    }

    #[test]
    fn complaints() {
        let cases = [
            ("", "empty spec string"),
            ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
            ("@daily", "parser does not accept descriptors: @daily"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("0 * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("0 * * * 7", "end of range (7) above maximum (6): 7"),
            (
                "9-5 * * * *",
                "beginning of range (9) beyond end of range (5): 9-5",
            ),
            (
                "*/0 * * * *",
                "step of range should be a positive number: */0",
            ),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ];
        for (schedule, complaint) in cases {
            assert_eq!(Schedule::parse(schedule).expect_err(schedule), complaint);
        }
    }
}
