"""Those who visit the site and are no leads: people who never say who they are, and a robot.

They are the noise in every real access log, and must neither score nor mail anybody.
"""

from __future__ import annotations

from functools import partial

from sandbox import words
from sandbox.agenda import NOBODY, Agenda
from sandbox.chance import generator, pick
from sandbox.clock import JST, from_epoch
from sandbox.website import AccessLog, choose_pages

_DAY_SECONDS = 86_400
_MORNING = 7 * 3_600


class PassersBy:
    """Strangers and the robot.

    Args:
        seed: The seed of all chance.
        strangers_a_day: How many strangers come on a working day, on average.
        agenda: Where their visits are planned.
        log: Where their page views are noted.
    """

    def __init__(self, seed: int, strangers_a_day: float, agenda: Agenda, log: AccessLog) -> None:
        self._seed = seed
        self._strangers_a_day = strangers_a_day
        self._agenda = agenda
        self._log = log

    def start(self, begins: int) -> None:
        """Lets the first of them come; each visit plans the next."""
        self._agenda.plan(begins + 600, NOBODY, partial(self._stranger, 0))
        self._agenda.plan(begins + 1_200, NOBODY, partial(self._robot, 0))

    def _stranger(self, number: int, at: int) -> None:
        rng = generator(self._seed, "stranger", number)
        cookie, browser = f"a{rng.getrandbits(64):016x}", pick(rng, words.BROWSERS)
        is_weekend = from_epoch(at).astimezone(JST).weekday() >= 5
        seen_at = at
        for path in [] if is_weekend and rng.random() < 0.7 else choose_pages(rng, 0.05):
            self._agenda.plan(seen_at, NOBODY, partial(self._see, cookie, path, browser))
            seen_at += rng.randrange(10, 150)
        gap = 1 + int(rng.expovariate(self._strangers_a_day / _DAY_SECONDS))
        self._agenda.plan(_by_day(at + gap), NOBODY, partial(self._stranger, number + 1))

    def _robot(self, number: int, at: int) -> None:
        rng = generator(self._seed, "robot", number)
        for place, path in enumerate(rng.sample((*words.PRODUCTS, *words.CASES, *words.BLOG, "/price"), 6)):
            self._agenda.plan(at + 2 * place, NOBODY, partial(self._see, "", path, words.ROBOT))
        self._agenda.plan(at + rng.randrange(6 * 3_600, 18 * 3_600), NOBODY, partial(self._robot, number + 1))

    def _see(self, cookie: str, path: str, browser: str, at: int) -> None:
        self._log.add(at, cookie, path, browser)


def _by_day(at: int) -> int:
    """Moves an instant of the night (0:00 to 7:00 JST) to the hour after it; the rest of the day stays."""
    second = (at + 9 * 3_600) % _DAY_SECONDS
    return at if second >= _MORNING else at - second + _MORNING + second // 7
