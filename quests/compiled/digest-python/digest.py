"""What happened in a day, told once, at eight in the morning of the user's own clock. The context is the user."""

from collections import Counter

from quest_sdk import Quest, action, clock, config, event, fail, publish, query, timers


class Digest(Quest, name="digest", add_on="notification"):
    """Gathers notifications, and tells them once a day"""

    waiting: list = []
    left_out: int = 0

    @action(on="notification")
    def gather(self, payload):
        match payload:
            case {"kind": "urgent", "text": str(text)}:
                publish("mail", {"subject": text, "lines": []})
                return
            case {"kind": str(kind), "text": str(text)}:
                most = int(config("most", "50"))
                if len(self.waiting) < most:
                    self.waiting = [*self.waiting, {"kind": kind, "text": text, "at": clock.local(event.accepted_at)[11:16]}]
                else:
                    self.left_out += 1
            case _:
                fail("bad-notification", f"a notification has a kind and a text, not {payload!r}")
        if timers.due("tell") is None:
            timers.every("tell", "every day at 08:00", "tell")

    @action
    def tell(self):
        # A quiet day: until there is something, the clock need not ring.
        if not self.waiting:
            timers.cancel("tell")
            return
        kinds = Counter(one["kind"] for one in self.waiting)
        told = ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items()))
        lines = [f"{one['at']}  {one['text']}" for one in self.waiting]
        if self.left_out:
            lines.append(f"and {self.left_out} more")
        publish("mail", {"subject": f"Your day: {told}", "lines": lines})
        self.waiting, self.left_out = [], 0

    @action(on="moved")
    def move(self, zone):
        clock.set_zone(zone)

    @query
    def count(self):
        return len(self.waiting) + self.left_out
