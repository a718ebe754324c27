#!/usr/bin/env python3
"""Makes fixtures.json: what other implementations say about schedules.

Civil times come from dateutil (RRULE) and croniter (cron), both run on naive times; zoneinfo makes instants of them, with fold=0: a
time that clocks skip takes the offset before the gap, and of two the first is meant. That is what our defaults say of times of the day.
What runs in every hour has other defaults of ours on purpose, so it is compared in UTC only.

    python3 -m venv v && v/bin/pip install python-dateutil croniter tzdata && v/bin/python generate.py > fixtures.json
"""
import json
from datetime import datetime, timezone
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
    "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=2;BYMINUTE=0",
]
CRONS = [
    "0 9 * * 1-5", "30 2 * * *", "15 1 * * 0", "0 0 31 * *", "0 0 29 2 *", "0 12 1,15 * *", "5 4 * * 6", "0 2 1-7 3 *",
    "59 23 31 12 *", "0 18 * * MON,THU", "0 3 * JAN,JUL *",
]
HOURLY = ["*/15 * * * *", "7 * * * *", "0 */6 * * *", "10-20/5 8-10 * * *"]
RUNS = 40


def instant(civil, zone):
    return int(civil.replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc).timestamp() * 1000)


def case(text, zone, start, civils):
    runs = [instant(civil, zone) for civil in civils]
    # Two civil times may be one instant: a time of a gap that is moved onto another.
    distinct = sorted(set(runs))
    return {"schedule": text, "zone": zone, "from": start.isoformat(sep=" "), "runs": distinct[:RUNS]}


def rule(text, zone, start):
    found, at = [], rrulestr(text, dtstart=start)
    for civil in at:
        if civil > start and civil.year < 2100:
            found.append(civil)
        if len(found) >= RUNS or civil.year >= 2100:
            break
    return case("RRULE:" + text, zone, start, found)


def cron(text, zone, start):
    found, at = [], croniter(text, start)
    for _ in range(RUNS):
        found.append(at.get_next(datetime))
    return case("cron " + text, zone, start, found)


cases = []
for start in map(datetime.fromisoformat, STARTS):
    for zone in ZONES:
        cases += [rule(text, zone, start) for text in RULES]
        cases += [cron(text, zone, start) for text in CRONS]
    cases += [cron(text, "UTC", start) for text in HOURLY]
print("[\n" + ",\n".join(json.dumps(one) for one in cases) + "\n]")
