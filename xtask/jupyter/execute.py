"""Runs cells through the Rust kernel and says what happens, one JSON object a line.

In, on standard input: {"folder": where the kernel starts, "cells": [{"source", "limit"}, ...],
"go_on": whether a cell that failed is followed by the next}.
Out, while it happens: {"cell": 0, "output": {...}} for each output, in Jupyter's own form, and
{"cell": 0, "status": "ok", "seconds": 1.2} at the end of each cell; other states are "error",
"timeout" and "died". What is right or wrong is not judged here.
"""

import json
import queue
import sys
import time

from jupyter_client.manager import KernelManager

START = 120  # seconds until a kernel must answer
LATE = 0.3  # seconds in which what a cell wrote to stderr may arrive after its end
KINDS = ("stream", "display_data", "execute_result", "error")


def say(**line):
    print(json.dumps(line), flush=True)


def message(get, seconds):
    """The next message, or None after `seconds`."""
    try:
        return get(timeout=seconds)
    except queue.Empty:
        return None


def run(manager, client, cell, source, limit):
    asked = client.execute(source, allow_stdin=False)
    started = time.monotonic()
    status, idle_at = None, None
    while idle_at is None or time.monotonic() < idle_at + LATE:
        told = message(client.get_iopub_msg, 0.1)
        if told is None:
            if not manager.is_alive():
                return "died", time.monotonic() - started
            if idle_at is None and time.monotonic() > started + limit:
                return "timeout", time.monotonic() - started
            continue
        if told["parent_header"].get("msg_id") != asked:
            continue
        kind, content = told["msg_type"], told["content"]
        if kind == "status" and content["execution_state"] == "idle":
            idle_at = time.monotonic()
        elif kind in KINDS:
            content.pop("transient", None)
            say(cell=cell, output={"output_type": kind, **content})
    while status is None:
        reply = message(client.get_shell_msg, 10)
        if reply is None:
            return "died", idle_at - started
        if reply["parent_header"].get("msg_id") == asked:
            status = reply["content"]["status"]
    return status, idle_at - started


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
            status, seconds = run(manager, client, cell, work["source"], work["limit"])
            say(cell=cell, status=status, seconds=seconds)
            if status in ("timeout", "died") or status != "ok" and not job["go_on"]:
                break
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


main()
