"""Quests for quest-host in Python: docs/languages/python.md.

    from quest_sdk import Quest, action

    class Counter(Quest, name="my_example_quest"):
        counter: int = 0

        @action(on="test_event")
        def my_action(self):
            self.counter += 1
            print(self.counter)
"""

from .contract import (
    Failure,
    broadcast,
    clock,
    config,
    emit,
    event,
    fail,
    log,
    patterns,
    publish,
    quests,
    random,
    reply,
    send,
    timers,
    transient,
    variables,
)
from .quest import Quest, action, pattern, query

__all__ = [
    "Failure", "Quest", "action", "broadcast", "clock", "config", "emit", "event", "fail", "log", "pattern", "patterns", "publish",
    "query", "quests", "random", "reply", "send", "timers", "transient", "variables",
]  # fmt: skip
