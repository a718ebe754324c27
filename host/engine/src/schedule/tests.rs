//! The text form: what is understood, what is not, and what is said then.

use super::*;

fn zone(name: &str) -> Zone {
    Zone::parse(name).expect(name)
}

/// The next runs as civil times, from a civil time on, and what is special about them.
fn runs(text: &str, from: &str, zone: &Zone, n: usize) -> Vec<String> {
    let schedule = Schedule::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let from = civil::read(from, zone).expect(from);
    let why = |run: &Upcoming| run.why.map(|why| format!(" {}", why.code())).unwrap_or_default();
    let line = |run: Upcoming| {
        let shown = &civil::show(run.at, zone)[.."Sat 2026-11-28 09:00:00".len()];
        format!("{}{}", shown.strip_suffix(":00").unwrap_or(shown), why(&run))
    };
    upcoming(&schedule, from, zone, n).into_iter().map(line).collect()
}

/// From Wednesday 2026-11-25 10:30 in Berlin.
fn check(texts: &[&str], expected: [&str; 3]) {
    for text in texts {
        assert_eq!(runs(text, "2026-11-25 10:30", &zone("Europe/Berlin"), 3), expected, "{text}");
    }
}

#[test]
fn counted_days() {
    check(
        &["every 3 days", "EVERY 3 DAYS", "each 3 days"],
        ["Sat 2026-11-28 10:30", "Tue 2026-12-01 10:30", "Fri 2026-12-04 10:30"],
    );
    check(
        &[
            "every 3 days at 09:00",
            "every 3 days 9:00",
            "at 9am every 3 days",
            "9:00 every 3 days",
            "every 3 days at 9 am",
        ],
        ["Sat 2026-11-28 09:00", "Tue 2026-12-01 09:00", "Fri 2026-12-04 09:00"],
    );
    check(
        &[
            "every day at 07:00 and 19:00",
            "daily at 7am, 7pm",
            "07:00 and 19:00",
            "at 19:00 and at 07:00",
            "every day at 07:00, and 19:00",
        ],
        ["Wed 2026-11-25 19:00", "Thu 2026-11-26 07:00", "Thu 2026-11-26 19:00"],
    );
    check(
        &["every other day at noon", "every second day at 12:00"],
        ["Wed 2026-11-25 12:00", "Fri 2026-11-27 12:00", "Sun 2026-11-29 12:00"],
    );
    check(
        &["every 90 minutes", "every 1h 30m", "every 1 hour 30 minutes", "every 1 hour and 30 minutes"],
        ["Wed 2026-11-25 12:00", "Wed 2026-11-25 13:30", "Wed 2026-11-25 15:00"],
    );
    check(
        &["every hour", "hourly", "every 60 minutes"],
        ["Wed 2026-11-25 11:30", "Wed 2026-11-25 12:30", "Wed 2026-11-25 13:30"],
    );
    check(&["every second"], ["Wed 2026-11-25 10:30:01", "Wed 2026-11-25 10:30:02", "Wed 2026-11-25 10:30:03"]);
}

#[test]
fn weekdays() {
    check(
        &[
            "mondays and thursdays 18:30",
            "every monday and thursday at 6:30pm",
            "on mon, thu at 18:30",
            "every week on monday and thursday at 18:30",
        ],
        ["Thu 2026-11-26 18:30", "Mon 2026-11-30 18:30", "Thu 2026-12-03 18:30"],
    );
    check(
        &["weekdays at 09:00", "every weekday at 9:00", "monday to friday 09:00", "mon-fri 9am"],
        ["Thu 2026-11-26 09:00", "Fri 2026-11-27 09:00", "Mon 2026-11-30 09:00"],
    );
    check(
        &["weekends", "saturdays and sundays at midnight"],
        ["Sat 2026-11-28 00:00", "Sun 2026-11-29 00:00", "Sat 2026-12-05 00:00"],
    );
    check(
        &["every other friday at 9:00", "every 2 weeks on friday at 9:00"],
        ["Fri 2026-11-27 09:00", "Fri 2026-12-11 09:00", "Fri 2026-12-25 09:00"],
    );
    check(&["every week", "weekly"], ["Wed 2026-12-02 10:30", "Wed 2026-12-09 10:30", "Wed 2026-12-16 10:30"]);
}

