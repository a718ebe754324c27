#!/usr/bin/env python3
"""Holds the table of results in docs/languages/README.md to what ran, or writes what ran into it:

quest-host test tests/conformance/conformance.toml --module FILE --format json | python3 tests/conformance/table.py check|write LANGUAGE

LANGUAGE is a column, as its head says. A scenario that is not in the table gets a row, one that is gone loses it."""

import json
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/languages/README.md"
BEGIN, END = "<!-- conformance: tests/conformance/table.py -->\n", "<!-- end -->\n"
SHOWN = {"passed": "✓", "failed": "✗"}


def main():
    way, language = sys.argv[1:]
    ran = {}
    for line in sys.stdin:
        told = json.loads(line)
        if "scenario" in told:
            ran[told["scenario"]] = SHOWN[told["outcome"]]
    if not ran:
        sys.exit("no scenario ran")
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
    head, cells = rows[0], {row[0]: row[1:] for row in rows[2:]}
    column = head.index(language) - 1
    made = {}
    for scenario, shown in ran.items():
        made[scenario] = list(cells.get(scenario, [""] * (len(head) - 1)))
        made[scenario][column] = shown
    if way == "write":
        lines = [head, ["---"] * len(head)] + [[name, *row] for name, row in made.items()]
        table = "".join("| " + " | ".join(line) + " |\n" for line in lines)
        PAGE.write_text(before + BEGIN + table + END + after)
    elif list(made.items()) != list(cells.items()):
        odd = [name for name in {**made, **cells} if made.get(name) != cells.get(name)]
        sys.exit(f"docs/languages/README.md says otherwise of {language}, in: {', '.join(odd) or 'the order'}; `table.py write` mends it")


main()
