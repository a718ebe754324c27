"""The contract (wit/quest.wit) as Python has it: values of Python, refusals as `Failure`. It knows nothing of classes of quests."""

from datetime import datetime, timedelta

from componentize_py_types import Err
from wit_world.imports import clock as _clock
from wit_world.imports import config as _config
from wit_world.imports import current as _current
from wit_world.imports import events as _events
from wit_world.imports import log as _log
from wit_world.imports import messages as _messages
from wit_world.imports import patterns as _patterns
from wit_world.imports import quests as _quests
from wit_world.imports import random as _random
from wit_world.imports import reply as _reply
from wit_world.imports import timers as _timers
from wit_world.imports import variables as _variables

from . import codec


class Failure(Exception):
    """What the host refused, or a quest failed with. Uncaught, it ends the action as itself, and nothing of the action is kept."""

    def __init__(self, code, message=""):
        super().__init__(message)
        self.code = str(code)
        self.message = str(message)

    def __str__(self):
        return f"{self.code}: {self.message}" if self.message else self.code


def fail(code, message=""):
    """Ends the action with a code of its own; the event goes to the dead letters."""
    raise Failure(code, message)


def transient(message=""):
    """Ends the action for now: it is tried again later."""
    raise Failure("transient", message)


def _ask(function, *given):
    # What is of another type would end the module with a trap, past any `except`.
    for (what, wanted), value in zip(function.__annotations__.items(), given):
        if wanted in (str, int) and not isinstance(value, wanted):
            raise TypeError(f"{what} is a {wanted.__name__}, and {value!r} is none")
        if wanted is str and not value.isascii():
            codec.utf8(value)
    try:
        return function(*given)
    except Err as refused:
        error = refused.value
    raise Failure(error.code, error.message)


def lower(value, what=""):
    try:
        return codec.lower(value)
    except codec.InvalidValue as invalid:
        message = str(invalid)
    raise Failure("invalid-value", f"{what}{message}")


def _lifted(value):
    return None if value is None else codec.lift(value)


def _unsigned(value, bits, what):
    if not 0 <= value < 2**bits:
        raise Failure("out-of-range", f"{what} is {value}: it is at least 0 and less than 2^{bits}")
    return value


def _millis(time):
    """A Unix time in milliseconds, or a datetime that knows its zone."""
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ValueError("the datetime has no zone: clock.instant(…) takes a time of the context's wall clock")
        return round(time.timestamp() * 1000)
    return int(time)


class Event:
    """The event in hand."""

    quest = property(lambda self: _current.quest())
    action = property(lambda self: _current.action())
    context = property(lambda self: _current.context())
    instance = property(lambda self: _current.instance())
    name = property(lambda self: _current.event_name())
    id = property(lambda self: _current.event_id())
    cause = property(lambda self: _current.cause())
    accepted_at = property(lambda self: _current.accepted_at())
    processed_at = property(lambda self: _current.processed_at())
    attempt = property(lambda self: _current.attempt())
    missed = property(lambda self: _current.missed())
    payload = property(lambda self: codec.lift(_current.payload()))

    def field(self, pointer, otherwise=None):
        """One place of the payload: "/items/0/name"."""
        found = _ask(_current.field, pointer)
        return otherwise if found is None else codec.lift(found)


class Variables:
    """Variables by name, for a quest that has none of its own declared, or for names that are made up as it goes."""

    def get(self, name, otherwise=None):
        found = _ask(_variables.get, name)
        return otherwise if found is None else codec.lift(found)

    def set(self, name, value):
        _ask(_variables.set, name, lower(value, f"the variable {name}: "))

    def remove(self, name):
        return _ask(_variables.remove, name)

    def names(self):
        return _variables.names()


class Timers:
    """Named future events of this instance. `delay`: a timedelta, or milliseconds. `time`: a datetime with a zone, or Unix milliseconds."""

    def at(self, name, time, action, payload=None):
        _ask(_timers.at, name, action, _unsigned(_millis(time), 64, "the time"), lower(payload))

    def after(self, name, delay, action, payload=None):
        millis = round(delay / timedelta(milliseconds=1)) if isinstance(delay, timedelta) else int(delay)
        _ask(_timers.after, name, action, _unsigned(millis, 64, "the delay"), lower(payload))

    def every(self, name, schedule, action, payload=None):
        _ask(_timers.every, name, action, schedule, lower(payload))

    def cancel(self, name):
        return _ask(_timers.cancel, name)

    def names(self):
        return _timers.names()

    def due(self, name):
        return _ask(_timers.due, name)

    def payload(self, name):
        return _lifted(_ask(_timers.payload, name))

    def schedule(self, name):
        return _ask(_timers.schedule, name)


class Patterns:
    """Patterns over events: docs/patterns.md."""

    def start(self, name, spec):
        _ask(_patterns.start, name, lower(spec))

    def cancel(self, name):
        return _ask(_patterns.cancel, name)

    def names(self):
        return _patterns.names()

    def state(self, name):
        return _lifted(_ask(_patterns.state, name))


class Clock:
    """The wall clock of the context."""

    def zone(self):
        return _clock.zone()

    def set_zone(self, zone):
        _ask(_clock.set_zone, zone)

    def local(self, time):
        return _clock.local(_unsigned(_millis(time), 64, "the time"))

    def instant(self, civil):
        return _ask(_clock.instant, civil)


class Quests:
    """Which quests contexts have; this context's, unless one is named."""

    def add(self, quest, context=None):
        _ask(_quests.add, quest, _current.context() if context is None else context)

    def remove(self, quest, context=None):
        _ask(_quests.remove, quest, _current.context() if context is None else context)

    def active(self):
        return _quests.active()


class Log:
    """Lines for people. `print` writes to the same log."""

    def debug(self, *what):
        _log.write(_log.Level.DEBUG, _line(what))

    def info(self, *what):
        _log.write(_log.Level.INFO, _line(what))

    def warn(self, *what):
        _log.write(_log.Level.WARN, _line(what))

    def error(self, *what):
        _log.write(_log.Level.ERROR, _line(what))


def _line(what):
    return " ".join(map(str, what)).encode(errors="replace").decode()


class Random:
    """The same numbers at each try of an action. The module `random` draws from the same seed."""

    def below(self, bound):
        return _random.below(_unsigned(bound, 32, "the bound"))

    def unit(self):
        return _random.unit()

    def bytes(self, count):
        return _random.bytes(_unsigned(count, 32, "the count"))


event, variables, timers, patterns, clock, quests, log, random = Event(), Variables(), Timers(), Patterns(), Clock(), Quests(), Log(), Random()


def emit(name, payload=None, context=None):
    """To every action in a context that is on that event; this context, unless one is named."""
    _ask(_events.emit, _current.context() if context is None else context, name, lower(payload))


def send(context, quest, action, payload=None):
    """To one action of one quest in a context."""
    _ask(_events.send, context, quest, action, lower(payload))


def broadcast(name, payload=None):
    """To every context that has a quest which is on that event."""
    _ask(_events.broadcast, name, lower(payload))


def publish(topic, payload=None):
    """A message for the world outside, when this action succeeds."""
    _ask(_messages.publish, topic, lower(payload))


def reply(value):
    """The answer of a call or a query; what the action returns is one too."""
    _ask(_reply.set, lower(value))


def config(name, otherwise=None):
    """A setting that the operator gave this quest."""
    found = _ask(_config.get, name)
    return otherwise if found is None else found
