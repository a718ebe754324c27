"""Quests as classes: what they declare, and how an action becomes a call of a method. What the host asks of a module is in app.py."""

import annotationlib
import copy
import inspect

from wit_world.imports import variables as _variables

from . import codec
from .contract import Failure, lower

LIFECYCLE = ("init", "dealloc", "upgrade")
_ABSENT = object()

#: The classes, in the order in which they were written.
classes = []


class _Mark:
    """What decorators leave at a method."""

    def __init__(self):
        self.name = None
        self.is_action = self.is_query = False
        self.on, self.every, self.patterns = [], [], []


def _mark(method):
    if not hasattr(method, "_quest_mark"):
        method._quest_mark = _Mark()
    return method._quest_mark


def _names(value):
    return [value] if isinstance(value, str) else list(value)


def action(method=None, /, *, name=None, on=(), every=None):
    """A method that runs for the events that it is `on`, by a schedule (docs/schedules.md), when a timer names it or when it is called."""

    def marked(method):
        mark = _mark(method)
        mark.is_action = True
        mark.name = name or mark.name
        mark.on += _names(on)
        if every is not None:
            mark.every.append(every)
        return method

    return marked if method is None else marked(method)


def pattern(name, **spec):
    """Runs the method when a pattern over events is met (docs/patterns.md): @pattern("away", kind="absence", of="opened", **{"for": "14 days"}).

    Underscores stand for hyphens, and one at the end is left out (`for_`, `in_`, `else_`). `action` is the method unless it is given."""

    def marked(method):
        mark = _mark(method)
        mark.is_action = True
        told = {key.rstrip("_").replace("_", "-"): value for key, value in spec.items()}
        mark.patterns.append((name, told))
        return method

    return marked


def query(method=None, /, *, name=None):
    """A method that answers from committed state, and changes nothing."""

    def marked(method):
        mark = _mark(method)
        mark.is_query = True
        mark.name = name or mark.name
        return method

    return marked if method is None else marked(method)


class Quest:
    """A quest: `class Counter(Quest, name="counter", version=1, add_on="signed-up")`.

    Annotated attributes are its variables, with their first values: `count: int = 0`. They are loaded before an action, and those that
    have changed are stored when it succeeds. The class's docstring describes the quest. Methods `init`, `dealloc` and `upgrade` are
    called when it is added, removed, and met by a higher version."""

    def __init_subclass__(cls, *, name=None, version=1, add_on=(), description=None, **others):
        super().__init_subclass__(**others)
        cls._name = name or cls.__name__
        cls._version = version
        cls._add_on = _names(add_on)
        # Not an inherited one.
        cls._description = description or (inspect.cleandoc(cls.__dict__["__doc__"]).split("\n\n")[0].replace("\n", " ") if cls.__dict__.get("__doc__") else None)
        cls._variables = [each for base in reversed(cls.__mro__) for each in _annotated(base) if not each.startswith("_")]
        cls._actions, cls._queries, cls._methods = {}, {}, {}
        for attribute in dir(cls):
            method = getattr(cls, attribute)
            mark = getattr(method, "_quest_mark", None)
            if mark is None:
                continue
            called = mark.name or attribute
            if called in cls._methods:
                raise TypeError(f"quest {cls._name} has {called} twice")
            cls._methods[called] = method
            (cls._queries if mark.is_query else cls._actions)[called] = mark
        for part in LIFECYCLE:
            if hasattr(cls, part):
                cls._methods[part] = getattr(cls, part)
        for called, method in cls._methods.items():
            if inspect.iscoroutinefunction(method):
                raise TypeError(f"{called} of quest {cls._name} is `async`: an action does what it does before it returns, so write it without")
        # A method may leave the payload out. Looked up here: it takes as long as all the rest of a short action.
        cls._taking = {called for called, method in cls._methods.items() if _takes_payload(method)}
        classes.append(cls)

    def __setattr__(self, name, value):
        if not name.startswith("_") and name not in self._variables:
            raise AttributeError(f"quest {self._name} declares no variable {name}: write `{name}: {type(value).__name__} = …` in its class, or begin the name with _ if it is for this action only")
        super().__setattr__(name, value)


def _takes_payload(method):
    given = list(inspect.signature(method).parameters.values())[1:]
    return any(each.kind != each.KEYWORD_ONLY for each in given)


def _annotated(cls):
    # What an annotation means is nobody's business here, so names in it need not exist.
    return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)


def _loaded(instance):
    """Gives the variables to the instance, and says what they are as the host has them."""
    stored = {}
    for name in instance._variables:
        value = _variables.get(name)
        if value is not None:
            stored[name] = value
            object.__setattr__(instance, name, codec.lift(value))
        elif hasattr(type(instance), name):
            first = getattr(type(instance), name)
            stored[name] = lower(first)
            object.__setattr__(instance, name, copy.deepcopy(first))
    return stored


def _store(instance, stored):
    from .contract import variables

    for name in instance._variables:
        value = instance.__dict__.get(name, _ABSENT)
        if value is _ABSENT:
            if name in stored:
                variables.remove(name)
            continue
        lowered = lower(value, f"the variable {name}: ")
        if lowered != stored.get(name):
            variables.set(name, value)


def run(cls, called, payload):
    """Runs an action of a quest; what its method returns is the answer, if it is not None."""
    method = cls._methods.get(called)
    if method is None:
        if called == "init":
            return None
        raise Failure("unknown-action", f"quest {cls._name} has no action {called}")
    instance = cls()
    stored = _loaded(instance)
    answer = method(instance, *([payload()] if called in cls._taking else []))
    if answer is not None and inspect.isawaitable(answer):
        raise TypeError(f"{called} of quest {cls._name} gives something to await: an action does what it does before it returns")
    if called not in cls._queries and called != "dealloc":
        _store(instance, stored)
    return answer
