"""What the host asks of a module (interface `guest`), answered by the classes of quests in the author's file."""

import importlib
import io
import sys
import traceback

from componentize_py_types import Err
from wit_world.imports import current, definition
from wit_world.imports.types import Error

from . import contract, quest
from .codec import lift

# Written by build.sh: which module the quests are in.
from quest_sdk_main import MAIN

# Loaded here, so that its imports are paid for when the component is made, and not by each action.
importlib.import_module(MAIN)


def _told(function, *given):
    contract._ask(function, *given)


def _declare(cls):
    _told(definition.quest, cls._name)
    if cls._description:
        _told(definition.describe, cls._description)
    _told(definition.version, cls._version)
    for event in cls._add_on:
        _told(definition.add_on, event)
    for part in ("dealloc", "upgrade"):
        if part in cls._methods:
            _told(definition.action, part)
    for name, mark in cls._actions.items():
        _told(definition.action, name)
        for event in mark.on:
            _told(definition.on, name, event)
        for schedule in mark.every:
            _told(definition.every, name, name, schedule)
        for pattern, spec in mark.patterns:
            _told(definition.pattern, pattern, contract.lower(spec if "action" in spec or "else" in spec else {**spec, "action": name}))
    for name in cls._queries:
        _told(definition.query, name)


def _define():
    if not quest.classes:
        contract.fail("no-quest", f"{MAIN}.py has no quest: write  class Name(Quest, name=\"name\")")
    for cls in quest.classes:
        _declare(cls)


def _perform(action):
    # The state of `random` stands in the component since it was made: without this each event would draw the same.
    if "random" in sys.modules:
        sys.modules["random"].seed(contract.random.bytes(16))
    name = current.quest()
    for cls in quest.classes:
        if cls._name == name:
            answer = quest.run(cls, action, lambda: lift(current.payload()))
            if answer is not None:
                contract.reply(answer)
            return
    contract.fail("unknown-action", f"there is no quest {name} in this module")


def _whole(function, *given):
    """Any exception is the action's end: a `Failure` as itself, all others with their traceback in the log."""
    try:
        function(*given)
        return
    except contract.Failure as failure:
        error = Error(failure.code, failure.message)
    except Exception as exception:
        error = Error("exception", _message(exception))
        contract.log.error(_trace(exception))
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    raise Err(error)


def _frames(exception):
    """Where it came from, without what is ours."""
    return [frame for frame in traceback.extract_tb(exception.__traceback__) if "/quest_sdk/" not in frame.filename]


def _message(exception):
    said = "".join(traceback.format_exception_only(exception)).strip()
    frames = _frames(exception)
    return f"{_file(frames[-1])}:{frames[-1].lineno}: {said}" if frames else said


def _file(frame):
    return frame.filename.rsplit("/", 1)[-1]


def _trace(exception):
    out = io.StringIO()
    out.write("Traceback (most recent call last):\n")
    # Endless recursion has a thousand of them, all alike.
    frames = _frames(exception)
    for frame in frames[:10] + frames[-10:] if len(frames) > 20 else frames:
        out.write(f"  {_file(frame)}:{frame.lineno} in {frame.name}\n")
        if frame.line:
            out.write(f"    {frame.line}\n")
    out.write("".join(traceback.format_exception_only(exception)).strip())
    return out.getvalue()


class Guest:
    def define(self):
        _whole(_define)

    def init(self):
        _whole(_perform, "init")

    def perform(self, action):
        _whole(_perform, action)
