"""This module gives a notebook its committed form and tells what is wrong with a cell that has run.

`python3 document.py FILE` fails with one sentence unless the file has that form and the outputs of
its cells. It needs nothing beside Python; execute.py runs notebooks.
"""

import base64
import hashlib
import itertools
import json
import re
import sys
from pathlib import Path

LARGEST = 1_000_000  # bytes; GitHub shows no notebook that is much larger
MOST = 10 * LARGEST  # bytes of output after which a cell is stopped
FIGURE = "has-figure"  # the tag of a cell that must show a figure
COLOUR = re.compile(r"\x1b\[[^m]*m")


def joined(text):
    """A text that a notebook holds as one string or as lines."""
    return "".join(text or [])


def lines(text):
    return re.findall(r"[^\n]*\n|[^\n]+", joined(text))


def tags(cell):
    return cell.get("metadata", {}).get("tags", [])


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def fingerprint(notebook):
    """The sha256 of what the kernel gets to see."""
    sources = [joined(cell["source"]) for cell in code_cells(notebook)]
    text = json.dumps(sources, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def ids(cells):
    """The ids that are there, and new ones for cells that have none or another cell's."""
    found = [cell.get("id") for cell in cells]
    fresh = (f"c{i:02}" for i in itertools.count(1))
    fresh = (name for name in fresh if name not in found)
    return [
        name if name and name not in found[:i] else next(fresh) for i, name in enumerate(found)
    ]


def picture(data):
    """What Jupyter wants to know of a PNG beside its bytes: the words for it, and its size, where two
    of its pixels make one of the page."""
    if "image/png" not in data:
        return {}
    start = base64.b64decode(joined(data["image/png"])[:32])  # 8 bytes, length, "IHDR", two sizes
    width, height = (int.from_bytes(start[i : i + 4]) // 2 for i in (16, 20))
    alt = joined(data.get("text/plain")).strip()
    return {"image/png": {"alt": alt, "height": height, "width": width}}


def tidy_outputs(outputs, count):
    """The outputs with neighbouring pieces of one stream as one, and texts as lists of lines."""
    tidied = []
    for output in outputs:
        output = dict(output)
        if output["output_type"] == "stream":
            last = tidied[-1] if tidied else {}
            if last.get("name") == output["name"]:
                last["text"] = lines(joined(last["text"]) + joined(output["text"]))
                continue
            output["text"] = lines(output["text"])
        else:
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
            output["metadata"] = picture(output.get("data", {}))
            data = output.get("data", {}).items()
            if data:
                texts = (str, list)
                output["data"] = {k: lines(v) if isinstance(v, texts) else v for k, v in data}
        tidied.append(output)
    return tidied


def tidy(notebook):
    """The notebook in the form that makes small diffs, whichever program wrote it: no timings,
    counts from 1, the same keys everywhere, and a note of which cells the outputs are of."""
    cells, count = [], 0
    for cell, name in zip(notebook["cells"], ids(notebook["cells"])):
        tidied = {
            "cell_type": cell["cell_type"],
            "id": name,
            "metadata": {"tags": tags(cell)} if tags(cell) else {},
            "source": lines(cell["source"]),
        }
        if cell["cell_type"] == "code":
            count += 1
            tidied["execution_count"] = count
            tidied["outputs"] = tidy_outputs(cell.get("outputs", []), count)
        cells.append(tidied)
    metadata = {
        "from-noise": {"outputs_of": fingerprint(notebook)},
        "kernelspec": {"display_name": "Rust", "language": "rust", "name": "rust"},
        "language_info": {"file_extension": ".rs", "mimetype": "text/rust", "name": "Rust"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def text(notebook):
    """The notebook as Jupyter itself writes it."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def write(notebook, path):
    written = text(tidy(notebook))
    size = len(written.encode())
    if size > LARGEST:
        raise ValueError(
            f"{path} would have {size} bytes and may have {LARGEST}: make its figures smaller"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(written)
    beside.rename(path)


def check_saved(path):
    """Says why the file is not as `write` leaves it with the outputs of its cells, or nothing."""
    found = path.read_text()
    notebook = json.loads(found)
    again = f"`cargo xtask notebook {re.split('[_-]', path.stem)[0]} --execute` runs and saves it"
    saved = notebook.get("metadata", {}).get("from-noise", {}).get("outputs_of")
    if saved != fingerprint(notebook):
        return f"its outputs are not those of its cells: {again}"
    if found != text(tidy(notebook)):
        return f"it is not as the runner leaves it: {again}"
    return None


def stream(cell, name):
    return "".join(joined(o["text"]) for o in cell["outputs"] if o.get("name") == name)


def shown(cell, kind):
    return [joined(output.get("data", {}).get(kind)) for output in cell["outputs"]]


def error(cell):
    """What evcxr says of a cell that does not compile or brought its process down."""
    errors = [output for output in cell["outputs"] if output["output_type"] == "error"]
    told = itertools.chain.from_iterable([o["evalue"], *o["traceback"]] for o in errors)
    plain = (COLOUR.sub("", line).strip() for line in told)
    return next(filter(None, plain), "it failed without a reason")


def complaint(cell, status, seconds):
    """What is wrong with a cell that ended with `status` (ok, error, timeout, excess or died), or
    nothing. evcxr calls a cell "ok" that panicked or ended at a `?`."""
    stderr = stream(cell, "stderr").strip()
    if "panicked at " in stderr:
        return " ".join(stderr[stderr.index("panicked at ") :].splitlines()[:2])
    if status != "ok":
        reasons = {
            "timeout": f"still running after {seconds:.0f} s",
            "excess": f"it puts out more than {MOST // 1_000_000} MB",
            "died": f"the kernel died {stderr}".strip(),
        }
        return reasons.get(status) or error(cell)
    if stderr:
        return f"it wrote to stderr, as a failed `?` does: {stderr}"
    if "()" in shown(cell, "text/plain"):
        return "it shows (): end it with a figure, or with a semicolon"
    kinds = [kind for output in cell["outputs"] for kind in output.get("data", {})]
    figure = any(kind.startswith("image/") for kind in kinds)
    if figure and FIGURE not in tags(cell):
        return "it shows a figure and is not tagged has-figure"
    if not figure and FIGURE in tags(cell):
        return "it is tagged has-figure and shows none"
    return None


if __name__ == "__main__":
    sys.exit(check_saved(Path(sys.argv[1])))
