import tempfile
import unittest
from pathlib import Path

import rows
from tests.made import load, row


class Rows(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "rows.jsonl"

    def test_what_is_written_is_read(self):
        written = [row("mosec", [load(30.0)]), row("ray", [], left_out="it does not start")]
        for one in written:
            rows.append(self.path, one)
        self.assertEqual(rows.read(self.path), written)

    def test_what_is_no_row_is_refused_with_its_line(self):
        rows.append(self.path, row("mosec", [load(30.0)]))
        for broken in ("{", "{}", '{"format": 1, "peer": "mosec"}', '{"format": 99}'):
            self.path.write_text(self.path.read_text().splitlines()[0] + "\n" + broken)
            with self.assertRaisesRegex(rows.Unreadable, "rows.jsonl:2: "):
                rows.read(self.path)

    def test_a_name_that_nobody_knows_any_more_is_refused_with_its_line(self):
        rows.append(self.path, row("mosec", [load(30.0)], photos="huge"))
        with self.assertRaisesRegex(rows.Unreadable, "rows.jsonl:1: nothing is known of 'huge'"):
            rows.read(self.path)
