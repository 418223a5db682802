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
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def opened(self, call: Call) -> Iterator[None]:
        """Around a stream of the caller's.

        Raises:
            RateLimited: the caller has as many as one may have.
        """
        if self._open[call.origin] >= self._most:
            raise RateLimited(
                f"This caller has {self._most} open streams (events or uploads), as many as one"
                " may have.",
                suggestion="Close some of them, or ask for the job now and then instead.",
                retry_after=_RETRY_AFTER_S,
            )
        self._open[call.origin] += 1
        try:
            yield
        finally:
            self._open[call.origin] -= 1
            if not self._open[call.origin]:
                del self._open[call.origin]
