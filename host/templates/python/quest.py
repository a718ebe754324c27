"""Greets whoever comes for the third time, and misses whoever stays away for a week."""

from datetime import timedelta

from quest_sdk import Quest, action, publish, query, timers


# `add_on` is the event that adds the quest to a context: to a user, say.
class Visits(Quest, name="hello", add_on="visited"):
    """Greets the third visit, misses who stays away"""

    # What it remembers, of each context its own.
    visits: int = 0

    @action(on="visited")
    def visit(self):
        self.visits += 1
        if self.visits == 3:
            publish("welcome-back", self.visits)
        # A timer. Set again it moves.
        timers.after("absent", timedelta(days=7), "miss")

    @action
    def miss(self):
        """Called by the timer."""
        publish("missed-you", self.visits)

    @query
    def total(self):
        """Reads and answers: quest-host query ada hello total"""
        return self.visits
