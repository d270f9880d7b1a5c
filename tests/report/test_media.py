import base64

import numpy as np
import pytest

from phyrefine.report.media import image, page_clip, pixels_for, stills, video
from phyrefine.testing import moving_clip
from phyrefine.video.clip import Clip


def decoded(uri):
    return Clip.from_bytes(base64.b64decode(uri.partition(",")[2]))


def test_large_clips_shrink_and_keep_their_shape():
    clip = Clip(np.full((3, 360, 640, 3), 90, np.uint8), 24.0)
    media = video(clip, pixels=320)
    assert (media.width, media.height) == (320, 180)
    assert decoded(media.uri).size == (180, 320)
    assert media.label == "3 frames of 640×360 at 24 fps"


def test_tiny_clips_grow_by_whole_factors():
    frames = np.zeros((2, 32, 48, 3), np.uint8)
    frames[:, ::2] = (255, 0, 0)
    media = video(Clip(frames, 8.0))
    assert (media.width, media.height) == (48 * 6, 32 * 6)
    back = decoded(media.uri).frames[0].astype(int)
    # Rows of one pixel survive, color included, as blocks of six.
    assert back[3, :, 0].min() > 200
    assert back[9, :, 0].max() < 60


def test_native_frames_are_carried_only_where_they_differ():
    clip = moving_clip(8)
    assert page_clip(clip).native is None
    assert page_clip(clip.with_native(clip)).native is None
    both = page_clip(clip.resample(24.0).with_native(clip))
    assert (both.native.fps, both.delivered.fps) == (8.0, 24.0)
    assert both.native.frames == 8


def test_the_poster_is_the_frame_asked_for():
    frames = np.zeros((4, 64, 64, 3), np.uint8)
    frames[-1] = 255
    last = decoded(video(Clip(frames, 8.0), poster=-1).poster)
    assert last.frames.mean() > 250


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 33), (2, 2)])
def test_odd_images_are_encoded(size):
    assert decoded(image(np.full((*size, 3), 200, np.uint8))).frames.mean() == pytest.approx(
        200, abs=4
    )


def test_stills_go_from_the_first_to_the_last_frame():
    frames = np.zeros((30, 64, 64, 3), np.uint8)
    frames[0], frames[-1] = 250, 125
    strip = decoded(stills(Clip(frames, 8.0))).frames[0].astype(int)
    assert strip[32, 32].mean() == pytest.approx(250, abs=6)
    assert strip[32, -32].mean() == pytest.approx(125, abs=6)
    assert strip.shape[1] > 5 * strip.shape[0]
    assert decoded(stills(Clip(frames[:1], 8.0))).width < 200


def test_pages_with_many_clips_show_them_smaller():
    sizes = [pixels_for(count) for count in (2, 16, 40, 400)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == sizes[1] == 384
    assert sizes[-1] == 160
