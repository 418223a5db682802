"""How many streams each caller holds open, over both skins together."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import RateLimited
from service.gateway.submission import Call

_RETRY_AFTER_S = 5


class OpenStreams:
    """Counts streams that last as long as their caller likes, so that nobody takes them all.

    Args:
        most: streams of one caller at a time.
        in_all: streams of all callers at a time; None: any number.
    """

    def __init__(self, most: int, *, in_all: int | None = None) -> None:
        self._most = most
        self._in_all = in_all
        self._open: Counter[str] = Counter()

    @contextmanager
    def opened(self, call: Call) -> Iterator[None]:
        """Around a stream of the caller's.

        Raises:
            RateLimited: the caller has as many as one may have, or all have as many as all may.
        """
        self._check(call.origin)
        self._open[call.origin] += 1
        try:
            yield
        finally:
            self._open[call.origin] -= 1
            if not self._open[call.origin]:
                del self._open[call.origin]

    def _check(self, origin: str) -> None:
        if self._open[origin] >= self._most:
            found = f"This caller has {self._most} open streams (events, uploads or health), as"
            found += " many as one may have."
        elif self._in_all is not None and self._open.total() >= self._in_all:
            found = f"There are {self._in_all} open streams of this kind, as many as may be."
        else:
            return
        raise RateLimited(
            found,
            suggestion="Close some of them, or ask now and then instead.",
            retry_after=_RETRY_AFTER_S,
        )