#[test]
fn days_of_months_and_years() {
    check(
        &["last weekday of the month", "every last weekday of the month", "the last workday of each month"],
        ["Mon 2026-11-30 00:00", "Thu 2026-12-31 00:00", "Fri 2027-01-29 00:00"],
    );
    check(
        &["first monday of the month at 9:00", "every month on the first monday at 9:00", "1st monday 09:00"],
        ["Mon 2026-12-07 09:00", "Mon 2027-01-04 09:00", "Mon 2027-02-01 09:00"],
    );
    check(
        &["first and third friday at 9:00"],
        ["Fri 2026-12-04 09:00", "Fri 2026-12-18 09:00", "Fri 2027-01-01 09:00"],
    );
    check(
        &["1st and 15th of the month at 8:00", "on the 1st, 15th at 8:00"],
        ["Tue 2026-12-01 08:00", "Tue 2026-12-15 08:00", "Fri 2027-01-01 08:00"],
    );
    check(&["15th and last friday at 8:00"], ["Fri 2026-11-27 08:00", "Tue 2026-12-15 08:00", "Fri 2026-12-25 08:00"]);
    check(
        &["last day of the month at 23:00"],
        ["Mon 2026-11-30 23:00", "Thu 2026-12-31 23:00", "Sun 2027-01-31 23:00"],
    );
    check(&["on the 31st"], ["Mon 2026-11-30 00:00 day-clamped", "Thu 2026-12-31 00:00", "Sun 2027-01-31 00:00"]);
    check(
        &["on the 31st; short-months skip"],
        ["Thu 2026-12-31 00:00", "Sun 2027-01-31 00:00", "Wed 2027-03-31 00:00"],
    );
    check(&["every month", "monthly"], ["Fri 2026-12-25 10:30", "Mon 2027-01-25 10:30", "Thu 2027-02-25 10:30"]);
    check(
        &["every 5 months on the 2nd at 9:00"],
        ["Fri 2027-04-02 09:00", "Thu 2027-09-02 09:00", "Wed 2028-02-02 09:00"],
    );
    check(
        &["24 december at 18:00", "december 24 at 18:00", "every year on 24 december at 18:00", "24th of december 6pm"],
        ["Thu 2026-12-24 18:00", "Fri 2027-12-24 18:00", "Sun 2028-12-24 18:00"],
    );
    check(
        &["24 december and 6 january at 18:00"],
        ["Thu 2026-12-24 18:00", "Wed 2027-01-06 18:00", "Fri 2027-12-24 18:00"],
    );
    check(
        &["first monday of may and september"],
        ["Mon 2027-05-03 00:00", "Mon 2027-09-06 00:00", "Mon 2028-05-01 00:00"],
    );
    check(
        &["29 february at 9:00"],
        ["Sun 2027-02-28 09:00 day-clamped", "Tue 2028-02-29 09:00", "Wed 2029-02-28 09:00 day-clamped"],
    );
    check(&["every year", "yearly"], ["Thu 2027-11-25 10:30", "Sat 2028-11-25 10:30", "Sun 2029-11-25 10:30"]);
    check(&["every 2 years on 24 december"], ["Thu 2026-12-24 00:00", "Sun 2028-12-24 00:00", "Tue 2030-12-24 00:00"]);
}

#[test]
fn cron_and_rules() {
    check(
        &["0 9 * * MON-FRI", "cron 0 9 * * 1-5", "0 0 9 * * mon-fri", "cron: 0 9 ? * 1-5"],
        ["Thu 2026-11-26 09:00", "Fri 2026-11-27 09:00", "Mon 2026-11-30 09:00"],
    );
    check(
        &["@daily", "@midnight", "0 0 * * *"],
        ["Thu 2026-11-26 00:00", "Fri 2026-11-27 00:00", "Sat 2026-11-28 00:00"],
    );
    check(
        &[
            "RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0",
            "freq=monthly;byday=-1fr;byhour=9;byminute=0; missed all; zone Europe/Berlin",
        ],
        ["Fri 2026-11-27 09:00", "Fri 2026-12-25 09:00", "Fri 2027-01-29 09:00"],
    );
}

