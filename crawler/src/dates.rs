//! Parsing of publication dates: ISO 8601, RFC 2822, `14:05, 3 қараша 2026`, `Nov 3, 2026`.

use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use model::{Precision, Timestamp};
use regex::{Captures, Regex};
use url::Url;

/// A parsed date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) precision: Precision,
}

/// Parses an HTTP date (RFC 9110 §5.6.7).
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|zoned| zoned.timestamp())
}

/// Returns the time zone for dates that name none: the declared zone, or else the zone of the country of the
/// URL's host, or else UTC.
pub(crate) fn default_time_zone(declared: Option<&str>, url: Option<&Url>) -> TimeZone {
    let country = || {
        let host = url?.host_str()?.trim_end_matches('.');
        Some(match host.rsplit('.').next()? {
            "kz" => "Asia/Almaty",
            "kg" => "Asia/Bishkek",
            "uz" => "Asia/Tashkent",
            "tj" => "Asia/Dushanbe",
            "tm" => "Asia/Ashgabat",
            "ru" | "su" => "Europe/Moscow",
            "by" => "Europe/Minsk",
            "ua" => "Europe/Kyiv",
            "de" => "Europe/Berlin",
            _ => return None,
        })
    };
    declared.or_else(country).and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// Parses a text that consists of a date or time in any supported format.
pub(crate) fn parse(text: &str, zone: &TimeZone) -> Option<Moment> {
    let text = text.trim();
    if text.len() > 200 || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let exact = text.parse::<Timestamp>().ok().or_else(|| parse_http_date(text));
    if let Some(at) = exact {
        return Some(Moment { at, precision: Precision::Second });
    }
    find(text, zone).or_else(|| parse_compact(text, zone))
}

/// Returns the first date in a text, combined with the time of day next to it.
pub(crate) fn find(text: &str, zone: &TimeZone) -> Option<Moment> {
    let (_, date, range) = DATE_FORMATS
        .iter()
        .filter_map(|format| {
            format.pattern.captures_iter(text).find_map(|captures| {
                let date = (format.parse_date)(&captures)?;
                let match_ = captures.get(0)?;
                Some((match_.start(), date, match_.range()))
            })
        })
        .min_by_key(|(start, ..)| *start)?;
    let suffix = text.get(range.end..).unwrap_or("");
    let prefix = text.get(..range.start).unwrap_or("");
    let time = TIME_AFTER_DATE
        .captures(suffix)
        .or_else(|| TIME_BEFORE_DATE.captures(prefix))
        .and_then(|captures| parse_time(&captures));
    moment(date, time, zone)
}

/// Returns the date in a URL path: `/2026/11/03/`, `/2026-11-03-…`, `/20261103/`.
pub(crate) fn in_url(url: &Url) -> Option<Date> {
    static PATH: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?:^|[/_-])(19[89]\d|20[0-4]\d)([/_-]?)(1[0-2]|0?[1-9])([/_-]?)(3[01]|[12]\d|0?[1-9])(?:[/_.-]|$|\D)",
        )
    });
    let captures = PATH.captures(url.path())?;
    let (first, second) = (captures.get(2)?.as_str(), captures.get(4)?.as_str());
    let is_padded = captures[3].len() == 2 && captures[5].len() == 2;
    if first.is_empty() != second.is_empty() || first.is_empty() && !is_padded {
        return None;
    }
    new_date(number(&captures, 1)?, number(&captures, 3)?, number(&captures, 5)?)
}

