import unittest

from answers import judge

PUBLISHED = {f"{number}.jpg": [(number, 0.9), (number + 100, 0.05)] for number in range(20)}


def off_by(difference: float) -> dict:
    return {name: [(index, p + difference) for index, p in labels] for name, labels in PUBLISHED.items()}


class Answers(unittest.TestCase):
    def test_with_the_same_file_and_preprocessing_there_is_no_excuse_for_a_difference(self):
        self.assertTrue(judge(off_by(5e-5), PUBLISHED, PUBLISHED).is_right)
        self.assertFalse(judge(off_by(2e-4), PUBLISHED, PUBLISHED).is_right)

    def test_one_other_class_makes_the_same_file_wrong(self):
        given = {**PUBLISHED, "7.jpg": PUBLISHED["7.jpg"][::-1]}
        verdict = judge(given, PUBLISHED, PUBLISHED)
        self.assertEqual((verdict.same_first, verdict.is_right), (19, False))

    def test_other_precision_may_put_a_few_photos_elsewhere_but_not_many(self):
        moved = lambda count: {**PUBLISHED, **{f"{n}.jpg": [(999, 0.9)] for n in range(count)}}
        self.assertTrue(judge(moved(2), PUBLISHED, None).is_right)
        self.assertFalse(judge(moved(3), PUBLISHED, None).is_right)

    def test_it_is_held_against_its_own_file_and_told_against_the_published_one(self):
        verdict = judge(off_by(0.03), PUBLISHED, off_by(0.03))
        self.assertTrue(verdict.is_right)
        self.assertAlmostEqual(verdict.largest_difference, 0.03)
        self.assertEqual(verdict.largest_difference_alike, 0.0)
