"""A judge of the table, asked through any VLM."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from phyrefine.bench.benchmark import Item
from phyrefine.bench.judges import parsers
from phyrefine.bench.judges.row import JudgeRow, RowQuestion
from phyrefine.bench.judges.view import view
from phyrefine.bench.judges.wording import Wording, law_names, wording_of
from phyrefine.errors import BadOutputError
from phyrefine.identities import name_of
from phyrefine.protocols import VLM
from phyrefine.refine.asking import UNUSABLE
from phyrefine.types import JSON, Question, Scenario
from phyrefine.video.clip import Clip

# Replies are asked for this often before a score is given up.
TRIES = 2


@frozen
class Ratings:
    """What a judge says of one clip.

    Attributes:
        scores: By name; a score that could not be read is absent. Means over repeats.
        assessable: Whether physics could be assessed; ``None`` for judges that do not say.
        laws: Score of each law that was asked.
        problems: Replies that could not be used, in words.
        spread: Standard deviation over repeats, by score; empty for one look.
    """

    scores: Mapping[str, float]
    assessable: bool | None = None
    laws: Mapping[str, float] = field(factory=dict)
    problems: tuple[str, ...] = ()
    spread: Mapping[str, float] = field(factory=dict)


@frozen
class RowJudge:
    """A VLM in the role of a judge of the table; a reference-free scorer of physics.

    Attributes:
        vlm: Answers.
        row: What it is asked and how it is read.
        wording: In which words.
        laws: Laws asked of every clip, beside those that its prompt names.
        repeats: Independent looks at each clip.
        label: Name of the VLM for tables; by default what it calls itself.
    """

    vlm: VLM
    row: JudgeRow
    wording: Wording
    laws: tuple[str, ...] = ()
    repeats: int = 1
    label: str = ""

    @classmethod
    def of(cls, vlm: VLM, row: JudgeRow, **rest: Any) -> RowJudge:
        """With phyrefine's wording."""
        return cls(vlm, row, wording_of(row), **rest)

    @property
    def name(self) -> str:
        """For tables: which judge, which VLM, whose words."""
        return f"{self.row.title} ({self.label or name_of(self.vlm)}; {self.wording.source})"

    def score(self, scenario: Scenario, clip: Clip) -> float:
        """The physics score of a clip; NaN if the judge gave none.

        Raises:
            BackendError: The judge could not be asked.
        """
        return self.rate(Item("clip", scenario.description), clip).scores.get("pc", math.nan)

    def rate(self, item: Item, clip: Clip) -> Ratings:
        """Every score of a clip.

        Raises:
            BackendError: The judge could not be asked. An unusable reply is no score instead.
        """
        seen = view(self.row, clip)
        looks = [self._look(item, seen, number) for number in range(self.repeats)]
        return looks[0] if len(looks) == 1 else _mean(looks)

    def _look(self, item: Item, seen: Clip, number: int) -> Ratings:
        scores: dict[str, float] = {}
        laws: dict[str, float] = {}
        assessable: bool | None = None
        problems: list[str] = []
        for question in self.row.questions:
            asked = self.applying(item) if question.each_law else (None,)
            for law in asked:
                found = self._ask(question, item, seen, law, number, problems)
                assessable = found.pop("assessable", assessable)
                if law is None:
                    scores |= found
                elif found:
                    laws[law] = found["pc"]
        if laws:
            scores["pc"] = statistics.fmean(laws.values())
        return Ratings(scores, assessable, laws, tuple(problems))

    def applying(self, item: Item) -> tuple[str, ...]:
        """Laws that a judge of laws is asked about for a prompt."""
        told = " ".join(item.laws).lower().replace(" ", "_")
        return tuple(law for law in law_names() if law in self.laws or law in told)

    def _ask(
        self,
        question: RowQuestion,
        item: Item,
        seen: Clip,
        law: str | None,
        number: int,
        problems: list[str],
    ) -> dict[str, Any]:
        asked = Question(
            "judge",
            self.wording.text(question.key, item.description, law, item.laws),
            self.wording.system,
            (seen,),
            schema=_schema(self.row, question),
        )
        # The same words again, never others: a judge knows its own template only.
        for attempt in range(TRIES):
            sample = number * TRIES + attempt
            try:
                answer = self.vlm.ask(evolve(asked, sample=sample))
                return parsers.read(self.row, question.gives, answer.text, law)
            except UNUSABLE as error:
                said = f"{law or question.key}: {error}"
                if isinstance(error, BadOutputError) and error.raw:
                    said += f" It said {error.raw[:120]!r}."
                problems.append(said)
        return {}


def _schema(row: JudgeRow, question: RowQuestion) -> Mapping[str, JSON] | None:
    """A schema for judges that were not trained on a form of reply of their own."""
    if row.published or row.parser != "keys":
        return None
    number: JSON = {"type": "integer", "minimum": row.low, "maximum": row.high}
    keys = {row.labels.get(name, name): number for name in question.gives}
    properties: dict[str, JSON] = {"reason": {"type": "string"}, **keys}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _mean(looks: Sequence[Ratings]) -> Ratings:
    scores: dict[str, float] = {}
    spread: dict[str, float] = {}
    for name in dict.fromkeys(name for look in looks for name in look.scores):
        values = [look.scores[name] for look in looks if name in look.scores]
        scores[name] = statistics.fmean(values)
        if len(values) > 1:
            spread[name] = statistics.stdev(values)
    laws = {
        law: statistics.fmean([look.laws[law] for look in looks if law in look.laws])
        for law in dict.fromkeys(law for look in looks for law in look.laws)
    }
    told = [look.assessable for look in looks if look.assessable is not None]
    assessable = None if not told else sum(told) * 2 >= len(told)
    problems = tuple(problem for look in looks for problem in look.problems)
    return Ratings(scores, assessable, laws, problems, spread)
