"""Backends by name for the benchmark tests, and small made-up downloads."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from phyrefine.testing import MovingDot, ScriptedAsker
from phyrefine.types import Answer, Question, Usage

CAPTIONS = (
    "A red ball rolls off a table and drops to the floor.",
    "A cup, full of tea, tips over.",
    "A girl pushes a swing.",
)
SHORT = ("--seconds", "1", "--fps", "8", "--size", "32", "32")


def dot() -> MovingDot:
    """A generator that needs no prefix."""
    return MovingDot()


@define
class Rewriter:
    """A VLM and LLM in one, for the loop."""

    identity: str = "rewriter"

    def ask(self, question: Question) -> Answer:
        told = {
            "predict": {"scene": "a ball", "domains": ["solid mechanics"], "events": [],
                        "prediction": "The ball falls."},
            "critique": {"observed": "a dot", "moving": True, "violations": [],
                         "corrected": "The ball falls faster."},
            "compose": {"prompt": "The ball falls faster and faster.", "negative": ""},
        }  # fmt: skip
        if question.stage == "judge":
            return Answer("4")
        return Answer(json.dumps(told[question.stage]))


@define
class Rater:
    """A judge that counts what it is asked and gives what it is told to.

    Attributes:
        texts: Replies in turn; the last one repeats.
    """

    texts: Sequence[str] = ("4",)
    identity: str = "rater"
    asked: list[Question] = field(factory=list)

    def ask(self, question: Question) -> Answer:
        text = self.texts[min(len(self.asked), len(self.texts) - 1)]
        self.asked.append(question)
        return Answer(text)


RATER = Rater()


def rater() -> Rater:
    """The judge that the tests look at."""
    return RATER


def costly() -> Costly:
    """A judge whose every answer takes 100 tokens."""
    return Costly()


class Costly:
    """See ``costly``."""

    identity = "costly"

    def ask(self, question: Question) -> Answer:
        return Answer("4", usage=Usage(calls=1, tokens={"input": 90, "output": 10}))


class lawyer:
    """A judge of laws: gravity 2 and then 3, collision 3 and then 4, all else 4."""

    identity = "lawyer"

    def ask(self, question: Question) -> Answer:
        key = next(key for key in ("SA", "PTV", "persistence", "gravity", "collision")
                   if f'"{key}": 3' in question.text)  # fmt: skip
        first = {"gravity": 2, "collision": 3}.get(key)
        value = 4 if first is None else first + (question.sample > 0)
        return Answer(json.dumps({key: value}))


def silent() -> ScriptedAsker:
    """A judge that never gives a number."""
    return ScriptedAsker(["I would rather not say."])


def videophy2(folder: Path) -> Path:
    """A table in the shape of VideoPhy-2's test file, with its known blemishes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "videophy2_test.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["caption", "video_url", "sa", "pc", "joint", "action", "category",
                         "is_hard", "upsampled_caption"])  # fmt: skip
        for model in range(2):
            for number, caption in enumerate(CAPTIONS):
                hard, category = number == 0, "object_interactions" if number else "activity"
                writer.writerow([caption, f"http://{model}.mp4", 4, 3, 0, "act", category,
                                 int(hard), f"Long {number}."])  # fmt: skip
        writer.writerow(["", "http://x.mp4", 4, 4, 1, "act", "activity", 0, ""])
        writer.writerow(["nan", "http://y.mp4", 4, 4, 1, "act", "activity", 0, ""])
    return folder


def phygenbench(folder: Path) -> Path:
    """A file in the shape of PhyGenBench's prompts.json."""
    (folder / "PhyGenBench").mkdir(parents=True, exist_ok=True)
    rows = [
        {"caption": CAPTIONS[0], "physical_laws": "Due to gravity it falls",
         "sub_category": "Gravity", "main_category": "Force"},
        {"caption": "A torch shines on a box.", "physical_laws": "A shadow appears",
         "sub_category": "Direct Radiation", "main_category": "Light"},
    ]  # fmt: skip
    return write_json(folder / "PhyGenBench" / "prompts.json", rows).parent.parent


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
    return path