/// A date format: its pattern, and the function that reads the date from a match.
struct DateFormat {
    pattern: Regex,
    parse_date: fn(&Captures<'_>) -> Option<Date>,
}

/// The supported date formats. If two formats match at the same position, the first one in the list wins.
static DATE_FORMATS: LazyLock<Vec<DateFormat>> = LazyLock::new(|| {
    let format = |text: &str, parse_date| DateFormat { pattern: pattern(text), parse_date };
    vec![
        format(r"\b(19\d\d|20\d\d)[-/.](\d{1,2})[-/.](\d{1,2})(?:\b|T|_)", |f| {
            new_date(number(f, 1)?, number(f, 2)?, number(f, 3)?)
        }),
        format(r"\b(\d{1,2})([./-])(\d{1,2})[./-](19\d\d|20\d\d)\b", |f| {
            let (one, two, year) = (number(f, 1)?, number(f, 3)?, number(f, 4)?);
            // The day comes first unless the second number can only be a day.
            if two > 12 { new_date(year, one, two) } else { new_date(year, two, one) }
        }),
        format(
            r"\b(\d{1,2})(?:st|nd|rd|th|er|\.|-)?[\s\u{a0}-]+(?:de\s+|of\s+)?(\p{L}{3,})\.?,?[\s\u{a0}-]+(?:de\s+)?(19\d\d|20\d\d)\b",
            |f| new_date(number(f, 3)?, month(&f[2])?, number(f, 1)?),
        ),
        format(r"\b(\p{L}{3,})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(19\d\d|20\d\d)\b", |f| {
            new_date(number(f, 3)?, month(&f[1])?, number(f, 2)?)
        }),
        format(
            r"\b(19\d\d|20\d\d)\s*(?:жылғы|жылы|жылдың|жыл|ж\.|jylğy|г\.)?,?\s+(\d{1,2})[\s-]+(\p{L}{3,})",
            |f| new_date(number(f, 1)?, month(&f[3])?, number(f, 2)?),
        ),
    ]
});

/// The pattern of a time of day: hour, minute, second, AM or PM, time zone.
const TIME_PATTERN: &str = r"(\d{1,2})[:.](\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([aApP]\.?[mM]\.?)?\s*(Z\b|UTC\b|GMT\b|[+-]\d{2}:?\d{2}\b|[A-Z]{3,4}\b)?";

static TIME_AFTER_DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"^(?:\s*(?:г\.|года|ж\.|жылы)?\s*[T_,|/·•—–-]?\s*(?:в|at|um|сағат|Uhr)?\s*){TIME_PATTERN}"
    ))
});
static TIME_BEFORE_DATE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"{TIME_PATTERN}\s*[,|/·•—–-]?\s*(?:on\s+)?(?:\p{{L}}+,\s*)?$")));

#[expect(clippy::expect_used, reason = "the patterns are constants, and a test compiles each of them")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern compiles")
}

fn number(captures: &Captures<'_>, group: usize) -> Option<i16> {
    captures.get(group)?.as_str().parse().ok()
}

fn new_date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Reads a match of [`TIME_PATTERN`].
fn parse_time(captures: &Captures<'_>) -> Option<(Time, Option<Offset>)> {
    let (mut hour, minute) = (number(captures, 1)?, number(captures, 2)?);
    let second = number(captures, 3).unwrap_or(0);
    if let Some(half_of_day) = captures.get(4) {
        let is_pm = half_of_day.as_str().starts_with(['p', 'P']);
        hour = hour % 12 + if is_pm { 12 } else { 0 };
    }
    let small = |n: i16| i8::try_from(n).ok();
    let time = Time::new(small(hour)?, small(minute)?, small(second.min(59))?, 0).ok()?;
    Some((time, captures.get(5).and_then(|zone| parse_offset(zone.as_str()))))
}

/// Parses a numeric offset or one of the time zone abbreviations that feeds use. Ambiguous abbreviations, such as
/// IST (India or Ireland), are not supported.
fn parse_offset(text: &str) -> Option<Offset> {
    let hours = match text {
        "Z" | "UTC" | "GMT" | "UT" | "WET" => 0,
        "EST" | "CDT" => -5,
        "EDT" => -4,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" => 1,
        "CEST" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "ALMT" | "ORAT" | "QYZT" | "AQTT" => 5,
        _ => {
            let (sign, digits) = match text.split_at_checked(1)? {
                ("+", digits) => (1, digits),
                ("-", digits) => (-1, digits),
                _ => return None,
            };
            let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
            let hours: i32 = digits.get(..2)?.parse().ok()?;
            let minutes: i32 = digits.get(2..4)?.parse().ok()?;
            return Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok();
        }
    };
    Some(Offset::constant(hours))
}

fn moment(date: Date, time: Option<(Time, Option<Offset>)>, zone: &TimeZone) -> Option<Moment> {
    let Some((time, offset)) = time else {
        // A date without a time is a calendar day, which is the same in every time zone.
        return Some(Moment { at: TimeZone::UTC.to_timestamp(date.into()).ok()?, precision: Precision::Day });
    };
    let local = date.to_datetime(time);
    let at = match offset {
        Some(offset) => offset.to_timestamp(local).ok()?,
        None => zone.to_zoned(local).ok()?.timestamp(),
    };
    Some(Moment { at, precision: Precision::Second })
}

