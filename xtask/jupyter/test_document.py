"""Tests of document.py: `python3 -m unittest discover xtask/jupyter`."""

import base64
import json
import tempfile
import unittest
from pathlib import Path

import document


def code(source, outputs=(), **more):
    return {"cell_type": "code", "source": source, "outputs": list(outputs), **more}


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def result(**data):
    return {
        "output_type": "execute_result",
        "data": {kind.replace("_", "/"): text for kind, text in data.items()},
        "metadata": {"took": 3},
    }


def png(width, height):
    """The start of a PNG of that size."""
    sizes = width.to_bytes(4) + height.to_bytes(4)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + sizes + bytes(9)).decode()


PNG = png(1160, 640)


class Form(unittest.TestCase):
    def test_whichever_program_wrote_it_the_form_is_one(self):
        outputs = [stream("a\nb"), stream(["c"]), result(text_plain="1\n2")]
        tagged = {"tags": ["has-figure"]}
        timed = {"execution": {"iopub.status.busy": "2026"}, "tags": ["has-figure"]}
        title = {"cell_type": "markdown", "source": "# T", "metadata": {"scrolled": True}}
        lab = [
            {**title, "id": "a1"},
            code("let a = 1;\na", outputs, execution_count=17, id="a1", metadata=timed),
        ]
        ours = [
            {"cell_type": "markdown", "source": ["# T"], "id": "a1"},
            code(["let a = 1;\n", "a"], outputs, id="c01", metadata=tagged),
        ]
        tidied = document.tidy({"cells": lab})
        self.assertEqual(document.text(tidied), document.text(document.tidy({"cells": ours})))
        self.assertEqual(document.text(tidied), document.text(document.tidy(tidied)))
        title, cell = tidied["cells"]
        self.assertEqual(title["metadata"], {})
        self.assertEqual(cell["metadata"], tagged)
        self.assertEqual(cell["outputs"][0]["text"], ["a\n", "bc"])
        self.assertEqual(cell["outputs"][1]["execution_count"], 1)
        self.assertEqual(cell["outputs"][1]["data"], {"text/plain": ["1\n", "2"]})

    def test_a_picture_is_shown_at_half_its_pixels_and_said_in_words(self):
        output = result(image_png=PNG, text_plain="a curve\n")
        tidied = document.tidy({"cells": [code("figure", [output])]})
        seen = tidied["cells"][0]["outputs"][0]
        wanted = {"image/png": {"alt": "a curve", "width": 580, "height": 320}}
        self.assertEqual(seen["metadata"], wanted)
        self.assertEqual(document.text(tidied), document.text(document.tidy(tidied)))

    def test_outputs_belong_to_their_cells(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "new", "ch07_x.ipynb")
            document.write({"cells": [code("1 + 1", [stream("2\n")])]}, path)
            self.assertIsNone(document.check_saved(path))
            written = path.read_text()
            theirs = "not those of its cells: `cargo xtask notebook ch07 --execute`"
            for found, reason in [
                (written.replace("1 + 1", "1 + 2"), theirs),
                (written.replace('"execution_count": 1', '"execution_count": 4'), "as the runner"),
                (json.dumps({"cells": []}), "not those of its cells"),
            ]:
                path.write_text(found)
                self.assertIn(reason, document.check_saved(path))

    def test_what_is_too_large_is_not_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "ch01.ipynb")
            with self.assertRaisesRegex(ValueError, "smaller"):
                document.write({"cells": [code("1", [stream("x" * document.LARGEST)])]}, path)
            self.assertFalse(path.exists())


class Complaint(unittest.TestCase):
    def test_each_fault_has_its_complaint(self):
        panic = "thread '<unnamed>' panicked at src/lib.rs:3:5:\nshapes [2] and [3]\nstack:"
        panicked = "panicked at src/lib.rs:3:5: shapes [2] and [3]"
        parse = "ParseIntError { kind: InvalidDigit }"
        picture = result(image_png=[PNG])
        failed = {
            "output_type": "error",
            "evalue": "",
            "traceback": ["", "\x1b[31mno such thing\x1b[0m: x"],
        }
        for status, figure, outputs, told in [
            ("ok", False, [stream(panic, "stderr")], panicked),
            ("error", False, [stream(panic, "stderr")], panicked),
            ("ok", False, [stream(parse, "stderr")], parse),
            ("ok", True, [picture], None),
            ("ok", True, [], "shows none"),
            ("ok", True, [result(text_html="<table>")], "shows none"),
            ("ok", False, [picture], "not tagged"),
            ("ok", False, [stream(["<img "])], None),
            ("ok", False, [result(text_plain="()")], "semicolon"),
            ("ok", False, [result(text_plain="(1, 2)")], None),
            ("error", False, [failed], "no such thing: x"),
            ("error", False, [], "it failed without a reason"),
            ("timeout", False, [], "still running after 3 s"),
            ("excess", False, [], "it puts out more than 10 MB"),
            ("died", True, [], "the kernel died"),
        ]:
            with self.subTest(status=status, outputs=outputs):
                metadata = {"tags": [document.FIGURE] if figure else []}
                found = document.complaint(code("", outputs, metadata=metadata), status, 3.0)
                self.assertEqual(told is None, found is None, found)
                self.assertIn(told or "", found or "")