#[test]
fn changes_of_the_clocks() {
    for (zone_name, text, from, expected) in [
        (
            "Europe/Berlin",
            "every day at 02:30",
            "2026-03-28",
            ["Sat 2026-03-28 02:30", "Sun 2026-03-29 03:30 gap-shifted", "Mon 2026-03-30 02:30"],
        ),
        (
            "Europe/Berlin",
            "every day at 02:30; gap skip",
            "2026-03-28",
            ["Sat 2026-03-28 02:30", "Mon 2026-03-30 02:30", "Tue 2026-03-31 02:30"],
        ),
        (
            "Europe/Berlin",
            "every day at 02:30",
            "2026-10-24 03:00",
            ["Sun 2026-10-25 02:30 fold-first", "Mon 2026-10-26 02:30", "Tue 2026-10-27 02:30"],
        ),
        (
            "Europe/Berlin",
            "every day at 02:30; fold second",
            "2026-10-24 03:00",
            ["Sun 2026-10-25 02:30 fold-second", "Mon 2026-10-26 02:30", "Tue 2026-10-27 02:30"],
        ),
        (
            "Europe/Berlin",
            "every day at 02:30; fold both",
            "2026-10-24 03:00",
            ["Sun 2026-10-25 02:30 fold-first", "Sun 2026-10-25 02:30 fold-second", "Mon 2026-10-26 02:30"],
        ),
        (
            "Europe/Berlin",
            "*/30 * * * *",
            "2026-03-29 01:15",
            ["Sun 2026-03-29 01:30", "Sun 2026-03-29 03:00", "Sun 2026-03-29 03:30"],
        ),
        (
            "Europe/Berlin",
            "30 * * * *",
            "2026-10-25 01:45",
            ["Sun 2026-10-25 02:30 fold-first", "Sun 2026-10-25 02:30 fold-second", "Sun 2026-10-25 03:30"],
        ),
        (
            "Europe/Berlin",
            "every 1 hour",
            "2026-03-29 00:30",
            ["Sun 2026-03-29 01:30", "Sun 2026-03-29 03:30", "Sun 2026-03-29 04:30"],
        ),
        (
            "Europe/Berlin",
            "every day",
            "2026-03-28 02:30",
            ["Sun 2026-03-29 03:30 gap-shifted", "Mon 2026-03-30 02:30", "Tue 2026-03-31 02:30"],
        ),
        (
            "Australia/Lord_Howe",
            "every day at 02:15",
            "2026-10-03 12:00",
            ["Sun 2026-10-04 02:45 gap-shifted", "Mon 2026-10-05 02:15", "Tue 2026-10-06 02:15"],
        ),
        (
            "Australia/Lord_Howe",
            "*/20 * * * *",
            "2026-10-04 01:30",
            ["Sun 2026-10-04 01:40", "Sun 2026-10-04 02:40", "Sun 2026-10-04 03:00"],
        ),
        (
            "Pacific/Apia",
            "every day at 09:00",
            "2011-12-28 12:00",
            ["Thu 2011-12-29 09:00", "Sat 2011-12-31 09:00", "Sun 2012-01-01 09:00"],
        ),
        (
            "Pacific/Apia",
            "fridays at 09:00",
            "2011-12-28 12:00",
            ["Sat 2011-12-31 09:00 gap-shifted", "Fri 2012-01-06 09:00", "Fri 2012-01-13 09:00"],
        ),
        (
            "America/Sao_Paulo",
            "every day at midnight",
            "2018-11-03 12:00",
            ["Sun 2018-11-04 01:00 gap-shifted", "Mon 2018-11-05 00:00", "Tue 2018-11-06 00:00"],
        ),
        (
            "Africa/Cairo",
            "every day at midnight",
            "2010-08-10 12:00",
            ["Wed 2010-08-11 00:00", "Thu 2010-08-12 00:00", "Fri 2010-08-13 00:00"],
        ),
        (
            "Asia/Tehran",
            "every day at 00:30",
            "2022-03-21 12:00",
            ["Tue 2022-03-22 01:30 gap-shifted", "Wed 2022-03-23 00:30", "Thu 2022-03-24 00:30"],
        ),
        (
            "Asia/Kathmandu",
            "every day at 00:05",
            "1985-12-31 12:00",
            ["Wed 1986-01-01 00:20 gap-shifted", "Thu 1986-01-02 00:05", "Fri 1986-01-03 00:05"],
        ),
        (
            "Pacific/Chatham",
            "every day at 02:50",
            "2026-09-26 12:00",
            ["Sun 2026-09-27 03:50 gap-shifted", "Mon 2026-09-28 02:50", "Tue 2026-09-29 02:50"],
        ),
        (
            "Africa/Casablanca",
            "every day at 02:30",
            "2025-02-22 12:00",
            ["Sun 2025-02-23 02:30 fold-first", "Mon 2025-02-24 02:30", "Tue 2025-02-25 02:30"],
        ),
        (
            "Europe/Dublin",
            "every day at 01:30",
            "2026-10-24 12:00",
            ["Sun 2026-10-25 01:30 fold-first", "Mon 2026-10-26 01:30", "Tue 2026-10-27 01:30"],
        ),
    ] {
        assert_eq!(runs(text, from, &zone(zone_name), 3), expected, "{text} in {zone_name}");
    }
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let mut wrong = Vec::new();
    for (text, at, says, hint) in [
        ("", 0, "there is no recurrence", "every 3 days"),
        ("evry 3 days", 0, "\"evry\" is not a recurrence", "did you mean \"every\"?"),
        ("every 3 dayz", 8, "\"dayz\" is no unit", "did you mean \"day\"?"),
        ("every day at 25:00", 13, "\"25:00\" is no time of the day", "09:00"),
        ("every day at 24:00", 13, "a day ends before 24:00", "00:00"),
        ("every day at", 12, "a time of the day is missing here", ""),
        ("every day at 9:5", 13, "\"9:5\" is no time of the day", ""),
        ("every day until 2027", 10, "\"until\" is not understood here", "semicolon"),
        ("every 0 days", 6, "this cannot be counted", "from 1"),
        ("every 0 minutes", 0, "at least one second", "every 1 second"),
        ("every 2 hours at 09:00", 14, "no time of the day", "from"),
        ("every 1 day 12 hours", 12, "together", "every 36 hours"),
        ("every 5 parsecs", 8, "\"parsecs\" is no unit", "seconds"),
        ("mondays and thirsdays", 8, "\"and\" is not understood here", ""),
        ("on the 32nd", 7, "there is no day 32", "1 to 31"),
        ("30 february", 0, "there is no day 30", "1 to 29"),
        ("sixth monday of the month", 0, "\"sixth\" is not a recurrence", ""),
        ("6th monday of the month", 0, "no month has 6 of them", "last"),
        ("every day!", 9, "'!' has no place here", ""),
        ("every day; zone Europe/Berln", 16, "no time zone is called \"Europe/Berln\"", "Europe/Berlin"),
        ("every day; zoen UTC", 11, "\"zoen\" is no clause", "did you mean zone?"),
        ("every day; gap jump", 15, "\"jump\" is no value of gap", "shift or skip"),
        ("every day; fold", 15, "fold needs a value", "first, second or both"),
        ("every 2 hours; fold both", 15, "fold means nothing to an exact interval", ""),
        ("every day; missed all 0", 18, "\"all 0\" is no value of missed", "1 to 1000"),
        ("every day; jitter 5 parsecs", 20, "\"parsecs\" is no unit", "jitter 5 minutes"),
        ("every day; until someday", 17, "\"someday\" is no time", "2026-12-01"),
        ("every day; count 0", 17, "\"0\" is no value of count", "from 1"),
        ("every day; now please", 15, "\"please\" is no value of now", ""),
        ("every day; now; now", 16, "now is there twice", ""),
        ("0 9 * *", 0, "five fields or six, and this has 4", "minute, hour"),
        ("0 25 * * *", 2, "\"25\" is no field of cron here", "minute, hour"),
        ("0 9 * * MOO", 8, "\"MOO\" is no field of cron here", ""),
        ("cron 0 9 30 2 *", 5, "no day is like that", ""),
        ("0 9 1,, * *", 4, "\"1,,\" is no field", ""),
        ("@every 5m", 0, "@every 5m is no time", "every 5 minutes"),
        ("@reboot", 0, "@reboot is no time", "@daily"),
        ("* * * * *; short-months last-day", 11, "cron leaves out", "L is"),
        ("RRULE:", 6, "a part of a rule is missing", "FREQ=MONTHLY"),
        ("FREQ=SOMETIMES", 5, "\"SOMETIMES\" is no value of FREQ", "DAILY"),
        ("FREQ=DAILY;BYHOURS=9", 11, "\"BYHOURS\" is no part of a rule", "BYHOUR?"),
        ("FREQ=DAILY;BYHOUR=9,24", 20, "\"24\" is no value of BYHOUR", "0 to 23"),
        ("FREQ=DAILY;DTSTART=20260101", 11, "\"DTSTART\" is no part of a rule", "from"),
        ("INTERVAL=2", 0, "FREQ is missing", ""),
        ("FREQ=DAILY;BYDAY=1MO", 0, "needs FREQ=MONTHLY or YEARLY", "RFC 5545"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", 0, "COUNT and UNTIL", "keep one"),
        ("FREQ=DAILY;COUNT=2; count 3", 20, "the rule says COUNT already", ""),
        ("FREQ=DAILY;UNTIL=20270101; until 2027-01-01", 27, "the rule says UNTIL already", ""),
    ] {
        let error = Schedule::parse(text).expect_err(text);
        if error.at() != at || !error.message().contains(says) || !error.hint().contains(hint) {
            wrong.push(format!("at {}, not {at}: {error}", error.at()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let shown = Schedule::parse("every day; zone Europe/Berln").expect_err("a typo").to_string();
    let caret = format!("\n  every day; zone Europe/Berln\n{}^\nhint: did you mean Europe/Berlin?", " ".repeat(18));
    assert!(shown.ends_with(&caret), "{shown}");
}