/// Parses `20261103T140500`, `20261103`, or seconds or milliseconds since 1970.
fn parse_compact(text: &str, zone: &TimeZone) -> Option<Moment> {
    static COMPACT: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"^(19\d\d|20\d\d)(\d\d)(\d\d)(?:T?(\d\d)(\d\d)(\d\d)?(Z|[+-]\d{4})?)?$"));
    if let Some(captures) = COMPACT.captures(text)
        && let Some(date) = new_date(number(&captures, 1)?, number(&captures, 2)?, number(&captures, 3)?)
    {
        let time = captures.get(4).and_then(|_| {
            let part = |group| number(&captures, group).and_then(|n| i8::try_from(n).ok());
            let time = Time::new(part(4)?, part(5)?, part(6).unwrap_or(0), 0).ok()?;
            Some((time, captures.get(7).and_then(|zone| parse_offset(zone.as_str()))))
        });
        return moment(date, time, zone);
    }
    let seconds: i64 = text.parse().ok()?;
    let seconds = if seconds > 100_000_000_000 { seconds / 1000 } else { seconds };
    (seconds > 100_000_000).then_some(())?;
    Some(Moment { at: Timestamp::from_second(seconds).ok()?, precision: Precision::Second })
}

/// Prefixes of month names. If one prefix starts with another, the longer one comes first.
const MONTHS: &[(&str, i16)] = &[
    // Kazakh in Cyrillic and in both Latin scripts.
    ("қаңтар", 1),
    ("ақпан", 2),
    ("наурыз", 3),
    ("сәуір", 4),
    ("мамыр", 5),
    ("маусым", 6),
    ("шілде", 7),
    ("тамыз", 8),
    ("қыркүйек", 9),
    ("қазан", 10),
    ("қараша", 11),
    ("желтоқсан", 12),
    ("qañtar", 1),
    ("qańtar", 1),
    ("aqpan", 2),
    ("naury", 3),
    ("naurı", 3),
    ("säuir", 4),
    ("sáýir", 4),
    ("sәuir", 4),
    ("mamy", 5),
    ("mamı", 5),
    ("mausy", 6),
    ("mausı", 6),
    ("maýsy", 6),
    ("şilde", 7),
    ("shilde", 7),
    ("tamyz", 8),
    ("tamız", 8),
    ("qyrkü", 9),
    ("qırkü", 9),
    ("qyrkú", 9),
    ("qazan", 10),
    ("qaraş", 11),
    ("qarash", 11),
    ("jeltoq", 12),
    // Russian and Ukrainian.
    ("янв", 1),
    ("фев", 2),
    ("март", 3),
    ("мар", 3),
    ("апр", 4),
    ("мая", 5),
    ("май", 5),
    ("июн", 6),
    ("июл", 7),
    ("авг", 8),
    ("сен", 9),
    ("окт", 10),
    ("ноя", 11),
    ("дек", 12),
    ("січ", 1),
    ("лют", 2),
    ("берез", 3),
    ("квіт", 4),
    ("трав", 5),
    ("черв", 6),
    ("лип", 7),
    ("серп", 8),
    ("верес", 9),
    ("жовт", 10),
    ("листопад", 11),
    ("груд", 12),
    // English, German, French, Spanish, Italian, Portuguese, Turkish.
    ("jan", 1),
    ("feb", 2),
    ("mär", 3),
    ("mar", 3),
    ("apr", 4),
    ("may", 5),
    ("mai", 5),
    ("jun", 6),
    ("jul", 7),
    ("aug", 8),
    ("sep", 9),
    ("oct", 10),
    ("okt", 10),
    ("nov", 11),
    ("dec", 12),
    ("dez", 12),
    ("fév", 2),
    ("avr", 4),
    ("juin", 6),
    ("juil", 7),
    ("aoû", 8),
    ("déc", 12),
    ("ene", 1),
    ("abr", 4),
    ("ago", 8),
    ("dic", 12),
    ("gen", 1),
    ("mag", 5),
    ("giu", 6),
    ("lug", 7),
    ("set", 9),
    ("ott", 10),
    ("fev", 2),
    ("out", 10),
    ("ocak", 1),
    ("şubat", 2),
    ("nisan", 4),
    ("haziran", 6),
    ("temmuz", 7),
    ("ağustos", 8),
    ("eylül", 9),
    ("ekim", 10),
    ("kasım", 11),
    ("aralık", 12),
];

