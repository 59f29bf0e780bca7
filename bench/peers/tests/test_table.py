import dataclasses
import unittest
import xml.etree.ElementTree as xml

import figure
import plan
import table
from medians import medians
from tests.made import MACHINE, load, row


class Tables(unittest.TestCase):
    def test_repeats_are_told_by_their_median(self):
        measured = medians([row("mosec", [load(rate)], repeat=number) for number, rate in enumerate([30, 90, 33], 1)])
        self.assertEqual([one.median_rate(8) for one in measured], [33])

    def test_of_two_ways_to_connect_the_one_that_did_better_is_told_and_said(self):
        loads = [load(20.0), load(35.0, connections="fresh")]
        text = table.markdown([row("fastapi", loads), row("mosec", [load(34.0)])])
        self.assertIn("| FastAPI by hand ¹ | 35.0 |", text)
        self.assertIn("| mosec | 34.0 |", text)

    def test_ours_is_held_against_the_best_peer_of_each_file(self):
        rows = [
            row("manyeyes", [load(90.0)]),
            row("manyeyes", [load(180.0)], file="int8"),
            row("mosec", [load(30.0)]),
            row("fastapi", [load(36.0)]),
            row("fastapi", [load(45.0)], file="int8"),
            row("bare", [{"images_per_s": 99.0, "decoding_ms": 3.0, "inference_ms": 20.0}]),
        ]
        lines = [line for line in table.markdown(rows).splitlines() if line.startswith("| about 100 kB")]
        self.assertEqual(
            lines,
            [
                "| about 100 kB | the published f32 file | the published f32 file | 2.50 |  | FastAPI by hand |",
                "| about 100 kB | the int8 file | the published f32 file | 5.00 |  | FastAPI by hand |",
                "| about 100 kB | the int8 file | the int8 file | 4.00 |  | FastAPI by hand |",
            ],
        )

    def test_peers_with_draft_decoding_are_a_comparison_of_their_own(self):
        rows = [
            row("manyeyes", [load(60.0)], photos=plan.PHONE),
            row("mosec", [load(10.0)], photos=plan.PHONE),
            row("mosec", [load(30.0)], photos=plan.PHONE, draft=True),
        ]
        text = table.markdown(rows)
        self.assertIn("| the published f32 file | 6.00 |", text)
        self.assertIn("| the published f32 file, draft decoding | 2.00 |", text)

    def test_who_was_left_out_is_named_with_the_reason(self):
        text = table.markdown([row("mosec", [load(30.0)]), row("ray", [], left_out="it does not install")])
        self.assertIn("- Ray Serve, f32, small photos: it does not install", text)
        self.assertNotIn("| Ray Serve", text)

    def test_answers_that_were_none_are_counted_where_the_reader_looks_first(self):
        text = table.markdown([row("mosec", [load(30.0, wrong={"503": 4})])])
        self.assertIn("4 requests were not answered rightly", text)

    def test_figures_of_an_idle_class_say_that_they_are_not_for_comparison(self):
        text = table.markdown(
            [dataclasses.replace(row("mosec", [load(30.0)]), machine={**MACHINE, "scheduling": "idle"})]
        )
        self.assertIn("Not for comparison", text)

    def test_where_peers_let_integers_overflow_it_is_said(self):
        exact = {**MACHINE, "instructions": ["avx2", "avx512_vnni"]}
        told = lambda one: "overflow" in table.markdown([one])
        self.assertTrue(told(row("mosec", [load(30.0)], file="int8")))
        self.assertFalse(told(row("mosec", [load(30.0)])))
        self.assertFalse(told(dataclasses.replace(row("mosec", [load(30.0)], file="int8"), machine=exact)))

    def test_the_figure_has_a_bar_for_each_service_and_file(self):
        rows = [row("mosec", [load(30.0)]), row("mosec", [load(40.0)], file="int8"), row("fastapi", [load(35.0)])]
        drawn = xml.fromstring(figure.svg(medians(rows)))
        bars = [
            float(bar.get("width"))
            for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")
            if bar.get("x") == str(figure.LABELS)
        ]
        bars = [width for width in bars if width != 12]  # the legend's
        self.assertEqual([round(width / max(bars), 3) for width in bars], [0.75, 1.0, 0.875])
