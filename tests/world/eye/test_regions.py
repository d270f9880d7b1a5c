"""Regions agree with a flood fill written the slow way."""

import numpy as np
import pytest

from phyrefine.world.eye.measuring.regions import label_image, label_stack, shrink, spread


def flood(classes, reach):
    """Regions of one picture by walking from pixel to pixel."""
    height, width = classes.shape
    labels = np.zeros(classes.shape, int)
    around = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    around += [(-1, -1), (-1, 1), (1, -1), (1, 1)] if reach else []
    count = 0
    for start in np.argwhere(classes > 0):
        if labels[tuple(start)]:
            continue
        count += 1
        todo = [tuple(start)]
        labels[tuple(start)] = count
        while todo:
            row, column = todo.pop()
            for dr, dc in around:
                r, c = row + dr, column + dc
                inside = 0 <= r < height and 0 <= c < width
                if inside and not labels[r, c] and classes[r, c] == classes[row, column]:
                    labels[r, c] = count
                    todo.append((r, c))
    return labels, count


def same_regions(one, other):
    pairs = set(zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@pytest.mark.parametrize("reach", [0, 1])
@pytest.mark.parametrize("kinds", [2, 3, 4])
def test_regions_are_those_of_a_flood_fill(reach, kinds):
    rng = np.random.default_rng(kinds)
    for _ in range(20):
        classes = rng.integers(0, kinds, (9, 11)).astype(np.int32)
        labels, count = label_stack(classes[None], reach=reach)
        expected, wanted = flood(classes, reach)
        assert count == wanted
        assert same_regions(labels[0], expected)


def test_regions_do_not_join_over_time():
    stack = np.ones((3, 4, 5), np.int32)
    labels, count = label_stack(stack)
    assert count == 3
    assert [np.unique(picture).tolist() for picture in labels] == [[1], [2], [3]]


def test_an_empty_picture_has_no_region():
    labels, count = label_image(np.zeros((4, 5), np.int32))
    assert count == 0
    assert not labels.any()


def test_spread_and_shrink_undo_each_other_on_a_block():
    mask = np.zeros((1, 9, 9), bool)
    mask[0, 3:6, 3:6] = True
    grown = spread(mask)
    assert grown[0, 2:7, 2:7].all()
    assert grown.sum() == 25
    assert np.array_equal(shrink(grown), mask)
    assert shrink(mask).sum() == 1
