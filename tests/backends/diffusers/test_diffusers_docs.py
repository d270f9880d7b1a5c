"""The table of families in the documentation says what the code says."""

from pathlib import Path

from phyrefine.backends.diffusers.families.table import facts, list_families

PAGE = Path(__file__).parents[3] / "docs" / "backends" / "diffusers.md"


def test_the_table_of_families_is_the_codes():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| family |"))
    titles, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines[start : lines.index("", start)]
    ]
    wanted = [facts(spec) for spec in list_families()]
    assert [dict(zip(titles, row, strict=True)) for row in rows] == [
        row | {"family": f"`{row['family']}`"} for row in wanted
    ]


def test_every_familys_notes_are_told():
    text = PAGE.read_text(encoding="utf-8")
    for spec in list_families():
        assert f"- `{spec.name}`: {spec.notes}" in text
