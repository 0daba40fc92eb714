"""Stands in for Jupyter's client and a Rust kernel in tests of execute.py.

The source of a cell names the messages that it leads to, a key of CELLS. What never ends in a
kernel ends here after some seconds, so that a test of a faulty execute.py fails and does not hang.
"""

import queue
import time

EVER = 5  # seconds
PAUSE = 0.001  # seconds between two messages


def told(kind, parent="this cell", **content):
    return {"parent_header": {"msg_id": parent}, "msg_type": kind, "content": content}


def text(parent="this cell"):
    return told("stream", parent, name="stdout", text="again\n")


def idle():
    return told("status", execution_state="idle")


def for_ever(thing):
    end = time.monotonic() + EVER
    while time.monotonic() < end:
        yield thing()


def silent():
    yield from for_ever(lambda: None)
    yield idle()


def prints_for_ever():
    yield from for_ever(text)
    yield idle()


def another_cell_prints_for_ever():
    yield from for_ever(lambda: text("another cell"))
    yield idle()


def prints_twice():
    yield from (text(), text(), idle())


def prints_late():
    yield from (idle(), text())


def ends_and_prints_for_ever():
    yield idle()
    yield from for_ever(text)


CELLS = {
    "silent": silent,
    "prints for ever": prints_for_ever,
    "another cell prints for ever": another_cell_prints_for_ever,
    "prints twice": prints_twice,
    "prints late": prints_late,
    "ends, and prints for ever": ends_and_prints_for_ever,
}


class Client:
    def start_channels(self):
        pass

    def stop_channels(self):
        pass

    def wait_for_ready(self, timeout):
        pass

    def execute(self, source, allow_stdin):
        self.messages = CELLS[source]()
        return "this cell"

    def get_iopub_msg(self, timeout):
        message = next(self.messages, None)
        if message is None:
            time.sleep(timeout)
            raise queue.Empty
        time.sleep(PAUSE)
        return message

    def get_shell_msg(self, timeout):
        return told("execute_reply", status="ok")


class KernelManager:
    def __init__(self, kernel_name):
        pass

    def start_kernel(self, cwd, stdout):
        pass

    def client(self):
        return Client()

    def is_alive(self):
        return True

    def shutdown_kernel(self, now):
        pass
