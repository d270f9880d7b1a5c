"""Options that do not go together, refused before anything is loaded."""

from __future__ import annotations

from phyrefine.errors import InvalidInputError


def refuse_beside_paper(excluded: dict[str, object]) -> None:
    """Refuse what the verbatim method fixes.

    Args:
        excluded: By option; ``None`` where it was not given.

    Raises:
        InvalidInputError: One of them was given.
    """
    given = [name for name, value in excluded.items() if value is not None]
    if given:
        raise InvalidInputError(
            f"--paper is the method verbatim and fixes {', '.join(given)}: leave "
            f"{'it' if len(given) == 1 else 'them'} out, or leave out --paper."
        )


def refuse_beside_best_of(
    seeds: tuple[int, ...] | None, steps: tuple[int, ...] | None, watch: int | None
) -> None:
    """Refuse what a number of clips of one prompt leaves no room for.

    Raises:
        InvalidInputError: One of them was given.
    """
    if seeds or steps:
        raise InvalidInputError(
            "--best-of says how many clips are made: leave out --seeds and --steps."
        )
    if watch is not None:
        raise InvalidInputError("--best-of asks no critic: leave out --watch.")
