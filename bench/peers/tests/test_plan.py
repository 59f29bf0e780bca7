import unittest

import plan
from peers import PEERS


class Plans(unittest.TestCase):
    def test_repeats_take_turns_and_each_begins_with_another(self):
        cells = plan.cells(("mosec", "fastapi"), (plan.SMALL,), ("f32",))
        order = [(repeat, cell.peer) for repeat, cell in plan.turns(cells, 2)]
        self.assertEqual(order, [(1, "mosec"), (1, "fastapi"), (2, "fastapi"), (2, "mosec")])

    def test_in_each_repeat_everybody_has_one_turn(self):
        cells = plan.cells(None, plan.PHOTOS, plan.FILES)
        for repeat in range(1, 6):
            self.assertCountEqual([cell for of, cell in plan.turns(cells, 5) if of == repeat], cells)

    def test_everybody_serves_the_published_file(self):
        served = {cell.peer for cell in plan.cells(None, (plan.SMALL,), ("f32",))}
        self.assertEqual(served, {plan.OURS.name, plan.BARE, plan.BARE_OURS, *(peer.name for peer in PEERS)})

    def test_large_photos_are_decoded_whole_and_at_a_smaller_scale_by_those_who_can(self):
        cells = plan.cells(("mosec", "manyeyes"), (plan.PHONE,), ("f32",))
        self.assertEqual(
            [(cell.peer, cell.draft) for cell in cells], [("manyeyes", False), ("mosec", False), ("mosec", True)]
        )

    def test_nobody_is_asked_for_a_file_that_it_cannot_serve(self):
        for cell in plan.cells(None, plan.PHOTOS, plan.FILES):
            for peer in (plan.OURS, *PEERS):
                self.assertFalse(cell.peer == peer.name and cell.file not in peer.files, cell)
