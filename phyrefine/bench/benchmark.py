"""What a benchmark is: where its prompts lie, how its clips are named, and who scores them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

Record = Mapping[str, Any]
FIELDS = ("prompt", "id", "category", "laws", "clip")


@frozen
class Item:
    """One prompt of a benchmark.

    Attributes:
        name: Name of its generated clip without suffix.
        description: The prompt, word for word.
        category: As the benchmark has it; never shown to a refinement loop.
        laws: Laws of physics that the benchmark names for it, in its words.
        number: Its place in the benchmark's file, from 1.
        source: A picture or clip that conditions the generator, where there is one.
        clip: A clip that the benchmark brings along, such as a faulty one to repair.
    """

    name: str
    description: str
    category: str = ""
    laws: tuple[str, ...] = ()
    number: int = 0
    source: Path | None = None
    clip: Path | None = None


@frozen
class Prompts:
    """The prompts of a download.

    Attributes:
        items: In the order of the file, as many as were asked for.
        total: How many the download has, before any choice.
        path: The file or folder they came from.
        notes: What was left out, and why.
    """

    items: tuple[Item, ...]
    total: int
    path: Path
    notes: tuple[str, ...] = ()


@frozen
class Wanted:
    """Which prompts of a download are asked for.

    Attributes:
        subset: Name of a subset of the benchmark; ``None`` for all.
        limit: Only the first so many; ``None`` for all.
        fields: Names of the file's fields by what they hold (``prompt``, ``id``, ``category``,
            ``laws``, ``clip``); they go before the names the benchmark knows.
    """

    subset: str | None = None
    limit: int | None = None
    fields: Mapping[str, str] = field(factory=dict)


Reader = Callable[["Benchmark", Path, Wanted], Prompts]


@frozen
class Benchmark:
    """One benchmark.

    Attributes:
        name: As it is typed.
        title: As its authors write it.
        summary: One line.
        read: Reads a download.
        files: Where in a download the prompts may lie, best first (glob patterns).
        fields: Names that a field may have in the file, best first, by what it holds.
        clip_name: Name of a generated clip without suffix, from (number, record, prompt).
        subsets: By name, which records belong to it.
        prompts: How many prompts its authors' file has, where that is known.
        mode: ``t2v``, or ``i2v`` where a picture of the download conditions the generator.
        judge: Name of the row of the table of judges that scores it by default.
        own_scores: How its authors score, and how far the judge here is that.
        official_csv: Write the table that the authors' own evaluation program reads.
        command: ``module:function`` of a benchmark that brings its own program.
        traps: What makes its numbers incomparable, in sentences.
        verified: Which facts of its format were seen where, and which were not.
        sources: Addresses.
    """

    name: str
    title: str
    summary: str
    read: Reader | None = None
    files: tuple[str, ...] = ()
    fields: Mapping[str, Sequence[str]] = field(factory=dict)
    clip_name: Callable[[int, Record, str], str] = field(
        default=lambda number, _, prompt: f"{number:04d}_{slug(prompt)}"
    )
    subsets: Mapping[str, Callable[[Record], bool]] = field(factory=dict)
    prompts: int | None = None
    mode: str = "t2v"
    judge: str = "general"
    own_scores: str = ""
    official_csv: bool = False
    command: str | None = None
    traps: tuple[str, ...] = ()
    verified: str = ""
    sources: tuple[str, ...] = ()


def slug(text: str, most: int = 60) -> str:
    """A text as the part of a file name: ASCII letters, digits and hyphens."""
    words = "".join(char if char.isascii() and char.isalnum() else " " for char in text).split()
    return "-".join(words).lower()[:most].strip("-") or "prompt"
