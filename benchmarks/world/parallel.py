"""All cores: one process each, one thread in each process."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def each(work: Callable[..., T], jobs: Sequence[tuple[Any, ...]], workers: int) -> Iterator[T]:
    """Yield ``work(*job)`` for all jobs as they finish; with one worker in this process."""
    began = time.monotonic()
    for count, result in enumerate(_results(work, jobs, workers), 1):
        yield result
        if count % 20 == 0 or count == len(jobs):
            took = time.monotonic() - began
            print(f"{count} of {len(jobs)} after {took:.0f} s", file=sys.stderr, flush=True)


def _results(work: Callable[..., T], jobs: Sequence[tuple[Any, ...]], workers: int) -> Iterator[T]:
    if workers == 1 or len(jobs) < 2:
        for job in jobs:
            yield work(*job)
        return
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = [pool.submit(work, *job) for job in jobs]
        try:
            for future in concurrent.futures.as_completed(running):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
