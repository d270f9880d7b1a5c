"""Searches and drafts by name: ``"backtracking?chunks=10"``, ``"chunks?width=4"``, ``"steps=2"``.

Their options are the keyword parameters of the functions here, read as those of backends are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from phyrefine._closest import did_you_mean
from phyrefine.adapt import as_generator, as_generators, as_llm, as_vlm
from phyrefine.errors import InvalidInputError
from phyrefine.options import Option, join_options, options_of, read_options, split_options
from phyrefine.protocols import LLM, VLM
from phyrefine.run.search.backtracking import Backtracking
from phyrefine.run.search.chunk_search import ChunkSearch
from phyrefine.run.search.drafting import Draft
from phyrefine.select.named import ensemble
from phyrefine.select.named import scorer as named_scorer


def _backtracking(
    generator: Any,
    vlm: VLM,
    llm: LLM,
    *,
    chunks: int = 20,
    tries: int = 2,
    margin: float = 0.125,
    revise: bool = False,
    each_chunk: bool = False,
    keep: str | None = None,
    measure: bool = True,
) -> Backtracking:
    """Keep the chunks before the first violation, and make the rest anew.

    Args:
        generator: A streaming generator.
        vlm: Says what is wrong.
        llm: Rewrites prompts, with ``revise``.
        chunks: Chunks made for one clip at the most, the plain clip's included.
        tries: Failed tries at one cut before the next cut is a chunk earlier.
        margin: Seconds before a violation that are made anew too.
        revise: Rewrite the prompt of the new chunks from the critique.
        each_chunk: Ask after every new chunk.
        keep: Rule that chooses between the plain clip and the result, such as consensus+judge.
        measure: Measure the VLM on faults planted into each prefix, in five questions.
    """
    return Backtracking(
        generator,
        vlm,
        chunks=chunks,
        tries=tries,
        margin=margin,
        revise=llm if revise else None,
        each_chunk=each_chunk,
        keep=None if keep is None else ensemble(keep, vlm),
        measure=measure,
    )


def _chunk_search(
    generator: Any,
    vlm: VLM,
    llm: LLM,  # noqa: ARG001 - all searches are made alike
    *,
    width: int = 4,
    scorer: str = "consensus",
    beam: int = 1,
    look_ahead: int = 0,
    chunks: int | None = None,
) -> ChunkSearch:
    """Make several versions of every chunk, and go on from the best.

    Args:
        generator: A streaming generator.
        vlm: Judges, where the scorer does.
        llm: Not asked.
        width: Versions of the next chunk for each clip that is begun.
        scorer: Compares the versions.
        beam: Begun clips that go on from one chunk to the next.
        look_ahead: Chunks made beyond the one that is chosen.
        chunks: Chunks made for one clip at the most.
    """
    return ChunkSearch(
        generator,
        width,
        named_scorer(scorer, vlm),
        beam=beam,
        look_ahead=look_ahead,
        chunks=chunks,
    )


def _draft(
    *,
    generator: str | None = None,
    steps: int | None = None,
    size: tuple[int, int] | None = None,
    finals: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Draft:
    """A cheap setting for loops and candidates.

    Args:
        generator: Another generator by name, such as a distilled one.
        steps: Denoising steps of a draft.
        size: Height and width of a draft.
        finals: Drafts that are rendered in full, the best first.
        options: Settings of the generator, as JSON.
    """
    return Draft(
        None if generator is None else as_generator(generator),
        steps=steps,
        size=size,
        finals=finals,
        options=dict(options or {}),
    )


Make = Callable[..., Any]
SEARCHES: Mapping[str, Make] = {"backtracking": _backtracking, "chunks": _chunk_search}
_ROLES = 3


def search_options(name: str) -> dict[str, Option]:
    """The options of the search called ``name``.

    Raises:
        InvalidInputError: No such search.
    """
    if name not in SEARCHES:
        hint = did_you_mean(name, SEARCHES)
        raise InvalidInputError(f"No search {name!r}.{hint} There are: {', '.join(SEARCHES)}.")
    return options_of([SEARCHES[name]], skip=_ROLES)


def draft_options() -> dict[str, Option]:
    """What ``draft`` takes."""
    return options_of([_draft], skip=0)


def join_search(name: str | None, options: Sequence[str]) -> str:
    """Search and options in one text, as flags of a command give them; empty without a search.

    Raises:
        InvalidInputError: Options stand without a search.
    """
    if name is None:
        if options:
            raise InvalidInputError("--search-option belongs to --search: name a search.")
        return ""
    return join_options(name, options)


def not_counted(spec: str) -> str:
    """A line about what an expected cost leaves out of a search."""
    return f"Not counted: {spec} makes more chunks than a plain clip has, and asks more."


def check_search(spec: str) -> None:
    """See that a search has this name and takes these options, before anything is loaded.

    Raises:
        InvalidInputError: It has not, or does not.
    """
    name, given = split_options(spec)
    read_options(given, search_options(name), f"The search {name}")


def named_search(spec: str, generator: Any, vlm: VLM, llm: LLM) -> Any:
    """The search that a text stands for, around a generator.

    Args:
        spec: ``NAME`` or ``NAME?key=value&key=value``.
        generator: A streaming generator.
        vlm: Says what is wrong, and judges where a rule judges.
        llm: Rewrites where the search rewrites.

    Raises:
        InvalidInputError: No such search or option, or the generator does not stream.
    """
    name, given = split_options(spec)
    values = read_options(given, search_options(name), f"The search {name}")
    return _made(SEARCHES[name], f"The search {name}", generator, vlm, llm, **values)


def searching(spec: str, backends: tuple[VLM | str, LLM | str, Any]) -> tuple[VLM, LLM, list[Any]]:
    """VLM, LLM and generators of a refiner, the search around each generator.

    Args:
        spec: As :func:`named_search` takes it.
        backends: VLM, LLM and generator, as objects or registry names.

    Raises:
        InvalidInputError: No such search or option, or the generator does not stream.
    """
    check_search(spec)
    vlm, llm = as_vlm(backends[0]), as_llm(backends[1])
    generators = as_generators(backends[2])
    return vlm, llm, [named_search(spec, one, vlm, llm) for one in generators]


def check_draft(spec: str) -> None:
    """See that a draft takes these options, before anything is loaded.

    Raises:
        InvalidInputError: It does not, or it is no cheaper than the final.
    """
    values = _draft_values(spec)
    if values.pop("generator", None) is None:
        _made(_draft, "A draft", **values)


def named_draft(spec: str) -> Draft:
    """The draft that a text stands for: ``key=value&key=value``, for example ``steps=2``.

    Raises:
        InvalidInputError: No such option, or it is no cheaper than the final.
    """
    draft: Draft = _made(_draft, "A draft", **_draft_values(spec))
    return draft


def _draft_values(spec: str) -> dict[str, Any]:
    name, given = split_options(spec if spec.startswith("?") else f"?{spec}")
    if name:
        raise InvalidInputError(
            f"A draft is given as key=value, for example steps=2, not {spec!r}."
        )
    return read_options(given, draft_options(), "A draft")


def _made(make: Make, owner: str, *parts: Any, **values: Any) -> Any:
    try:
        return make(*parts, **values)
    except ValueError as error:  # a validator of attrs
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"{owner}: {error.args[0] if error.args else error}.") from error
