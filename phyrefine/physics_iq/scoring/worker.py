"""One process that scores views, started by :mod:`phyrefine.physics_iq.scoring.workers`."""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

from phyrefine.errors import PhyrefineError
from phyrefine.physics_iq.data.decoding import opencv
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.scoring.workers import send


def main() -> None:
    """Score what comes in, until nothing more does."""
    # Whatever a library prints goes to the errors, not among the results.
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    opencv().setNumThreads(1)
    setup = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    evaluator = Evaluator(
        setup.truth, cache=setup.cache, packed=setup.packed, lossless=setup.lossless, jobs=1
    )
    while True:
        try:
            sample, clip = pickle.load(sys.stdin.buffer)  # noqa: S301 - as above
        except EOFError:
            return
        try:
            if clip is None:
                evaluator.prepare([sample])
                answer: tuple[bool, Any] = False, None
            else:
                answer = False, evaluator.view(sample, clip)
        except PhyrefineError as error:
            answer = True, error
        try:
            send(results, answer)
        except BrokenPipeError:  # nobody waits for it any more
            return


if __name__ == "__main__":
    main()
