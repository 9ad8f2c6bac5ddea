"""One recorded run as frames and figures, and what held it up: all that pictures read."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from stacknb.text.screen import counted, seconds
from stacknb.timing import frames
from stacknb.timing.advice import advice, advice_frame
from stacknb.timing.collection import Collection, blocked, collections
from stacknb.timing.contention import Contention, contention
from stacknb.timing.critical import Segment, critical_path, impact_frame, path_frame
from stacknb.timing.pauses import Stopwatch
from stacknb.timing.program import Program, program
from stacknb.timing.records import Records
from stacknb.timing.spans import Cover
from stacknb.timing.summary import summary

__all__ = ["RecordedRun"]

_WORTH_S = 0.1  # of a pause that is worth a word: a run that is gone through by a program has some


class RecordedRun:
    """What the logs of one run say. `Run` adds the pictures, which know this class.

    Attributes
    ----------
    records : Records
        What the logs say, before any arithmetic.
    """

    def __init__(self, records: Records) -> None:
        self.records = records

    def __repr__(self) -> str:
        said = self.records
        state = "going on" if said.going_on else "over"
        return (
            f"<Run {said.path!r}, {state}, {seconds(self.elapsed_s)}, "
            f"{counted(len(said.phases), 'phase')}, {counted(len(said.hooks), 'hook')}, "
            f"{counted(len(said.tasks), 'task')}>"
        )

    @property
    def path(self) -> str:
        """What was read."""
        return self.records.path

    @property
    def going_on(self) -> bool:
        """Whether something still runs; every total is then one so far."""
        return self.records.going_on

    @property
    def start(self) -> pd.Timestamp:
        """First moment known, UTC; NaT if there is none."""
        return pd.Timestamp(frames.instants([self.records.start])[0])

    @property
    def end(self) -> pd.Timestamp:
        """Last moment known, UTC: of a run that goes on, now, or the last line of its log."""
        return pd.Timestamp(frames.instants([self.records.end])[0])

    @property
    def elapsed_s(self) -> float:
        """Seconds from `start` to `end`, without those in which the run stood still."""
        return self._timed.elapsed / 1e6

    @property
    def paused_s(self) -> float:
        """Seconds in which the run stood still: stopped, and not yet taken up again.

        That is from where it failed, was interrupted or was to stop, to the next hook, as far as no
        task ran. No other length counts them, be it of a phase, a wait or the critical path.
        """
        return self._watch.paused.length / 1e6

    @property
    def stood_still(self) -> str:
        """Say how long the run stood still, where that is worth a word; else empty."""
        return seconds(self.paused_s) if self.paused_s >= _WORTH_S else ""

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """One row a task, in the order of their starts.

        ``name command phase hook status exit_code start end duration_s wait_start wait_end wait_s
        hidden_s slack_s cpu_s host log``. ``duration_s`` is from start to end; ``wait_s`` the time
        spent in waits for it (showing its log included, where the log of the run does), those of
        other tasks if the main shell never waited for it; ``hidden_s`` the part of the duration
        that no wait of the main shell for it saw; ``slack_s`` how long the finished task lay
        uncollected, 0 if the wait came first, NaN if it was never collected. ``cpu_s`` is without
        that of tasks that the task started itself and that have rows of their own.
        ``phase`` is the one that had last begun when the task was started, ``hook`` the hook that
        started it, if any. ``status`` is running, ok, failed, killed, cancelled, timeout or lost.
        """
        return frames.tasks(self.records, self._watch, self._collections)

    @cached_property
    def hooks(self) -> pd.DataFrame:
        """One row a hook and phase, in order.

        ``phase hook path status exit_code start end duration_s work_s wait_s share cpu_s host
        log``.
        ``wait_s`` is the part of the duration spent in waits for tasks, ``work_s`` the rest,
        ``share`` the hook's part of its phase.
        """
        return frames.hooks(self.records, self._watch, self._waiting)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a notebook cell evaluated in the shell; columns as in `hooks`."""
        return frames.hooks(self.records, self._watch, self._waiting, cells=True)

    @cached_property
    def phases(self) -> pd.DataFrame:
        """One row a phase, in order.

        ``phase start end duration_s work_s wait_s unaccounted_s waited_for hooks tasks after_s
        after_wait_s``.
        A phase lasts from the start of its first hook (in stack.sh: of run_phase) to the end of its
        last, without what it stood still. ``work_s + wait_s + unaccounted_s`` is ``duration_s``:
        hooks at work, waits for tasks (``waited_for`` names them, longest first), and what lies
        between hooks. ``after_s`` is the time from there to the next phase, in stack.sh the main
        script's, of which it waited for tasks ``after_wait_s``. A phase without an end is measured
        up to the last moment known. ``tasks`` counts those started in the phase or after it, before
        the next.
        """
        return frames.phases(self.records, self._watch, self._waiting)

    @cached_property
    def waits(self) -> pd.DataFrame:
        """One row a wait, in the order they began.

        ``name phase hook wait_start wait_end wait_s blocked_s exit_code by``. ``blocked_s`` is the
        part of the wait before the task had ended. ``by`` names the task that waited: such a wait
        holds up no hook. It is empty for the main shell.
        """
        held = [blocked(self._timed, wait) for wait in self._timed.all_waits]
        return frames.waits(self.records, self._watch, held)

    @cached_property
    def problems(self) -> pd.DataFrame:
        """What could not be understood or believed: ``problem count example``; empty if all was."""
        return frames.problems(self.records)

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The four frames by name: tasks, hooks, phases, waits."""
        return {
            "tasks": self.tasks,
            "hooks": self.hooks,
            "phases": self.phases,
            "waits": self.waits,
        }

    def summary(self) -> pd.Series:
        """Return the figures of the whole run, seconds unless told otherwise.

        DevStack's, by its formula: ``background_s``, the durations of all tasks that the main shell
        collected; ``waited_s``, its time in waits; ``background_minus_waits_s``, the first figure
        stack.sh prints; ``elapsed_s``; ``serial_s = elapsed_s + background_minus_waits_s``;
        ``speedup = serial_s / elapsed_s``. A wait that has no end, or whose task's duration is not
        known, is in ``waited_s`` and in nothing else.

        The honest ones: ``paused_s``, when the run stood still, which is in none of the others;
        ``work_s``, all work done: ``main_work_s`` (hooks, or stack.sh, without waits) and
        ``task_work_s`` (tasks, without their waits for others); ``busy_s``, when anything was at
        work; ``max_concurrency`` and ``mean_concurrency``, of tasks, while any ran;
        ``cpu_s`` used and ``cpu_available_s``, cores times elapsed; ``contention_s``, by how much
        tasks and hooks were stretched at the most by sharing the cores (see `Contention`);
        ``real_speedup = (work_s - contention_s) / elapsed_s``, the least that background tasks
        gained. NaN where the logs hold no CPU times or cores, and for DevStack's where nothing
        tells of waits.

        Examples
        --------
        >>> sorted(run.summary().index)[:2]
        ['background_minus_waits_s', 'background_s']
        """
        return summary(self._timed, self._collections, self._contention)

    def critical_path(self) -> pd.DataFrame:
        """Return the chain of segments that set the elapsed time: shorten one to shorten the run.

        ``kind name phase start end duration_s share log``, in order, without gaps, from `start` to
        `end`, but for those in which the run stood still. ``kind`` is ``hook`` or ``cell`` (at
        work), ``main`` (stack.sh itself), ``task``, ``wait`` (one whose task does not explain it:
        it timed out, or its start is not known), ``queued`` (a task that had been asked for and had
        to wait its turn; the task it had to come after, or that left it a place where ``--jobs``
        had none free, comes before), ``idle`` (between hooks), ``unknown``.

        Examples
        --------
        >>> path = run.critical_path()
        >>> bool(abs(path["duration_s"].sum() - run.elapsed_s) < 1e-6)
        True
        """
        return path_frame(self._watch, self._critical)

    def impact(self) -> pd.DataFrame:
        """Return what each task did to the run, most harmful first.

        ``name phase status duration_s blocked_s hidden_s slack_s critical_s shrink_s log``:
        ``blocked_s`` is how long waits for it held up the main shell, ``critical_s`` its part of
        the critical path, ``shrink_s`` by how much the run would be shorter if it took no time and
        all else as long as recorded.

        Examples
        --------
        >>> run.impact()["name"].tolist()
        ['stock']
        """
        program = self._program if self._critical else Program(0, 0)
        return impact_frame(self._timed, self._collections, self._critical, program)

    def advice(self) -> pd.DataFrame:
        """Return what to change, the most useful first: ``kind name phase hook gain_s advice``.

        ``kind`` is ``never waited for`` (a task), ``never started`` (a name waited for), ``wait
        later`` (a wait that holds up the run), ``make it a task`` (a hook at work in the
        foreground) or ``contention``. ``gain_s`` is how much shorter the replayed run is with the
        change, 0 where the advice is not about speed. ``advice`` says it in words. Only the
        longest waits and hooks are tried; what gains less than 1 % or 0.1 s is not told.

        Examples
        --------
        >>> run.advice().columns.tolist()
        ['kind', 'name', 'phase', 'hook', 'gain_s', 'advice']
        """
        if self.records.start is None:
            return advice_frame([])
        return advice_frame(advice(self._timed, self._program, self._collections, self._contention))

    @property
    def reported(self) -> dict[str, float]:
        """What stack.sh itself printed at its end: its async summary and component timing."""
        return {**self.records.reported, **self.records.components}

    @cached_property
    def _watch(self) -> Stopwatch:
        return Stopwatch(self.records)

    @property
    def _timed(self) -> Records:
        """The records by a watch that stands still while the run does: for all lengths."""
        return self._watch.records

    @cached_property
    def _collections(self) -> list[Collection]:
        return collections(self._timed)

    @cached_property
    def _waiting(self) -> Cover:
        return Cover((wait.start, self._timed.until(wait)) for wait in self._timed.waits)

    @cached_property
    def _contention(self) -> Contention | None:
        return contention(self._timed)

    @cached_property
    def _critical(self) -> list[Segment]:
        return critical_path(self._timed)

    @cached_property
    def _program(self) -> Program:
        return program(self._timed)
