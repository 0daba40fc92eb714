"""Runs cells through the Rust kernel and says what happens, one JSON object a line.

In, on standard input: {"folder": where the kernel starts, "cells": [{"source", "limit"}, ...],
"most": bytes of output that a cell may have, "go_on": whether a cell that failed is followed by
the next}.
Out, while it happens: {"cell": 0, "output": {...}} for each output, in Jupyter's own form, and
{"cell": 0, "status": "ok", "seconds": 1.2} at the end of each cell; other states are "error",
and "timeout", "excess" (of output) and "died", after which no cell follows. What is right or wrong
is not judged here.
"""

import json
import queue
import sys
import time

from jupyter_client.manager import KernelManager

START = 120  # seconds until a kernel must answer
LATE = 0.3  # seconds in which what a cell wrote to stderr may arrive after its end
LAST = ("timeout", "excess", "died")
KINDS = ("stream", "display_data", "execute_result", "error")


def say(**line):
    print(json.dumps(line), flush=True)


def message(get, seconds):
    """The next message, or None after `seconds`."""
    try:
        return get(timeout=seconds)
    except queue.Empty:
        return None


def run(manager, client, cell, work, most):
    asked = client.execute(work["source"], allow_stdin=False)
    started = time.monotonic()
    end, idle_at, written = started + work["limit"], None, 0
    # The clock is read before each message: a cell that never stops printing ends here too.
    while time.monotonic() < end:
        told = message(client.get_iopub_msg, 0.1)
        if told is None and not manager.is_alive():
            return "died", time.monotonic() - started
        if told is None or told["parent_header"].get("msg_id") != asked:
            continue
        kind, content = told["msg_type"], told["content"]
        if kind == "status" and content["execution_state"] == "idle":
            idle_at = time.monotonic()
            end = idle_at + LATE
        elif kind in KINDS:
            content.pop("transient", None)
            output = {"output_type": kind, **content}
            written += len(json.dumps(output))
            if written > most:
                return "excess", time.monotonic() - started
            say(cell=cell, output=output)
    if idle_at is None:
        return "timeout", time.monotonic() - started
    while reply := message(client.get_shell_msg, 10):
        if reply["parent_header"].get("msg_id") == asked:
            return reply["content"]["status"], idle_at - started
    return "died", idle_at - started


def main():
    job = json.load(sys.stdin)
    manager = KernelManager(kernel_name="rust")
    # Standard output belongs to this program's own lines.
    manager.start_kernel(cwd=job["folder"], stdout=sys.stderr)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=START)
        for cell, work in enumerate(job["cells"]):
            status, seconds = run(manager, client, cell, work, job["most"])
            say(cell=cell, status=status, seconds=seconds)
            if status in LAST or status != "ok" and not job["go_on"]:
                break
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


main()
