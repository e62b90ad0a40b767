"""Work on many frames by a few threads, with the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Done = TypeVar("Done")


def in_order(work: Callable[[int], Done], numbers: Iterable[int], workers: int) -> Iterator[Done]:
    """``work`` of every number by ``workers`` threads, yielded in the order of the numbers; only a few results wait."""
    pending: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for number in numbers:
                pending.append(pool.submit(work, number))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
