"""A decoded frame as a player shows it: upright, square pixels, BT.709 colors, 8 bits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from attrs import define, field
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from phyrefine.video.frames import as_rgb, resize
from phyrefine.video.reading.pixels import tone_mapping
from phyrefine.video.reading.pixels.aperture import Aperture

UInt8Array = NDArray[np.uint8]

# ITU-T H.273: the value that says nothing.
_UNSAID = 2
_CURVES = {tone_mapping.PQ: "PQ", tone_mapping.HLG: "HLG"}
# From here on players take untagged video for BT.709, below for BT.601.
_HD_WIDTH, _HD_HEIGHT = 1280, 720
# Turns (rows of a display matrix: x' = a x + c y, y' = b x + d y) that need nothing done.
_UPRIGHT = (1, 0, 0, 1)


@define
class Pictures:
    """Turns the frames of one stream into pictures.

    Attributes:
        aspect: Width of a pixel divided by its height.
        size: (height, width) pictures are fitted to; ``None`` keeps theirs.
        aperture: The part of a coded picture that is shown; ``None`` for all of it.
        notes: What had to be done, in words.
    """

    aspect: Fraction = Fraction(1)
    size: tuple[int, int] | None = None
    aperture: Aperture | None = None
    notes: dict[str, str] = field(factory=dict)
    _converter: Any = field(factory=VideoReformatter, init=False, repr=False)
    _turn: tuple[int, int, int, int] | None = field(default=None, init=False, repr=False)

    def picture(self, frame: Any) -> UInt8Array:
        """uint8 [H, W, 3] of an ``av.VideoFrame``; valid as long as the array is kept."""
        if frame.interlaced_frame:
            self.notes["interlaced"] = "interlaced, its two fields woven into one frame"
        # Once a stream: reading a frame's side data keeps that frame alive, 12 MB each at 4K.
        if self._turn is None:
            self._turn = _display_matrix(frame)
        pixels = self._upright(self._rgb(frame), self._turn)
        if self.size is not None and pixels.shape[:2] != self.size:
            pixels = resize(np.ascontiguousarray(pixels)[None], *self.size)[0]
        return pixels

    def _rgb(self, frame: Any) -> UInt8Array:
        if frame.color_trc in _CURVES and not frame.format.name.startswith(("pal", "gray8")):
            return self._tone_mapped(frame)
        has_alpha = any(part.is_alpha for part in frame.format.components)
        if not has_alpha and not frame.format.has_palette:
            pixels: UInt8Array = self._converted(frame, "rgb24")
            return pixels
        over_black: UInt8Array = as_rgb(self._converted(frame, "rgba")[None])[0]
        return over_black

    def _tone_mapped(self, frame: Any) -> UInt8Array:
        curve = _CURVES[frame.color_trc]
        self.notes["hdr"] = f"{curve} high dynamic range tone-mapped to BT.709 by BT.2390"
        # Tone mapping takes a second per 4K picture: of a smaller one no more than is wanted.
        return tone_mapping.tone_map(
            self._converted(frame, "rgb48le", smaller=True), frame.color_trc
        )

    def _converted(self, frame: Any, form: str, *, smaller: bool = False) -> NDArray[Any]:
        height, width = self._square(frame.height, frame.width)
        if smaller and self.size is not None and self.aperture is None:
            height, width = self._covering(height, width, self.size)
        converted = self._converter.reformat(
            frame,
            width,
            height,
            form,
            src_colorspace=_matrix(frame),
            interpolation="BICUBIC" if self.aspect == 1 else "BILINEAR",
            threads=1,
        )
        channels, depth = (4 if form == "rgba" else 3), (np.uint16 if "48" in form else np.uint8)
        part = converted.planes[0]
        rows = np.frombuffer(part, depth).reshape(height, -1)
        pixels = rows[:, : width * channels].reshape(height, width, channels)
        return pixels if self.aperture is None else self._cropped(pixels, frame, self.aperture)

    def _cropped(self, pixels: NDArray[Any], frame: Any, shown: Aperture) -> NDArray[Any]:
        """The clean aperture, in square pixels."""
        if shown.left + shown.width > frame.width or shown.top + shown.height > frame.height:
            return pixels
        down, across = pixels.shape[0] / frame.height, pixels.shape[1] / frame.width
        rows = slice(round(shown.top * down), round((shown.top + shown.height) * down))
        columns = slice(round(shown.left * across), round((shown.left + shown.width) * across))
        cropped = pixels[rows, columns]
        height, width = cropped.shape[:2]
        self.notes["aperture"] = f"cropped to its clean aperture of {width}x{height}"
        return cropped

    def _covering(self, height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest size of that shape that covers ``size`` once it is upright."""
        _, b, _, _ = self._turn or _UPRIGHT
        wanted = size[::-1] if b else size
        scale = max(wanted[0] / height, wanted[1] / width)
        if scale >= 1:
            return height, width
        return max(wanted[0], round(height * scale)), max(wanted[1], round(width * scale))

    def _square(self, height: int, width: int) -> tuple[int, int]:
        """The size in square pixels: the shorter side grows, as in players."""
        if self.aspect == 1:
            return height, width
        if self.aspect > 1:
            square = height, max(1, round(width * self.aspect))
        else:
            square = max(1, round(height / self.aspect)), width
        before, after = f"{width}x{height}", f"{square[1]}x{square[0]}"
        self.notes["aspect"] = f"{before} scaled to {after} square pixels, bilinear"
        return square

    def _upright(self, pixels: UInt8Array, turn: tuple[int, int, int, int]) -> UInt8Array:
        a, b, c, d = turn
        if (a, b, c, d) == _UPRIGHT:
            return pixels
        if abs(b) > abs(a):
            pixels = pixels.transpose(1, 0, 2)
            flip_x, flip_y = c < 0, b < 0
        else:
            flip_x, flip_y = a < 0, d < 0
        if flip_x:
            pixels = pixels[:, ::-1]
        return pixels[::-1] if flip_y else pixels


def pixel_aspect(stream: Any) -> Fraction:
    """Width of a stream's pixels divided by their height; 1 where it says nothing believable."""
    aspect = stream.sample_aspect_ratio
    if not aspect or not Fraction(1, 20) < aspect < 20:
        return Fraction(1)
    return Fraction(aspect)


def _matrix(frame: Any) -> Any:
    """The matrix of YUV that does not say which: BT.709 for HD, as players take it."""
    name = frame.format.name
    is_hd = frame.width >= _HD_WIDTH or frame.height >= _HD_HEIGHT
    if frame.colorspace != _UNSAID or not is_hd or not name.startswith(("yuv", "nv", "p0", "p2")):
        return None
    return Colorspace.ITU709


def _display_matrix(frame: Any) -> tuple[int, int, int, int]:
    """(a, b, c, d) of the frame's display matrix; angles between are taken to the next quarter."""
    from av.sidedata.sidedata import Type

    try:
        data = frame.side_data.get(Type.DISPLAYMATRIX)
    except ValueError:  # side data of a kind that PyAV has no name for yet
        data = None
    if data is not None:
        a, b, _, c, d = (int(value) for value in np.frombuffer(data, np.int32)[:5])
        return (a, b, c, d) if a * d != b * c else _UPRIGHT
    quarters = round(frame.rotation / 90) % 4  # counted counter-clockwise
    return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[quarters]
