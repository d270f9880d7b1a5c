"""``phyrefine check``: a download or a submission pack, looked at before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from phyrefine.physics_iq.commands.scores import say


def check(
    path: Path,
    *,
    fps: int = 24,
    mode: Literal["v2v", "i2v"] = "v2v",
    edition: Literal["original", "verified"] | None = None,
    descriptions: Path | None = None,
    allow_made_masks: bool = False,
    run_id: str | None = None,
) -> int:
    """Check a download of Physics-IQ, or a submission pack, without changing it.

    Prints a line for each problem and exits with 1 if there is one.

    Parameters
    ----------
    path
        The benchmark's folder as downloaded, or a pack (it holds submission.yaml or original.yaml).
    fps
        Data: the rate of the clips that will be scored.
    mode
        Data: the mode that clips will be generated in.
    edition
        Data: which ground truth it is; by default taken from the folder's name.
    descriptions
        Data: the prompts' file; by default in or beside the folder.
    allow_made_masks
        Data: as in score.
    run_id
        Pack: the run id that you will submit it under.
    """
    from phyrefine.physics_iq.data.dataset import PhysicsIQ
    from phyrefine.physics_iq.data.layout import SAMPLES
    from phyrefine.physics_iq.scoring.truth import GroundTruth
    from phyrefine.physics_iq.submission.checking import CARDS, check_pack

    if any((path / card).is_file() for card in CARDS):
        problems = [str(finding) for finding in check_pack(path, run_id)]
        return _told("pack", problems)
    data = PhysicsIQ.open(path, edition=edition, descriptions=descriptions)
    say(f"{data.root}: {data.edition}, {len(data.samples)} of {SAMPLES} samples.")
    say(f"Prompts: {data.descriptions}")
    problems = data.missing_inputs(mode=mode, fps=fps)
    problems += GroundTruth(data, fps, allow_made_masks=allow_made_masks).problems()
    if len(data.samples) < SAMPLES:
        problems.append(f"{data.descriptions} lists {len(data.samples)} of {SAMPLES} samples.")
    return _told(f"data, {mode} at {fps} FPS", problems)


def _told(what: str, problems: list[str]) -> int:
    for problem in problems:
        say(problem)
    count = len(problems)
    say(f"Checked the {what}: {count or 'no'} problem{'' if count == 1 else 's'}.")
    return 1 if problems else 0
