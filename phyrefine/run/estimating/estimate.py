"""Calls, clips, GPU hours and dollars of a whole run, before any of it is made."""

from __future__ import annotations

from attrs import frozen

from phyrefine.run.cost import ExpectedCost
from phyrefine.run.estimating.rates import Rates

HOUR = 3600.0


@frozen
class Workers:
    """Who makes the clips.

    Attributes:
        generators: Copies of the video generator, each making one clip at a time.
        gpus_each: GPUs of each; a fraction where several share one, 0 where it needs none.
        in_flight: Scenarios in progress at once.
        where: On what, in a few words: ``"this machine"``, ``"Ray at ray://head:10001"``.
    """

    generators: int = 1
    gpus_each: float = 1.0
    in_flight: int = 1
    where: str = "this machine"

    def __str__(self) -> str:
        each = f", {self.gpus_each:g} GPU each" if self.gpus_each else ""
        return (
            f"{_many(self.generators, 'generator')} on {self.where}{each}; "
            f"{_many(self.in_flight, 'scenario')} in progress at once"
        )


@frozen
class Estimate:
    """The most that is still to be made, and what that takes.

    Attributes:
        cost: Calls and clips of all scenarios that are left; ``None`` where the convergence rule
            has no greatest number of loops.
        rates: What one clip and one question take.
        scenarios: Scenarios in all.
        finished: Of these, finished already: they cost nothing.
        gpu_hour_usd: US dollars of one GPU hour; ``None`` when not stated, then GPU time is left
            out of the dollars.
        workers: Who makes the clips; ``None`` for one generator on this machine.
    """

    cost: ExpectedCost | None
    rates: Rates
    scenarios: int = 1
    finished: int = 0
    gpu_hour_usd: float | None = None
    workers: Workers | None = None

    @property
    def gpu_hours(self) -> float | None:
        """GPU hours of all clips; a GPU that several generators share counts once."""
        if self.cost is None or self.rates.clip_gpu_seconds is None:
            return None
        each = self.workers.gpus_each if self.workers is not None else 1.0
        return self.cost.clips * self.rates.clip_gpu_seconds / HOUR * (each or 1.0)

    @property
    def hours(self) -> float | None:
        """Hours until the last clip when every generator is always busy; the least there is."""
        if self.cost is None or self.rates.clip_seconds is None:
            return None
        generators = self.workers.generators if self.workers is not None else 1
        return self.cost.clips * self.rates.clip_seconds / HOUR / max(1, generators)

    @property
    def parts_usd(self) -> dict[str, float | None]:
        """US dollars by what they are for; ``None`` where the price of one is not known."""
        if self.cost is None:
            return {}
        rates, cost = self.rates, self.cost
        parts = {
            "clips": _times(cost.clips, rates.clip_usd),
            "VLM questions": _times(cost.vlm_questions, rates.vlm_usd),
            "LLM questions": _times(cost.llm_questions, rates.llm_usd),
        }
        if self.gpu_hour_usd is not None:
            hours = self.gpu_hours
            parts["GPU hours"] = None if hours is None else hours * self.gpu_hour_usd
        return parts

    @property
    def usd(self) -> float | None:
        """US dollars of everything; ``None`` while a part of it is not known."""
        known = [part for part in self.parts_usd.values() if part is not None]
        whole = self.cost is not None and len(known) == len(self.parts_usd)
        return sum(known) if whole else None

    def lines(self) -> list[str]:
        """The estimate in sentences, a line each."""
        left = self.scenarios - self.finished
        said = [f"{_many(self.scenarios, 'scenario')}, {self.finished} finished, {left} to do."]
        if not left:
            return [*said, "Nothing is left to make or to pay for."]
        if self.cost is None:
            return [*said, "How much depends on the convergence rule: it has no greatest number."]
        said.append(f"To do: {self.cost}.")
        said += [self._time_line(), self._dollar_line()]
        if self.workers is not None:
            said.append(f"Plan: {self.workers}.")
        said.append(
            "Loops may end earlier; replies asked for anew come on top. Clips and answers in the "
            "store of an unfinished scenario are counted here and cost nothing when it goes on."
        )
        return said

    def _time_line(self) -> str:
        per, gpu, hours = self.rates.clip_seconds, self.gpu_hours, self.hours
        if per is None or hours is None:
            return (
                "Time: unknown, as no clip was measured. Pass --seconds-per-clip, or --measured "
                "with the folder of an earlier run."
            )
        source = f"measured over {self.rates.clips:g} clips" if self.rates.clips else "stated"
        generators = self.workers.generators if self.workers is not None else 1
        on_gpu = "unknown" if gpu is None else f"{gpu:.3g}"
        return (
            f"GPU hours: {on_gpu} ({per:.3g} s per clip, {source}); at least {hours:.3g} hours "
            f"with {_many(generators, 'generator')}."
        )

    def _dollar_line(self) -> str:
        parts = self.parts_usd
        told = ", ".join(
            f"{name} {'unknown' if usd is None else f'${usd:.2f}'}" for name, usd in parts.items()
        )
        if self.usd is not None:
            return f"Dollars: ${self.usd:.2f} ({told})."
        known = sum(usd for usd in parts.values() if usd is not None)
        return (
            f"Dollars: unknown, at least ${known:.2f} ({told}). Pass --usd-per-clip and "
            "--usd-per-question, or --measured with the folder of an earlier run."
        )


def _times(count: float, each: float | None) -> float | None:
    return None if each is None and count else count * (each or 0.0)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
