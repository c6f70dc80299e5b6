//! Dates, times and durations in ISO 8601, over the whole range that Spark can hold.

const DAY: i64 = 86_400_000_000;

/// Writes the date of so many days since 1970-01-01 in the proleptic Gregorian calendar.
pub(super) fn write_date(days: i32, out: &mut Vec<u8>) {
    write_date_of(days.into(), out);
}

/// Writes the time of so many microseconds since the epoch, 1970-01-01T00:00:00.
pub(super) fn write_timestamp(micros: i64, out: &mut Vec<u8>) {
    write_date_of(micros.div_euclid(DAY), out);
    out.push(b'T');
    write_time(micros.rem_euclid(DAY) * 1_000, out);
}

/// Writes the time of so many nanoseconds since midnight, without a fraction that is zero.
pub(super) fn write_time(nanos: i64, out: &mut Vec<u8>) {
    let seconds = nanos / 1_000_000_000;
    write_two_digits(seconds / 3600, out);
    out.push(b':');
    write_two_digits(seconds / 60 % 60, out);
    out.push(b':');
    write_two_digits(seconds % 60, out);
    let nanos = nanos % 1_000_000_000;
    if nanos != 0 {
        out.extend_from_slice(fraction(nanos).as_bytes());
    }
}

/// Writes a number with two digits at least: it has more where Spark sends a time that is none.
fn write_two_digits(n: i64, out: &mut Vec<u8>) {
    match n {
        0..100 => out.extend([n / 10, n % 10].map(|digit| b'0' + digit.to_le_bytes()[0])),
        _ => out.extend_from_slice(format!("{n:02}").as_bytes()),
    }
}

/// A day-time interval of so many microseconds.
pub(super) fn duration(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let day = DAY.unsigned_abs();
    let days = component(micros / day, 'D');
    let time = clock(micros % day * 1_000);
    match (days.is_empty(), time.is_empty()) {
        (true, true) => "PT0S".to_owned(),
        (_, true) => format!("{sign}P{days}"),
        (_, false) => format!("{sign}P{days}T{time}"),
    }
}

/// A year-month interval of so many months.
pub(super) fn months(months: i32) -> String {
    let sign = if months < 0 { "-" } else { "" };
    let months = u64::from(months.unsigned_abs());
    let text = component(months / 12, 'Y') + &component(months % 12, 'M');
    if text.is_empty() {
        "P0M".to_owned()
    } else {
        format!("{sign}P{text}")
    }
}

/// A calendar interval; each part has its own sign.
pub(super) fn interval(months: i32, days: i32, nanos: i64) -> String {
    let signed = |n: i64, unit| match n {
        0 => String::new(),
        n => format!("{n}{unit}"),
    };
    let date = signed(months.into(), 'M') + &signed(days.into(), 'D');
    let time = if nanos == 0 {
        String::new()
    } else {
        let sign = if nanos < 0 { "-" } else { "" };
        let nanos = nanos.unsigned_abs();
        let fraction = fraction(i64::try_from(nanos % 1_000_000_000).unwrap_or_default());
        format!("T{sign}{}{fraction}S", nanos / 1_000_000_000)
    };
    if date.is_empty() && time.is_empty() {
        "PT0S".to_owned()
    } else {
        format!("P{date}{time}")
    }
}

/// Hours, minutes and seconds of less than a day.
fn clock(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    let fraction = fraction(i64::try_from(nanos % 1_000_000_000).unwrap_or_default());
    let mut text = component(seconds / 3600, 'H') + &component(seconds / 60 % 60, 'M');
    if !seconds.is_multiple_of(60) || !fraction.is_empty() {
        text += &format!("{}{fraction}S", seconds % 60);
    }
    text
}

fn component(n: u64, unit: char) -> String {
    if n == 0 {
        String::new()
    } else {
        format!("{n}{unit}")
    }
}

/// `.123` for 123 000 000 ns; nothing for 0.
fn fraction(nanos: i64) -> String {
    if nanos == 0 {
        return String::new();
    }
    let digits = format!("{nanos:09}");
    format!(".{}", digits.trim_end_matches('0'))
}

/// Writes the date of a day by counting in eras of 400 years, which all have the same number of
/// days, from 1 March of year 0, so that the leap day comes last in its year.
fn write_date_of(days: i64, out: &mut Vec<u8>) {
    const ERA: i64 = 146_097;
    const DAYS_TO_EPOCH: i64 = 719_468;
    let days = days + DAYS_TO_EPOCH;
    let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let leap_corrected =
        day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096;
    let year_of_era = leap_corrected / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    match year {
        0..=9999 => {
            write_two_digits(year / 100, out);
            write_two_digits(year % 100, out);
        }
        // ISO 8601 wants a sign on every other year.
        _ => out.extend_from_slice(format!("{year:+05}").as_bytes()),
    }
    out.push(b'-');
    write_two_digits(month, out);
    out.push(b'-');
    write_two_digits(day, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<T>(write: fn(T, &mut Vec<u8>), value: T) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).expect("digits and signs")
    }

    #[test]
    fn it_writes_dates_of_every_age() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (20_777, "2026-11-20"),
            (-719_162, "0001-01-01"),
            (-719_529, "-0001-12-31"),
            (2_932_897, "+10000-01-01"),
        ] {
            assert_eq!(written(write_date, days), expected, "{days}");
        }
    }

    #[test]
    fn it_writes_times_without_idle_digits() {
        assert_eq!(written(write_timestamp, -1), "1969-12-31T23:59:59.999999");
        assert_eq!(written(write_timestamp, 1_500_000), "1970-01-01T00:00:01.5");
        assert_eq!(
            written(write_time, 86_399_000_000_001),
            "23:59:59.000000001"
        );
    }

    #[test]
    fn it_writes_a_time_beyond_its_day_as_the_number_that_it_is() {
        assert_eq!(written(write_time, 360_000_000_000_000), "100:00:00");
    }

    #[test]
    fn it_writes_intervals_as_durations() {
        assert_eq!(duration(0), "PT0S");
        assert_eq!(duration(-93_784_500_000), "-P1DT2H3M4.5S");
        assert_eq!(duration(86_400_000_000), "P1D");
        assert_eq!(months(-14), "-P1Y2M");
        assert_eq!(months(0), "P0M");
        assert_eq!(interval(1, -2, 3_500_000_000), "P1M-2DT3.5S");
        assert_eq!(interval(0, 0, 0), "PT0S");
    }
}
