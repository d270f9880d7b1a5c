"""``phyrefine export``: a finished run as a table, a data set or a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from phyrefine.errors import InvalidInputError

Form = Literal["csv", "parquet", "hf-dataset", "zip"]
_NAMES = {"csv": "{}.csv", "parquet": "{}.parquet", "hf-dataset": "{}-dataset", "zip": "{}.zip"}


def export(
    folder: Path,
    *,
    to: Annotated[Form, Parameter(help="In which form.")],
    out: Annotated[
        Path | None, Parameter(help="File or folder to write; beside the working directory's runs.")
    ] = None,
    store: Annotated[
        bool, Parameter(help="zip: every reply and lossless clip too, so that the run can go on.")
    ] = False,
) -> int:
    """Write a run, a benchmark or a sweep for elsewhere. Secrets never go out.

    csv and parquet have a row per clip; hf-dataset is a folder of videos with their metadata, for
    datasets.load_dataset or an upload to the Hub; zip is a bundle with a manifest and checksums.

    Parameters
    ----------
    folder
        A run folder, the folder of a benchmark or of a sweep, or one scenario's folder.
    out
        By default NAME.csv, NAME.parquet, NAME-dataset or NAME.zip in the working directory.
    """
    from phyrefine.cli.telling.tables import console
    from phyrefine.run.exporting.bundle import write_bundle
    from phyrefine.run.exporting.dataset import write_dataset
    from phyrefine.run.exporting.rows import records_in, table_rows
    from phyrefine.run.exporting.tables import write_csv, write_parquet

    if store and to != "zip":
        raise InvalidInputError("--store belongs to --to zip.")
    target = out or Path(_NAMES[to].format(folder.resolve().name))
    screen = console()
    if to == "zip":
        bundle = write_bundle(folder, target, store=store)
        screen.print(f"Wrote {bundle.path}: {bundle.files} files with checksums.", markup=False)
        if bundle.left_out:
            some = ", ".join(bundle.left_out[:5])
            screen.print(f"Left out {len(bundle.left_out)} files: {some}.", markup=False)
        return 0
    records = records_in(folder)
    if to == "hf-dataset":
        written = write_dataset(records, target)
    else:
        rows = table_rows(records)
        written = (write_csv if to == "csv" else write_parquet)(rows, target)
    clips = sum(len(attempt.candidates) for one in records for attempt in one.refinement.attempts)
    screen.print(f"Wrote {written}: {clips} clips of {len(records)} scenarios.", markup=False)
    return 0
