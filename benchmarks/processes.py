"""The processor time and the memory of a process and of all that it starts."""

from contextlib import suppress
from threading import Event, Thread

import psutil


class Watch:
    """The processor time and the most memory of a process tree since the last question, sampled all the time."""

    def __init__(self, pid: int) -> None:
        self.process, self.peak, self.taken, self.ended = psutil.Process(pid), 0, 0.0, Event()
        self.seconds: dict[int, float] = {}  # by process, those that have ended as well
        Thread(target=self._sample, daemon=True).start()

    def take(self) -> tuple[float, int]:
        """Seconds and bytes."""
        self._look()
        taken, self.taken = self.taken, sum(list(self.seconds.values()))
        peak, self.peak = self.peak, 0
        return self.taken - taken, peak

    def _sample(self) -> None:
        while not self.ended.wait(0.5):
            self._look()

    def _look(self) -> None:
        """A page of memory that several processes share counts once, in parts."""
        total = 0
        for each in tree(self.process):
            with suppress(psutil.NoSuchProcess):
                info, times = each.memory_full_info(), each.cpu_times()
                total += getattr(info, "pss", info.rss)
                self.seconds[each.pid] = times.user + times.system
        self.peak = max(self.peak, total)


def tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
