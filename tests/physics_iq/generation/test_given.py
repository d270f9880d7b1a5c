"""Prompts of others as a row of the table."""

import json
from pathlib import Path

import pytest
from attrs import evolve
from piq_helpers import PLAN, Watcher, refiner_of

from phyrefine.errors import InvalidInputError, RunMismatchError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import GIVEN, RunKey
from phyrefine.physics_iq.generation.generating import generate, read_records
from phyrefine.physics_iq.generation.given import read_given
from phyrefine.physics_iq.tables.scoring import score_bench
from phyrefine.testing import MovingDot


@pytest.fixture
def data(tiny: Path) -> PhysicsIQ:
    whole = PhysicsIQ.open(tiny)
    return evolve(whole, samples=tuple(s for s in whole.samples if s.number in (1, 4)))


def written(data: PhysicsIQ, path: Path, value: object = "A square glides.") -> Path:
    path.write_text(json.dumps({sample.name: value for sample in data.samples}))
    return path


def test_one_row_beside_ours_and_no_model_asked_more(data, tiny, tmp_path):
    given = read_given(written(data, tmp_path / "p.json"), data)
    plan = evolve(PLAN, loops=1, given=given.digest)
    watcher, dot = Watcher(), MovingDot()

    def make(path):
        return refiner_of(plan, path, watcher=watcher, dot=dot)

    out = tmp_path / "out"
    assert generate(plan, data, out, refiner=make, given=given.prompts) == []
    # For each sample: the plain description, one loop, and the given prompt.
    assert len(dot.shots) == 2 * 3
    assert [shot.prompt.text for shot in dot.shots].count("A square glides.") == 2
    asked = len(watcher.asked)
    records = read_records(out, data.samples)
    for record in records.values():
        assert record["rows"]["given-steps4-seed0"]["prompt"] == "A square glides."
        assert all("given-steps4-seed0" not in known for known in record["selectors"].values())
    assert generate(plan, data, out, refiner=make, given=given.prompts) == []
    assert (len(dot.shots), len(watcher.asked)) == (6, asked)
    with pytest.raises(RunMismatchError, match="given"):
        generate(evolve(plan, given=""), data, out, refiner=make)


@pytest.mark.slow
def test_the_table_has_its_row(tiny, tmp_path):
    whole = PhysicsIQ.open(tiny)
    given = read_given(written(whole, tmp_path / "p.json"), whole)
    plan = evolve(PLAN, loops=1, given=given.digest)
    out = tmp_path / "out"
    made = generate(plan, whole, out, refiner=lambda at: refiner_of(plan, at), given=given.prompts)
    assert made == []
    table = score_bench(out, whole, cache=tmp_path / "cache", allow_made_masks=True, jobs=1)
    assert [row.label for row in table.of_kind("given")] == ["given prompts, 4 steps"]
    assert [row.number for row in table.of_kind("loop")] == [1]  # ensembles count as before
    assert "given" in (out / "table.csv").read_text()


def test_names_of_runs():
    key = RunKey(GIVEN, 16, 2)
    assert key.name == "given-steps16-seed2"
    assert RunKey.parse(key.name) == key
    assert RunKey.parse("plain-seed0") == RunKey(0)
    assert RunKey.parse("loop12-seed0") == RunKey(12)


def test_files_in_every_shape(data, tmp_path):
    names = [sample.name for sample in data.samples]
    rows = "\n".join(f'{name},"A square, gliding.",hands' for name in names)
    table = tmp_path / "p.csv"
    table.write_text(f"sample,prompt,negative\n{rows}\n", "utf-8-sig")
    prompt = read_given(table, data).prompts[names[0]]
    assert (prompt.text, prompt.negative) == ("A square, gliding.", "hands")
    whole = {"prompt": {"goal": "x"}, "chunks": ["a", "b"]}
    prompt = read_given(written(data, tmp_path / "q.json", whole), data).prompts[names[1]]
    assert (prompt.text, prompt.chunks) == ('{"goal": "x"}', ("a", "b"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [("p.json", "{", "cannot be read"), ("p.json", "[]", "map sample names"),
     ("p.json", '{"x": "y"}', "lacks prompts of 2 of 2"), ("p.csv", "a,b\n1,2\n", "columns"),
     ("none.json", None, "cannot be read")],
)  # fmt: skip
def test_files_that_do_not_fit_are_told(data, tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInputError, match=said):
        read_given(tmp_path / name, data)
    with pytest.raises(InvalidInputError, match="should be a text"):
        read_given(written(data, tmp_path / "z.json", 3), data)
