"""What the timeline shows, as plain rows: who ran when, in which lane, and what to say about it.

Times are milliseconds since the start of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, cast

import pandas as pd

from stacknb.text.screen import seconds
from stacknb.text.signs import clipped
from stacknb.timing.recorded import RecordedRun

__all__ = ["MAIN_LANE", "Row", "Timeline", "records_of", "told_apart"]

Row = dict[str, Any]
MAIN_LANE = "main script"
_COMMAND = 120


def records_of(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a frame as dicts."""
    return cast(list[Row], frame.to_dict("records"))


def told_apart(tasks: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the name of each task, with a number where several have it; and all with numbers."""
    names, count = tasks["name"], tasks.groupby("name").cumcount() + 1
    numbered = names + " #" + count.astype(str)
    return names.where(~names.duplicated(keep=False), numbered), numbered


class Timeline:
    """The rows of a run's timeline.

    Parameters
    ----------
    run : Run
    most : int
        How many tasks (and waits) are shown, at the most: those on the critical path, those that
        did not end well, then the longest.
    """

    def __init__(self, run: RecordedRun, most: int) -> None:
        self.run, self.most = run, most
        self.whole_ms = run.records.elapsed / 1e3  # pauses, too
        self.path = self._timed(run.critical_path())
        tasks = self._timed(run.tasks[run.tasks["start"].notna()])
        tasks["lane"], numbered = told_apart(tasks)
        # A task may be called what the lane of the main script is called.
        tasks["lane"] = tasks["lane"].where(tasks["lane"] != MAIN_LANE, numbered)
        # Of a task that is lost nobody knows the end: a mark at its start.
        is_lost = tasks["end"].isna() & (tasks["status"] != "running").astype(bool)
        tasks["stop"] = tasks["stop"].mask(is_lost, tasks["begin"])
        self.count = len(tasks)
        self._every = tasks
        on_path = {lane for lane in self._path_lanes if lane}
        tasks["critical"] = tasks["lane"].isin(on_path)
        self.tasks = self._chosen()

    @property
    def lanes(self) -> list[str]:
        """The lanes from top to bottom."""
        return [MAIN_LANE, *self.tasks["lane"]]

    def rows(self) -> list[Row]:
        """Return every mark but the phases and the critical path."""
        return [*self._main_rows(), *self._task_rows(), *self._wait_rows(), *self._slack_rows()]

    def _main_rows(self) -> Iterator[Row]:
        """Yield what the main script did: its own work, then hooks and cells on top of it."""
        said = self.run.records
        if said.kind == "stack.sh" and said.main_start is not None and said.start is not None:
            begin = (said.main_start - said.start) / 1e3
            end = ((said.main_end or said.main_start) - said.start) / 1e3
            yield self._row(MAIN_LANE, "main script", begin, end, {"name": "stack.sh"})
        hooks = pd.concat([self.run.hooks, self.run.cells]).rename(columns={"hook": "name"})
        spans = zip(said.hooks, said.hook_spans(), strict=True)
        in_order = sorted(spans, key=lambda pair: pair[0].is_cell)
        for row, (_, span) in zip(records_of(hooks), in_order, strict=True):
            if span is not None:
                kind = "hook" if row["status"] in {"ok", "running", "lost"} else "hook failed"
                begin, end = ((time - (said.start or 0)) / 1e3 for time in span)
                yield self._row(MAIN_LANE, kind, begin, end, {**row, "command": row["path"]})

    def _task_rows(self) -> Iterator[Row]:
        """Yield one row a task."""
        for row in records_of(self.tasks):
            kind = f"task {row['status']}"
            yield self._row(row["lane"], kind, row["begin"], row["stop"], row)

    def _wait_rows(self) -> Iterator[Row]:
        """Yield each wait in the lane of the main script, and what it saw of its task in that."""
        waits = self._timed(self.run.waits, "wait_start", "wait_end")
        if len(waits) > self.most:
            waits = waits.loc[(waits["begin"] - waits["stop"]).nsmallest(self.most).index]
        for row in records_of(waits.sort_index()):
            said = {key: row[key] for key in ("phase", "hook")}
            said |= {"name": f"wait for {row['name']}"}
            yield self._row(MAIN_LANE, "wait", row["begin"], row["stop"], said)
        held = self.tasks[self.tasks["wait_start"].notna()]
        for row, begin in zip(records_of(held), self._ms(held["wait_start"]), strict=True):
            if begin < row["stop"]:
                said = {"name": row["name"], "status": "waited for"}
                yield self._row(row["lane"], "wait", begin, row["stop"], said)

    def _slack_rows(self) -> Iterator[Row]:
        """Yield how long each finished task lay uncollected."""
        late = self.tasks[self.tasks["slack_s"] > 0]
        for row, end in zip(records_of(late), self._ms(late["wait_start"]), strict=True):
            said = {"name": row["name"], "status": "over, not collected yet"}
            yield self._row(row["lane"], "uncollected", row["stop"], end, said)

    def path_rows(self) -> tuple[list[Row], list[Row]]:
        """Return the segments of the critical path, and the steps from lane to lane."""
        segments: list[Row] = []
        steps: list[Row] = []
        shown = set(self.lanes)
        begins, ends = self.path["begin"], self.path["stop"]
        for lane, begin, end in zip(self._path_lanes, begins, ends, strict=True):
            lane = lane if lane in shown else MAIN_LANE
            last = segments[-1] if segments else None
            if last and last["lane"] == lane:
                last["to"] = _rounded(end)
                continue
            if last:
                steps.append({"lane": last["lane"], "other": lane, "at": _rounded(begin)})
            segments.append({"lane": lane, "from": _rounded(begin), "to": _rounded(end)})
        return segments, steps

    def phase_rows(self) -> list[Row]:
        """Return the phases, every second one darker, with what of its name has room."""
        return [
            {
                "phase": row["phase"],
                "from": _rounded(row["begin"]),
                "to": _rounded(row["stop"]),
                "shade": 0.16 if index % 2 else 0.09,
                "lasts": _told(row["duration_s"]),
                "works": _told(row["work_s"]),
                "waits": _told(row["wait_s"]),
            }
            for index, row in enumerate(records_of(self._timed(self.run.phases)))
        ]

    @cached_property
    def _path_lanes(self) -> list[str]:
        by_name: dict[str, list[Row]] = {}
        for row in records_of(self._every[["name", "lane", "stop", "begin"]]):
            by_name.setdefault(row["name"], []).append(row)
        lanes = []
        for kind, name, begin in self.path[["kind", "name", "begin"]].itertuples(index=False):
            same = by_name.get(name, []) if kind in {"task", "queued"} else []
            held = [row for row in same if row["begin"] <= begin + 0.001 and begin < row["stop"]]
            chosen = held or same
            lanes.append(chosen[0]["lane"] if chosen else MAIN_LANE)
        return lanes

    def _chosen(self) -> pd.DataFrame:
        if self.count <= self.most:
            return self._every
        dull = self._every["status"].isin({"ok", "running"})
        rank = pd.DataFrame(
            {
                "ordinary": ~self._every["critical"] & dull,
                "length": self._every["begin"] - self._every["stop"],
            }
        )
        kept = rank.sort_values(["ordinary", "length"], kind="stable").index[: self.most]
        return self._every.loc[kept].sort_index()

    def _timed(self, frame: pd.DataFrame, start: str = "start", end: str = "end") -> pd.DataFrame:
        """Return a frame with ``begin`` and ``stop``; what has no end lasts to that of the run."""
        begin, stop = self._ms(frame[start]), self._ms(frame[end])
        return frame.assign(begin=begin, stop=stop.fillna(self.whole_ms))

    def _ms(self, times: pd.Series) -> pd.Series:
        return (times - self.run.start).dt.total_seconds() * 1000

    def _row(self, lane: str, kind: str, begin: float, end: float, said: Row) -> Row:
        """Return one mark with what a pointer on it is told; what is not known is left out."""
        row = {
            "lane": lane,
            "kind": kind,
            "from": _rounded(begin),
            "to": _rounded(end),
            "lasts": seconds((end - begin) / 1000),
            "command": clipped(said.get("command", ""), _COMMAND),
            **{key: said.get(key, "") for key in ("name", "phase", "hook", "status")},
        }
        for key, column in (("waits", "wait_s"), ("uncollected", "slack_s"), ("cpu", "cpu_s")):
            row[key] = _told(said.get(column, float("nan")))
        return {key: value for key, value in row.items() if value != ""}


def _told(duration_s: float) -> str:
    return seconds(duration_s) if duration_s == duration_s else ""  # what is not known is NaN


def _rounded(ms: float) -> float:
    return round(float(ms), 3)
