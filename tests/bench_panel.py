"""What the live panel costs: a run of 200 tasks in a real kernel, with the panel and without.

Part of ``make bench``; alone: ``python tests/bench_panel.py``.
"""

from __future__ import annotations

import ast
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

RUNS = 5
TASKS = 200
HOOK = f"""
talk() {{ for n in 1 2 3 4 5 6; do echo "line $n"; sleep 0.5; done; }}
if [[ $2 == install ]]; then
    for ((i = 0; i < {TASKS}; i++)); do async_run t$i talk; done
elif [[ $2 == extra ]]; then
    for ((i = 0; i < {TASKS}; i++)); do async_wait t$i; done
fi
"""
ONCE = """
import time, stacknb
from stacknb import widgets
def once(panel):
    with stacknb.Stack("tree") as stack:
        begun, cpu = time.perf_counter(), time.process_time()
        if panel:
            shown = widgets.Panel(stack)
            shown.show()
        stack.start(stack.run).wait()
        took, cpu = time.perf_counter() - begun, time.process_time() - cpu
        if panel:
            shown.settle()
            shown.close()
        return took, cpu
"""


class Kernel:
    """A kernel; counts what it sends to the page."""

    def __init__(self, folder: Path) -> None:
        self.messages = self.bytes = 0
        self._manager = KernelManager(kernel_name="python3")
        self._manager.transport = "ipc"
        self._manager.start_kernel()
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self.run(f"import os; os.chdir({str(folder)!r})")

    def run(self, code: str) -> str:
        asked = self._client.execute(code)
        text = ""
        while True:
            message: dict[str, Any] = self._client.get_iopub_msg(timeout=300)
            kind, content = message["msg_type"], message["content"]
            if kind in ("comm_open", "comm_msg", "display_data", "update_display_data"):
                self.messages += 1
                self.bytes += len(json.dumps(content, ensure_ascii=False).encode())
            if kind == "error":
                raise RuntimeError("\n".join(content["traceback"]))
            if kind == "stream":
                text += content["text"]
            own = message["parent_header"].get("msg_id") == asked
            if own and kind == "status" and content["execution_state"] == "idle":
                return text

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        extras = Path(name) / "tree" / "extras.d"
        extras.mkdir(parents=True)
        (extras / "50-tasks.sh").write_text(HOOK)
        kernel = Kernel(Path(name))
        try:
            kernel.run(ONCE)
            kernel.run("once(True)")  # what is imported and opened first is no cost of a run
            kernel.messages = kernel.bytes = 0
            pairs = [
                [ast.literal_eval(kernel.run(f"print(once({panel}))")) for panel in (False, True)]
                for _ in range(RUNS)
            ]
        finally:
            kernel.close()
    ratio = statistics.median(with_it[0] / without[0] for without, with_it in pairs)
    share = statistics.median((with_it[1] - without[1]) / with_it[0] for without, with_it in pairs)
    took = statistics.median(without[0] for without, _ in pairs)
    print(
        f"a run of {TASKS} tasks that print, {took:.1f} s: with the panel {ratio:.3f} times as "
        f"long (limit 1.05), {100 * share:.1f} % of one core for it (limit 3 %), "
        f"{kernel.bytes / RUNS / 1000:.0f} kB in {kernel.messages / RUNS:.0f} messages to the page"
    )


if __name__ == "__main__":
    main()
