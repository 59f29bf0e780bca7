import os
import tempfile
import time
import unittest
from pathlib import Path

from photo import Photo
from service import Service, StartFailed, free_port

# A service of the worst manners: a process of a session of its own, and one whose parent is gone.
UNRULY = "setsid sleep 1000 & (sleep 1000 &) ; exec sleep 1000"


@unittest.skipUnless(os.path.isdir("/proc/self"), "NOT RUN without /proc")
class Services(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def started(self, script: str) -> Service:
        service = Service(["sh", "-c", script], {}, self.folder, self.folder / "log")
        self.addCleanup(service.end)
        return service

    def wait_until(self, condition) -> None:
        limit = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), limit, "it did not come about within a minute")
            time.sleep(0.01)

    def test_nothing_is_left_of_a_service_wherever_its_processes_went(self):
        service = self.started(UNRULY)
        self.wait_until(lambda: len(service.processes()) == 3)
        self.assertGreater(service.memory().pss_mib, 0)
        service.end()
        self.wait_until(lambda: not service.processes())

    def test_one_that_ends_before_it_answers_is_told_in_its_own_words(self):
        service = self.started("echo no such model; exit 3")
        with self.assertRaisesRegex(StartFailed, "status 3: no such model"):
            service.first_answer(f"http://127.0.0.1:{free_port()}/", None, Photo("a.jpg", b""))


if __name__ == "__main__":
    unittest.main()
