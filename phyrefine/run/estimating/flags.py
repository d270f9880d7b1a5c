"""The options of ``--dry-run``, common to ``run``, ``bench`` and ``sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from attrs import asdict, evolve, frozen
from cyclopts import Parameter
from cyclopts.validators import Number

from phyrefine.errors import InvalidInputError
from phyrefine.run.cost import ExpectedCost
from phyrefine.run.estimating.estimate import Estimate, Workers
from phyrefine.run.estimating.rates import (
    Rates,
    journals_of,
    known_by_name,
    measured,
    require_measured,
)
from phyrefine.types import Question, Shot


def _nobody(request: Question | Shot) -> str:
    raise InvalidInputError(f"A dry run makes nothing, and was asked: {type(request).__name__}.")


# In place of models: what a run would take is known without loading any.
STAND_INS = (_nobody, _nobody, _nobody)
_Amount = Annotated[float | None, Parameter(validator=Number(gte=0))]


@Parameter(name="*")
@frozen
class DryRunFlags:
    """What it would take.

    Attributes:
        dry_run: Print calls, clips, GPU hours and dollars at the most; make and pay nothing.
        measured: With --dry-run: a run folder whose calls say what a clip and a question take;
            repeatable. By default OUT itself, if anything was made there.
        seconds_per_clip: With --dry-run: seconds on the GPU for one clip.
        usd_per_clip: With --dry-run: US dollars for one clip of a service.
        usd_per_question: With --dry-run: US dollars for one question to a VLM or an LLM.
        usd_per_gpu_hour: With --dry-run: US dollars for one GPU hour.

    Raises:
        InvalidInputError: An amount is given without --dry-run.
    """

    dry_run: bool = False
    measured: Annotated[tuple[Path, ...], Parameter(negative="")] = ()
    seconds_per_clip: _Amount = None
    usd_per_clip: _Amount = None
    usd_per_question: _Amount = None
    usd_per_gpu_hour: _Amount = None

    def __attrs_post_init__(self) -> None:
        given = {
            name: value for name, value in asdict(self).items() if value not in (None, (), False)
        }
        rest = [f"--{name.replace('_', '-')}" for name in given if name != "dry_run"]
        if rest and not self.dry_run:
            raise InvalidInputError(f"{rest[0]} belongs to --dry-run: pass both, or neither.")

    def rates(self, out: Path, backends: tuple[str, str, str]) -> Rates:
        """What is stated, else measured, else free because it needs no service.

        Args:
            out: The run's own folder, measured if no other is named.
            backends: Names of VLM, LLM and generator.

        Raises:
            InvalidInputError: A folder to measure from holds no run.
            UnknownBackendError: A name stands for nothing.
        """
        known = known_by_name(*backends)
        seconds = self.seconds_per_clip
        gpu_seconds = known.clip_gpu_seconds if known.clip_gpu_seconds is not None else seconds
        stated = Rates(
            seconds,
            None if seconds is None else gpu_seconds,
            self.usd_per_clip,
            self.usd_per_question,
            self.usd_per_question,
        )
        found = require_measured(self.measured) if self.measured else measured(journals_of(out))
        if seconds is not None:
            found = evolve(found, clips=0.0)  # its seconds are not used
        return stated.or_else(found).or_else(known)

    def estimate(
        self,
        each: ExpectedCost | None,
        rates: Rates,
        *,
        scenarios: int,
        finished: int,
        workers: Workers | None = None,
    ) -> Estimate:
        """The estimate of scenarios that take the same.

        Args:
            each: What one scenario takes at the most.
            rates: What one clip and one question take.
            scenarios: In all.
            finished: Of these, already.
            workers: Who makes the clips.
        """
        cost = None if each is None else each * (scenarios - finished)
        return Estimate(cost, rates, scenarios, finished, self.usd_per_gpu_hour, workers)


NOT_DRY = DryRunFlags()
