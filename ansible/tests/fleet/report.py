"""The table of a run: what was shown, how long it took, what was measured."""

import time
from collections import defaultdict
from pathlib import Path


class Report:
    def __init__(self, fleet: str) -> None:
        self.fleet, self.scenario = fleet, ""
        self._rows: list[tuple[str, str, float]] = []
        self._said: defaultdict[str, list[str]] = defaultdict(list)

    def say(self, text: str) -> None:
        print(f"  {text}", flush=True)
        self._said[self.scenario].append(text)

    def add(self, name: str, outcome: str, seconds: float) -> None:
        self._rows.append((name, outcome, seconds))

    def write(self, path: Path, moment: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        day = time.strftime("%Y-%m-%d", time.gmtime(moment))
        lines = [f"Fleet `{self.fleet}`, {day}.", "", "| scenario | result | seconds | measured |", "| --- | --- | --- | --- |"]
        for name, outcome, seconds in self._rows:
            said = "; ".join(text.replace("\n", " ").replace("|", "/") for text in self._said[name])
            lines.append(f"| {name.removeprefix('test_').replace('_', ' ')} | {outcome} | {seconds:.0f} | {said} |")
        path.write_text("\n".join(lines) + "\n")
