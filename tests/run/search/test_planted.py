"""A verifier's rates on faults planted into the prefix."""

import logging

import numpy as np
import pytest
from attrs import evolve
from search_toys import SHOT, SeesWhite, ToyStream

from phyrefine.run.search import Backtracking, VerifierRates, measure_verifier
from phyrefine.run.search.planted import FAULTS, rates_on_prefix
from phyrefine.types import Critique, Violation
from phyrefine.video.clip import Clip


class Says:
    """Finds something wrong where ``wrong`` says so of the frames."""

    identity = "says"

    def __init__(self, wrong):
        self.wrong = wrong
        self.looks = []

    def verify(self, look):
        self.looks.append(look)
        said = self.wrong(look.clip.frames)
        if said is None:
            return None
        return Critique("text", (Violation("law", "what", 0.0),) if said else ())


def ball(frames=24):
    """A bright square that falls over a dark ground."""
    pictures = np.full((frames, 32, 32, 3), 30, np.uint8)
    for index in range(frames):
        pictures[index, index : index + 6, 12:18] = 220
    return Clip(pictures, 8.0)


FALLING = evolve(SHOT, prefix=ball(), size=(32, 32))


def bright(frames):
    return (frames[..., 0] > 100).sum(axis=(1, 2))


def test_what_is_planted():
    frames = ball(12).frames
    ground = np.full_like(frames[0], 30)
    made = {name: plant(frames, ground) for name, plant in FAULTS.items()}
    assert all(one.shape == frames.shape for one in made.values())
    assert (made["frozen"][4:] == frames[4]).all()
    assert (made["backward"][0] == frames[-1]).all()
    assert bright(made["vanished"])[:6].min() == 36
    assert bright(made["vanished"])[6:].max() == 0
    assert bright(made["jumped"]).tolist()[:6] == [36] * 6
    place = [int(np.argmax(one[:, 14, 0] > 100)) for one in made["jumped"]]
    assert place[5] == 5
    assert place[8] == 0  # eight rows higher


def test_rates_of_a_blind_and_of_a_suspicious_verifier():
    blind = rates_on_prefix(Says(lambda _: False), FALLING)
    assert (blind.false_accept, blind.false_reject, blind.planted) == (1.0, 0.0, 4)
    suspicious = rates_on_prefix(Says(lambda _: True), FALLING)
    assert (suspicious.false_accept, suspicious.false_reject) == (0.0, 1.0)


def test_a_silent_verifier_passes_everything():
    rates = rates_on_prefix(Says(lambda _: None), FALLING)
    assert (rates.false_accept, rates.silent) == (1.0, 5)


def test_a_verifier_that_counts_pixels_misses_what_keeps_their_number():
    rates = rates_on_prefix(Says(lambda frames: bright(frames).min() == 0), FALLING)
    assert rates.missed == ("frozen", "backward", "jumped")
    assert "passed 3 of 4" in str(rates)


def test_the_verifier_sees_the_end_of_the_prefix_after_its_beginning():
    verifier = Says(lambda _: False)
    rates_on_prefix(verifier, FALLING)
    look = verifier.looks[0]
    assert look.shot.prefix.duration == pytest.approx(1.5)
    assert (look.clip.frames == FALLING.prefix.frames[12:]).all()


def test_nothing_is_planted_where_nothing_moves_or_nothing_is_shown():
    still = Clip(np.full((24, 32, 32, 3), 30, np.uint8), 8.0)
    assert rates_on_prefix(Says(lambda _: False), evolve(SHOT, prefix=still)) is None
    assert rates_on_prefix(Says(lambda _: False), evolve(SHOT, prefix=None)) is None
    assert measure_verifier(Says(lambda _: False), [evolve(SHOT, prefix=still)]) == VerifierRates()


def test_a_fault_that_nobody_could_see_is_not_counted():
    there = ball(18).frames
    end = there[[*range(12, 18), *range(17, 11, -1)]]  # to and fro: backward it is the same
    clip = Clip(np.concatenate([there[:12], end]), 8.0)
    rates = rates_on_prefix(Says(lambda _: False), evolve(SHOT, prefix=clip))
    assert rates.planted == 3
    assert "backward" not in rates.missed


def test_rates_add_up():
    both = measure_verifier(Says(lambda _: False), [FALLING, FALLING])
    assert (both.planted, both.clean) == (8, 2)


def test_a_blind_verifier_is_told_in_the_record(caplog):
    search = Backtracking(ToyStream(lambda *_: False), Says(lambda _: False))
    with caplog.at_level(logging.WARNING):
        clip = search.generate(FALLING)
    record = search.records.found[clip.digest]
    assert record.false_accept == 1.0
    assert "passes 100% of planted faults" in record.notes[0]
    assert "choosing among whole clips" in caplog.text
    assert "passed 100% of 4 planted faults" in record.in_words()


def test_a_good_verifier_is_told_without_a_warning(caplog):
    search = Backtracking(ToyStream(lambda *_: False), SeesWhite())
    shot = evolve(FALLING, prefix=ball())
    clip = search.generate(shot)
    assert search.records.found[clip.digest].planted == 4
