//! The date of today, for which the standard library has only the seconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

/// Today in UTC, `2026-11-29`; empty where the clock stands before 1970, and on a platform without a clock.
pub(super) fn today() -> String {
    // `SystemTime::now` panics there.
    if cfg!(all(target_family = "wasm", target_os = "unknown")) {
        return String::new();
    }
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => civil(since.as_secs() / 86_400),
        Err(_) => String::new(),
    }
}

/// The date of a day, counted from 1970-01-01 (`civil_from_days` of Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", <https://howardhinnant.github.io/date_algorithms.html>).
fn civil(day: u64) -> String {
    // Days from 0000-03-01, in eras of 400 years; a year begins in March, so that its leap day is its last.
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + u64::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        let cases = [
            (0, "1970-01-01"),
            (31 + 28, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_722, "2023-12-31"),
            (20_786, "2026-11-29"),
        ];
        for (day, date) in cases {
            assert_eq!(civil(day), date);
        }
    }
}
