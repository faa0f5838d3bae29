"""What is going to happen in the simulated world, in the order of time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Act = Callable[[int], None]
NOBODY = -1
"""Stands for a lead's number where the actor is no lead."""


class Agenda:
    """Acts that wait for their instant.

    Acts of one instant are played in the order of the leads' numbers, then of their planning, so that the order hangs
    on nothing but what was planned.

    Args:
        now: Unix seconds at which the world starts.
    """

    def __init__(self, now: int) -> None:
        self._now = now
        self._waiting: list[tuple[int, int, int, Act]] = []
        self._serial = itertools.count()

    def plan(self, at: int, number: int, act: Act) -> None:
        """Plans an act, which is given its instant when it is played.

        Args:
            at: Unix seconds. An instant that has gone by becomes the next one: what was written stays written.
            number: Number of the lead who acts, or `NOBODY`.
            act: What happens.
        """
        heapq.heappush(self._waiting, (max(at, self._now + 1), number, next(self._serial), act))

    def play(self, until: int) -> None:
        """Plays all that is due up to and with an instant, also what is planned on the way."""
        while self._waiting and self._waiting[0][0] <= until:
            at, _, _, act = heapq.heappop(self._waiting)
            act(at)
        self._now = until
