"""``phyrefine glitches``: a critic against glitches that people annotated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from phyrefine.bench.commands.flags import Options
from phyrefine.physics_iq.commands.scores import say


def glitches(
    data: Path,
    *,
    vlm: str,
    vlm_option: Options = (),
    videos: Path | None = None,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    field: Options = (),
    tolerance: Annotated[float, Parameter(validator=Number(gte=0))] = 0.5,
    shift: float = 0.0,
    fps: Annotated[float | None, Parameter(validator=Number(gt=0))] = None,
    out: Path = Path("runs/glitches"),
    workers: Annotated[int, Parameter(validator=Number(gte=1))] = 4,
) -> int:
    """Measure when a critic sees glitches, against annotated ones, as of Physion-Eval.

    Prints precision and recall of its times beside the level of chance, faulty clips it found, and
    false alarms on clean clips. Run the same command again to resume.

    Parameters
    ----------
    data
        The download, or its file of annotations (.json, .jsonl, .csv).
    vlm
        The critic: NAME or NAME:MODEL.
    vlm_option
        key=value for it; repeatable.
    videos
        Folder of the clips; by default beside the file, or its folder videos.
    limit
        Only the first so many clips.
    field
        What a field of the file holds: clip, flag, text, start, end, category, caption, each as
        WHAT=NAME; repeatable.
    tolerance
        Seconds that two times may lie apart and still meet.
    shift
        Seconds to add to every annotated time, where the clips were cut after annotation.
    fps
        Frames per second of the clips, for times given in frames.
    out
        Folder for what the critic said, glitches.txt and glitches.json.
    """
    import json

    from phyrefine._atomic import write_bytes
    from phyrefine.adapt import as_vlm
    from phyrefine.bench.glitches.annotations import read_annotations
    from phyrefine.bench.glitches.results import glitch_result
    from phyrefine.bench.glitches.watching import watch_clips
    from phyrefine.errors import InvalidInputError
    from phyrefine.options import join_options, split_options

    fields = {}
    for item in field:
        what, equals, name = item.partition("=")
        if not equals:
            raise InvalidInputError(f"--field takes WHAT=NAME, not {item!r}.")
        fields[what] = name
    clips, path, absent = read_annotations(data, videos, fields=fields, shift=shift, fps=fps)
    notes = [f"Annotations: {path}."]
    if absent:
        notes.append(f"{absent} of its clips are not there and are left out.")
    if limit is not None and limit < len(clips):
        notes.append(f"Only the first {limit} of {len(clips)} clips.")
        clips = clips[:limit]
    critic = as_vlm(join_options(vlm, vlm_option))
    seen, failed = watch_clips(critic, clips, out, workers=workers, progress=True)
    for line in failed:
        say(line)
    result = glitch_result(split_options(vlm)[0], clips, seen, tolerance=tolerance, notes=notes)
    write_bytes(out / "glitches.txt", f"{result.table}\n".encode())
    write_bytes(out / "glitches.json", json.dumps(result.to_json(), indent=1).encode())
    say(result.table)
    say(f"Wrote {out / 'glitches.txt'} and glitches.json.")
    if failed:
        say(f"{len(failed)} clips were not watched: run the same command again.")
        return 3
    return 0
