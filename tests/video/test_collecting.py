import io
from fractions import Fraction

import av
import numpy as np
import pytest

from phyrefine.errors import VideoError
from phyrefine.video import Clip
from phyrefine.video.collecting import Stack

PICTURES = np.random.default_rng(0).integers(0, 256, (40, 6, 8, 3), np.uint8)


@pytest.mark.parametrize("expected", [0, 1, 39, 40, 41, 500, 1 << 50])
def test_any_expectation_gives_all_pictures(expected):
    stack = Stack(expected)
    for count, picture in enumerate(PICTURES, start=1):
        stack.add(picture)
        assert len(stack) == count
        assert stack.size == (6, 8)
    np.testing.assert_array_equal(stack.whole(), PICTURES)


def test_pictures_are_stored_once_when_their_number_is_known():
    stack = Stack(len(PICTURES))
    stack.add(PICTURES[0])
    first = stack.whole()
    for picture in PICTURES[1:]:
        stack.add(picture)
    assert np.shares_memory(first, stack.whole())
    assert stack.whole().base.nbytes == PICTURES.nbytes


def test_a_file_that_changes_its_size_is_refused():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index, (height, width) in enumerate([(48, 64), (48, 64), (32, 64)]):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
            encoder.time_base = Fraction(1, 12)
            picture = av.VideoFrame.from_ndarray(
                np.full((height, width, 3), 99, np.uint8), format="rgb24"
            ).reformat(format="yuvj420p")
            picture.pts = index
            for packet in encoder.encode(picture):
                packet.stream = stream
                container.mux(packet)
    with pytest.raises(VideoError, match=r"changes its size midway \(64x48 to 64x32\)"):
        Clip.from_bytes(buffer.getvalue())
