"""Does the embedded VLM pass the self-test of judges, on true scenes of its own world?

    python benchmarks/judge_self_test.py

Every kind of scene three times, from seeds that no report used. Prints wins by kind of variant for
the VLM as judge and as critic. Takes about a minute on two cores.
"""

from __future__ import annotations

import argparse

from phyrefine.adapt import as_vlm
from phyrefine.cli.demo_scenes import make_sample
from phyrefine.select.judging.roles import CRITIC_ALARM, JUDGE_ALARM, CriticSeverity
from phyrefine.select.judging.self_test import self_test
from phyrefine.select.scorers.judge import Judge
from phyrefine.video.motion import is_still
from phyrefine.world.truth.scenes import KINDS

FIRST_SEED = 1_700_500


def main() -> None:
    """Test and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="Scenes of each kind.")
    rounds = parser.parse_args().rounds
    samples = [
        make_sample(kind, FIRST_SEED + number) for number, kind in enumerate(list(KINDS) * rounds)
    ]
    clips = {
        str(one.scenario.name): (one.scenario, one.take1)
        for one in samples
        if not is_still(one.take1)
    }
    print(f"{len(clips)} of {len(samples)} scenes move after the seam.")
    vlm = as_vlm("world")
    for scorer, alarm in (
        (Judge(vlm), JUDGE_ALARM),
        (CriticSeverity(vlm), CRITIC_ALARM),
    ):
        report = self_test(scorer, clips, alarm_below=alarm)
        print("; ".join(report.by_kind))
        print(report.verdict)


if __name__ == "__main__":
    main()
