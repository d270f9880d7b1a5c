"""``phyrefine ablate``: what each statement of a prompt does to the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from phyrefine.cli.run import Options


def ablate(
    folder: Path,
    *,
    generator: Annotated[
        str, Parameter(help="The generator of the run, as given to it.")
    ] = "world",
    generator_option: Options = (),
    attempt: Annotated[
        int | None, Parameter(help="Loop to ablate; by default the chosen clip's.")
    ] = None,
    most: Annotated[int | None, Parameter(help="Statements to try at the most.")] = None,
    out: Annotated[Path | None, Parameter(help="Folder of the clips; FOLDER/ablation.")] = None,
) -> int:
    """Leave one statement of a finished run's plan out at a time and render again.

    Every statement costs one clip, and two more clips show what a new seed alone changes. A
    statement that changes the picture less than a tenth of that is idle: the generator does not
    understand it.

    Parameters
    ----------
    folder
        A run folder, or one scenario's folder in it.
    """
    from phyrefine.adapt import as_generator
    from phyrefine.cli.report import refinements_in
    from phyrefine.cli.telling.tables import console
    from phyrefine.options import join_options
    from phyrefine.refine.dialects import wording
    from phyrefine.refiner import SelfRefiner
    from phyrefine.run.ablation import ablate as leave_out
    from phyrefine.run.ablation import of_attempt
    from phyrefine.serialize import pretty, to_json

    model = as_generator(join_options(generator, generator_option))
    kept = out or folder / "ablation"
    renderer = SelfRefiner("world", "world", model, run_dir=kept)
    screen = console()
    for name, refinement in refinements_in(folder):
        chosen = refinement if attempt is None else of_attempt(refinement, attempt)
        found = leave_out(
            chosen,
            renderer,
            model.profile,
            most=most,
            count_tokens=wording.token_counter(model),
        )
        screen.print(f"{name}\n{found.shown()}")
        path = kept / f"{name}.json"
        path.write_text(pretty(to_json(found)), "utf-8")
        screen.print(f"Wrote {path}.")
    return 0
