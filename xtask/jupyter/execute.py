"""This program runs notebooks through the Rust kernel, without a window.

`execute.py FILE TO FOLDER` runs all cells of FILE with FOLDER as the kernel's working directory and
saves the notebook with its outputs as TO; it fails with one line for each cell that is not as it
should be. `execute.py --broken FOLDER` fails unless each fault of broken.toml is seen.
"""

import asyncio
import json
import os
import sys
import time
import tomllib
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

import document

START = 120  # seconds until a kernel must answer
FIRST = 3600  # seconds for the first cell, in which the crate and torch-sys may have to compile
OTHER = 120  # seconds for any other cell: a reader waits for it, on a slower machine than this
CLOSED_PIPE = 141  # the exit code that says that nobody reads what is printed any more
LATE = 0.3  # seconds in which what a cell wrote to stderr may arrive after its end


class Client(NotebookClient):
    """Stops a cell that puts out too much, and waits a moment for outputs after a cell's end."""

    written = 0
    ended = None

    async def _async_poll_output_msg(self, *cell):
        self.written, self.ended = 0, None
        await super()._async_poll_output_msg(*cell)
        self.ended = time.monotonic()
        try:
            await asyncio.wait_for(super()._async_poll_output_msg(*cell), LATE)
        except asyncio.TimeoutError:
            pass

    def output(self, *message):
        output = super().output(*message)
        self.written += len(json.dumps(output))
        if self.written > document.MOST:
            self.task_poll_for_reply.cancel()
        return output


def run(name, cells, limits, folder, goes_on):
    """Runs the cells in one fresh kernel, gives them their outputs, and returns how each ended."""
    print(name, flush=True)
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = Client(notebook, kernel_name="rust", startup_timeout=START)
    client.shutdown_kernel = "immediate"
    ends = []
    # Standard error is for what is wrong with the notebook alone.
    with client.setup_kernel(cwd=folder, stderr=sys.stdout):
        for index, (cell, client.timeout) in enumerate(zip(cells, limits)):
            started, status, client.ended = time.monotonic(), "ok", None
            try:
                client.execute_cell(cell, index)
            except CellExecutionError:
                status = "error"
            except CellTimeoutError:
                status = "timeout"
            except DeadKernelError:
                status = "excess" if client.written > document.MOST else "died"
            seconds = (client.ended or time.monotonic()) - started
            ends.append((status, seconds))
            failed = "" if status == "ok" else ", FAILED"
            print(f"  cell {index + 1}: {duration(seconds)}{failed}", flush=True)
            if status not in ("ok", "error") or status == "error" and not goes_on:
                break
    return ends


def duration(seconds):
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60 // 1:02.0f} s"


def complaints(cells, ends):
    """One line for each cell that is not as it should be; what follows a failure has not run."""
    for number, (cell, end) in enumerate(zip(cells, ends), 1):
        if told := document.complaint(cell, *end):
            yield f"cell {number}: {told}"


def execute(path, to, folder):
    notebook = nbformat.read(path, as_version=4)
    cells = document.code_cells(notebook)
    limits = [FIRST] + [OTHER] * len(cells)
    ends = run(path.name, cells, limits, folder, goes_on=False)
    told = [f"{path.name}, {complaint}" for complaint in complaints(cells, ends)]
    if not told:
        document.write(notebook, to)
    return "\n".join(told) or None


def check_broken(folder):
    page = tomllib.loads(Path(__file__).with_name("broken.toml").read_text())
    count = 0
    for notebook in page["notebook"]:
        wanted = notebook["cell"]
        cells = [nbformat.v4.new_code_cell(cell["source"]) for cell in wanted]
        for cell, is_figure in zip(cells, (cell.get("figure") for cell in wanted)):
            cell.metadata.tags = [document.FIGURE] if is_figure else []
        limits = [OTHER] * (len(cells) - 1) + [notebook["seconds"]]
        ends = run(notebook["name"], cells, limits, folder, goes_on=True)
        if len(ends) != len(cells):
            return f"{len(ends)} of {len(cells)} cells ran"
        for cell, end, expected in zip(cells, ends, (cell.get("complaint") for cell in wanted)):
            found = document.complaint(cell, *end)
            if (expected is None) != (found is None) or (expected or "") not in (found or ""):
                told = f"should have led to {expected!r}, and the runner says {found!r}"
                return f"`{cell.source}` {told}"
        count += len(cells)
    print(f"  each of {count} broken cells is seen for what it is")
    return None


if __name__ == "__main__":
    try:
        if sys.argv[1] == "--broken":
            sys.exit(check_broken(sys.argv[2]))
        sys.exit(execute(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
    except BrokenPipeError:  # `... | head -1`: Python's own last flush must not complain either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(CLOSED_PIPE)
    except (RuntimeError, ValueError) as error:
        sys.exit(str(error))
