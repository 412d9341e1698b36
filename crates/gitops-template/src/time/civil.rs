//! The Gregorian calendar.

const SECONDS_PER_DAY: i64 = 86_400;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A calendar date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Civil {
    /// Splits seconds since 1970 into a date and a time.
    pub(crate) fn from_seconds(seconds: i64) -> Self {
        let days = seconds.div_euclid(SECONDS_PER_DAY);
        let rest = seconds.rem_euclid(SECONDS_PER_DAY);
        // Years are counted from March, so that the leap day is the last of its year.
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let day = days.rem_euclid(146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let in_year = day - (365 * year + year / 4 - year / 100);
        let from_march = (5 * in_year + 2) / 153;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        Self {
            year: year + era * 400 + i64::from(month <= 2),
            month,
            day: in_year - (153 * from_march + 2) / 5 + 1,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// Joins a date and a time to seconds since 1970. Months and days out of range carry over.
    pub(crate) fn seconds(&self) -> i64 {
        let month = self.month - 1;
        let year = self
            .year
            .saturating_add(month.div_euclid(12))
            .clamp(-290_000_000, 290_000_000);
        let month = month.rem_euclid(12) + 1;
        let year = year - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let in_era = year.rem_euclid(400);
        let from_march = if month > 2 { month - 3 } else { month + 9 };
        let in_year = (153 * from_march + 2) / 5;
        let days = in_era * 365 + in_era / 4 - in_era / 100 + in_year;
        let days = (era * 146_097 + days - 719_468).saturating_add(self.day - 1);
        days.saturating_mul(SECONDS_PER_DAY)
            .saturating_add(self.hour * 3_600 + self.minute * 60 + self.second)
    }

    /// Returns the day of the week, from Sunday, which is 0.
    pub(crate) fn weekday(&self) -> i64 {
        (self.seconds().div_euclid(SECONDS_PER_DAY) + 4).rem_euclid(7)
    }

    /// Returns the day of the year, from 1.
    pub(crate) fn year_day(&self) -> i64 {
        let start = Self {
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            ..*self
        };
        (self.seconds() - start.seconds()).div_euclid(SECONDS_PER_DAY) + 1
    }
}

/// Returns the English name of a month, from 1.
pub(crate) fn month_name(month: i64) -> &'static str {
    usize::try_from(month - 1)
        .ok()
        .and_then(|at| MONTHS.get(at))
        .copied()
        .unwrap_or("")
}

/// Returns the English name of a day of the week, from Sunday, which is 0.
pub(crate) fn weekday_name(day: i64) -> &'static str {
    usize::try_from(day)
        .ok()
        .and_then(|at| WEEKDAYS.get(at))
        .copied()
        .unwrap_or("")
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Returns the number of days of a month, from 1.
pub(crate) fn days_in(month: i64, year: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_seconds_agree() {
        for seconds in [
            0,
            -1,
            951_782_400,
            1_709_164_800,
            -62_135_596_800,
            253_402_300_799,
        ] {
            assert_eq!(Civil::from_seconds(seconds).seconds(), seconds);
        }
        let leap = Civil::from_seconds(1_709_164_800);
        assert_eq!(
            (leap.year, leap.month, leap.day, leap.weekday()),
            (2024, 2, 29, 4)
        );
        assert_eq!(leap.year_day(), 60);
        let first = Civil::from_seconds(-62_135_596_800);
        assert_eq!(
            (first.year, first.month, first.day, first.weekday()),
            (1, 1, 1, 1)
        );
    }
}