fn month(word: &str) -> Option<i16> {
    let word = word.to_lowercase();
    MONTHS.iter().find(|(prefix, _)| word.starts_with(prefix)).map(|(_, month)| *month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn almaty() -> TimeZone {
        TimeZone::get("Asia/Almaty").unwrap()
    }

    #[test]
    fn all_formats_of_a_time_are_parsed() {
        for (text, expected) in [
            ("2026-11-03T14:05:00+05:00", "2026-11-03T09:05:00Z"),
            ("2026-11-03T14:05:00Z", "2026-11-03T14:05:00Z"),
            ("2026-11-03T14:05", "2026-11-03T09:05:00Z"),
            ("2026-11-03 14:05:30", "2026-11-03T09:05:30Z"),
            ("2026-11-03T14:05:00.123+0500", "2026-11-03T09:05:00Z"),
            ("Tue, 03 Nov 2026 14:05:00 +0500", "2026-11-03T09:05:00Z"),
            ("Tue, 3 Nov 2026 14:05 GMT", "2026-11-03T14:05:00Z"),
            ("Tue, 03 Nov 2026 14:05:00 EST", "2026-11-03T19:05:00Z"),
            ("Вт, 03 ноя 2026 14:05:00 +0500", "2026-11-03T09:05:00Z"),
            ("3 ноября 2026, 14:05", "2026-11-03T09:05:00Z"),
            ("14:05, 3 қараша 2026", "2026-11-03T09:05:00Z"),
            ("2026 жылғы 3 қараша, 14:05", "2026-11-03T09:05:00Z"),
            ("3 qaraşa 2026, 14:05", "2026-11-03T09:05:00Z"),
            ("03.11.2026 14:05", "2026-11-03T09:05:00Z"),
            ("03.11.2026 | 14:05", "2026-11-03T09:05:00Z"),
            ("November 3, 2026 at 2:05 PM", "2026-11-03T09:05:00Z"),
            ("11/23/2026 00:00", "2026-11-22T19:00:00Z"),
            ("3. November 2026 um 14:05 Uhr", "2026-11-03T09:05:00Z"),
            ("1793714700", "2026-11-03T14:05:00Z"),
        ] {
            let moment = parse(text, &almaty()).unwrap_or_else(|| panic!("{text} was not parsed"));
            assert_eq!(model::rfc3339(moment.at), expected, "{text}");
            assert_eq!(moment.precision, Precision::Second, "{text}");
        }
    }

    #[test]
    fn dates_without_a_time_have_day_precision() {
        for text in
            ["2026-11-03", "3 ноября 2026 года", "3 қараша 2026", "Nov 3rd, 2026", "03/11/2026", "20261103"]
        {
            let moment = parse(text, &almaty()).unwrap_or_else(|| panic!("{text} was not parsed"));
            assert_eq!(
                (model::rfc3339(moment.at).as_str(), moment.precision),
                ("2026-11-03T00:00:00Z", Precision::Day),
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_not_dates() {
        for text in ["", "вчера", "31.02.2026", "+7 727 250 12 34", "99", "3 слона 2026", "2026-13-45"]
        {
            assert_eq!(parse(text, &almaty()), None, "{text}");
        }
    }

    #[test]
    fn url_paths_contain_dates() {
        for (url, expected) in [
            ("https://x.kz/news/2026/11/03/bank", Some("2026-11-03")),
            ("https://x.kz/2026-11-03-bank.html", Some("2026-11-03")),
            ("https://x.kz/20261103/bank", Some("2026-11-03")),
            ("https://x.kz/2026/11/bank", None),
            ("https://x.kz/id/2026113", None),
            ("https://x.kz/phone-20269903", None),
        ] {
            let date = in_url(&Url::parse(url).unwrap());
            assert_eq!(date.map(|date| date.to_string()).as_deref(), expected, "{url}");
        }
    }
}
