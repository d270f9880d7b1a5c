"""Under ``torchrun`` the first process runs the command; the others follow its generator."""

from __future__ import annotations

from collections.abc import Callable


def run(main: Callable[[], int]) -> int:
    """Run the command in the first process, or follow in a further one; gives the exit code.

    Args:
        main: Runs the command.
    """
    from phyrefine.magi.ranks.leader import end_without_leading, follow_if_told

    if follow_if_told():
        return 0
    try:
        return main()
    finally:
        end_without_leading()
