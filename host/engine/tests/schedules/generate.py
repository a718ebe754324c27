#!/usr/bin/env python3
"""Makes fixtures.json: what other implementations say about schedules.

Civil times come from dateutil (RRULE) and croniter (cron), both run on naive times; zoneinfo makes instants of them, with fold=0: a
time that clocks skip takes the offset before the gap, and of two the first is meant. That is what our defaults say of times of the day.

What runs in every hour differs on purpose: it runs in each hour that there is, so in both of a fold and in none of a gap, and no
civil-time search finds that. Such cases say so (`differs`), keep what the naive peer says (`peer`), and their runs come from a walk over
every minute of UTC, for each of which zoneinfo tells the civil time and croniter or dateutil whether it is meant.

    python3 -m venv v && v/bin/pip install python-dateutil croniter tzdata && v/bin/python generate.py > fixtures.json
"""
import json
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from croniter import croniter
from dateutil.rrule import rrulestr

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Chatham", "UTC"]
STARTS = ["2010-01-31T10:15:00", "2018-02-28T02:30:00", "2024-02-29T23:59:00"]
RULES = [
    "FREQ=DAILY;INTERVAL=3", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=18;BYMINUTE=30",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=MO;BYHOUR=1;BYMINUTE=30", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0",
    "FREQ=MONTHLY;BYMONTHDAY=31;BYHOUR=0;BYMINUTE=0", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=17;BYMINUTE=0",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=12;BYMINUTE=0", "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU;BYHOUR=2;BYMINUTE=15",
    "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=2;BYMINUTE=0", "FREQ=YEARLY", "FREQ=YEARLY;INTERVAL=3;BYMONTH=1", "FREQ=MONTHLY;INTERVAL=5",
    "FREQ=WEEKLY", "FREQ=WEEKLY;INTERVAL=3;BYDAY=SU,MO;WKST=SU", "FREQ=YEARLY;BYWEEKNO=1,20,53;BYDAY=MO;BYHOUR=6;BYMINUTE=0",
    "FREQ=YEARLY;BYYEARDAY=1,100,-1;BYHOUR=2;BYMINUTE=30", "FREQ=YEARLY;BYDAY=20MO,-1SU", "FREQ=MONTHLY;BYDAY=1FR,-1SU,2TU",
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "FREQ=MONTHLY;BYDAY=TU,WE,TH;BYSETPOS=3", "FREQ=MONTHLY;BYDAY=MO,TU;BYHOUR=2,14;BYMINUTE=0,30;BYSETPOS=1,-2",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "FREQ=DAILY;BYMONTH=3;BYHOUR=1,2,3;BYMINUTE=20,40",
    "FREQ=WEEKLY;BYDAY=SU;BYHOUR=0,1,2,3;BYMINUTE=0", "FREQ=DAILY;INTERVAL=10;BYSECOND=0,59",
]
# Finer than a day, but not in every hour: counted by the clock on the wall.
FINE = [
    "FREQ=HOURLY;INTERVAL=5", "FREQ=HOURLY;INTERVAL=7;BYMINUTE=0,30", "FREQ=HOURLY;INTERVAL=2;BYDAY=SU;BYMONTHDAY=1,8,25,28,29,31",
    "FREQ=MINUTELY;INTERVAL=90", "FREQ=MINUTELY;INTERVAL=25;BYHOUR=1,2,3", "FREQ=SECONDLY;INTERVAL=4000", "FREQ=SECONDLY;INTERVAL=7;BYHOUR=2;BYMINUTE=30",
    "FREQ=MINUTELY;INTERVAL=77;BYYEARDAY=60,-280;BYHOUR=9,10",
]
CRONS = [
    "0 9 * * 1-5", "30 2 * * *", "15 1 * * 0", "0 0 31 * *", "0 0 29 2 *", "0 12 1,15 * *", "5 4 * * 6", "0 2 1-7 3 *",
    "59 23 31 12 *", "0 18 * * MON,THU", "0 3 * JAN,JUL *",
]
CRONS += ["0 */6 * * *", "10-20/5 8-10 * * *", "0 */2 * * *", "*/20 1-3 * * SUN", "0 9 L * *", "0 9 * * FRI#2"]
HOURLY = ["*/15 * * * *", "7 * * * *", "*/20 * * * SUN", "0,50 */1 * 3,10 *"]
# A few hours before clocks are changed.
CHANGES = [
    ("Europe/Berlin", "2018-03-24T22:00:00"), ("Europe/Berlin", "2018-10-27T22:00:00"), ("America/New_York", "2018-11-03T22:00:00"),
    ("Australia/Lord_Howe", "2018-10-06T22:00:00"), ("Australia/Lord_Howe", "2018-03-31T22:00:00"), ("Pacific/Apia", "2011-12-29T12:00:00"),
    ("Europe/Dublin", "2018-10-27T22:00:00"), ("Africa/Casablanca", "2018-05-12T22:00:00"), ("America/Sao_Paulo", "2017-10-14T20:00:00"),
    ("Asia/Tehran", "2018-03-21T20:00:00"), ("Africa/Cairo", "2014-05-15T20:00:00"), ("Pacific/Chatham", "2018-04-01T00:00:00"),
]
RUNS = 20
# Times of a gap of a whole day are moved between those of the next: more are looked for than are kept.
CIVILS = 3 * RUNS


def instant(civil, zone):
    return int(civil.replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc).timestamp() * 1000)


def case(text, zone, start, civils):
    # Zones may get other rules: what is compared lies in the past of either database.
    runs = [instant(civil, zone) for civil in civils if zone == "UTC" or civil.year < 2026]
    # Two civil times may be one instant: a time of a gap that is moved onto another.
    distinct = sorted(set(runs))
    return {"schedule": text, "zone": zone, "from": start.isoformat(sep=" "), "runs": distinct[:RUNS]}


def rule(text, zone, start):
    found, at = [], rrulestr(text, dtstart=start)
    for civil in at:
        if civil > start and civil.year < 2100:
            found.append(civil)
        if len(found) >= CIVILS or civil.year >= 2100:
            break
    return case("RRULE:" + text, zone, start, found)


def cron(text, zone, start):
    found, at = [], croniter(text, start)
    for _ in range(CIVILS):
        found.append(at.get_next(datetime))
    return case("cron " + text, zone, start, found)


def walked(text, zone, start):
    """What runs in every hour, over a change of the clocks."""
    naive = cron(text, zone, start)
    at, runs = datetime.fromtimestamp(instant(start, zone) / 1000, timezone.utc), []
    end = at + timedelta(days=21)
    while len(runs) < RUNS and at < end:
        at += timedelta(minutes=1)
        civil = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        if croniter.match(text, civil):
            runs.append(int(at.timestamp() * 1000))
    if runs == naive["runs"][:len(runs)]:
        return {**naive, "runs": runs}
    return {**naive, "runs": runs, "peer": naive["runs"], "differs": "runs in both hours of a fold, and in none of a gap"}


cases = []
for start in map(datetime.fromisoformat, STARTS):
    for zone in ZONES:
        cases += [rule(text, zone, start) for text in RULES]
        cases += [cron(text, zone, start) for text in CRONS]
    cases += [cron(text, "UTC", start) for text in HOURLY]
    cases += [rule(text, "UTC", start) for text in FINE]
for zone, start in CHANGES:
    start = datetime.fromisoformat(start)
    cases += [walked(text, zone, start) for text in HOURLY]
    cases += [cron(text, zone, start) for text in CRONS]
    cases += [rule(text, zone, start) for text in FINE + RULES[:4]]
cases = [one for one in cases if one["runs"]]
print("[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in cases) + "\n]")
