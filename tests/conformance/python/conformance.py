"""The conformance quest (tests/conformance/README.md), in Python: it does what it is told."""

import math
import random as chance

from quest_sdk import (
    Failure,
    Quest,
    action,
    broadcast,
    clock,
    config,
    emit,
    event,
    fail,
    log,
    pattern,
    patterns,
    publish,
    query,
    quests,
    random,
    send,
    timers,
    transient,
    variables,
)


def deeper(n):
    return 1 + deeper(n + 1)


def fill():
    everything = []
    while True:
        everything.append(bytearray(b"x" * 1_000_000))


def loop():
    while True:
        pass


def unit():
    return 0 <= random.unit() < 1 and 0 <= chance.random() < 1


remembered = None


def remember(text):
    global remembered
    before, remembered = remembered, text
    return before


CALLS = {
    "current.quest": lambda: event.quest,
    "current.action": lambda: event.action,
    "current.context": lambda: event.context,
    "current.event-name": lambda: event.name,
    "current.cause": lambda: event.cause,
    "current.accepted-at": lambda: event.accepted_at,
    "current.attempt": lambda: event.attempt,
    "current.missed": lambda: event.missed,
    "current.has-ids": lambda: event.instance != "" and event.id != "" and event.processed_at >= event.accepted_at,
    "current.field": event.field,
    "variables.get": variables.get,
    "variables.set": variables.set,
    "variables.remove": variables.remove,
    "variables.names": variables.names,
    "variables.set-bytes": lambda name, items: variables.set(name, bytes(items)),
    "variables.get-bytes": lambda name: list(variables.get(name)),
    "variables.set-nan": lambda name: variables.set(name, math.nan),
    "timers.at": lambda name, action, time, payload: timers.at(name, time, action, payload),
    "timers.after": lambda name, action, delay, payload: timers.after(name, delay, action, payload),
    "timers.every": lambda name, action, schedule, payload: timers.every(name, schedule, action, payload),
    "timers.cancel": timers.cancel,
    "timers.names": timers.names,
    "timers.due": timers.due,
    "timers.payload": timers.payload,
    "timers.schedule": timers.schedule,
    "patterns.start": patterns.start,
    "patterns.cancel": patterns.cancel,
    "patterns.names": patterns.names,
    "patterns.state": patterns.state,
    "clock.zone": clock.zone,
    "clock.set-zone": clock.set_zone,
    "clock.local": clock.local,
    "clock.instant": clock.instant,
    "events.emit": lambda context, name, payload: emit(name, payload, context),
    "events.send": send,
    "events.broadcast": broadcast,
    "quests.add": quests.add,
    "quests.remove": quests.remove,
    "quests.active": quests.active,
    "messages.publish": publish,
    "config.get": config,
    "log.write": lambda level, text: getattr(log, level)(text),
    "print": print,
    "random.below": random.below,
    "random.unit": unit,
    "random.bytes": lambda count: len(random.bytes(count)),
    "fail": fail,
    "transient": transient,
    "remember": remember,
    "trap": lambda: None.field,
    "loop": loop,
    "recurse": lambda: deeper(1),
    "fill": fill,
}


def make(call):
    if call[0] not in CALLS:
        fail("unknown-call", call[0])
    return CALLS[call[0]](*call[1:])


def each(calls):
    """Makes the calls; a refusal is what one gave."""
    given = []
    for call in calls or []:
        try:
            given.append(make(call))
        except Failure as refusal:
            if call[0] in ("fail", "transient"):
                raise
            given.append({"error": refusal.code})
    return given


class Conformance(Quest, name="conformance", version=2, add_on="begin"):
    """does what it is told"""

    def init(self):
        publish("init")

    def dealloc(self):
        publish("gone")

    def upgrade(self, before):
        publish("upgraded", before)

    @action(name="do", on="do")
    def act(self, calls):
        given = each(calls)
        publish("did", given)
        return given

    @action(name="raise", on="raise")
    def refused(self, calls):
        given = [make(call) for call in calls or []]
        publish("did", given)
        return given

    @action(on="note", every="every day at 09:00")
    @pattern("pair", kind="within", after="a", expect="b", within="10 minutes", action="note", else_="note")
    def note(self, payload):
        publish("noted", {"name": event.name, "cause": event.cause, "payload": payload, "missed": event.missed})

    @query
    def ask(self, calls):
        return each(calls)


class Two(Quest, name="conformance-two", add_on="two"):
    def init(self):
        publish("init")

    @action(name="do", on="two")
    def act(self, calls):
        given = each(calls)
        publish("did", given)
        return given
