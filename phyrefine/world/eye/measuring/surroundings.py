"""What stands next to a moving thing: the floor under it, an obstacle ahead, another thing."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from phyrefine.world.eye.measuring.tracking import Sight, Track

FloatArray = NDArray[np.float64]

DOWN = (0.0, -1.0)
# How far from its edge, in pixels, a thing can be and still touch.
_TOUCH = 2.5


@frozen(eq=False)
class Surroundings:
    """Looks up the background around a place."""

    sight: Sight

    @property
    def unit(self) -> float:
        """Pixels that count as a small distance: 1 at 64 x 48, growing with the picture."""
        return max(1.0, float(np.hypot(*self.sight.size)) / 80.0)

    def _colour(self, x: float, up: float) -> FloatArray | None:
        height, width = self.sight.size
        row, column = int(height - up), int(x)
        if not (0 <= row < height and 0 <= column < width):
            return None
        return np.asarray(self.sight.background.image[row, column], float)

    def _behind(self, x: float, up: float, radius: float) -> FloatArray | None:
        offsets = np.linspace(-0.6 * radius, 0.6 * radius, 5)
        seen = [self._colour(x + dx, up + du) for dx in offsets for du in offsets]
        known = [colour for colour in seen if colour is not None]
        return np.median(np.array(known), axis=0) if known else None

    def blocked(self, x: float, up: float, radius: float, towards: tuple[float, float]) -> bool:
        """Whether the scenery changes just beyond a thing's edge, or the picture ends there.

        Args:
            x: Centre, pixels.
            up: Centre, pixels.
            radius: Distance from the centre to the edge that looks ``towards``.
            towards: Unit vector (x, up).
        """
        behind = self._behind(x, up, radius)
        if behind is None:
            return True
        across = (-towards[1], towards[0])
        for gap in np.arange(0.5, _TOUCH * self.unit + 0.6, 1.0):
            for side in (-0.4, 0.0, 0.4):
                reach, aside = radius + gap, side * radius
                ahead = self._colour(
                    x + towards[0] * reach + across[0] * aside,
                    up + towards[1] * reach + across[1] * aside,
                )
                if ahead is None:
                    return True
                if np.abs(ahead - behind).max() > 1.3 * self.sight.background.contrast:
                    return True
        return False

    def supported(self, track: Track, frame: int) -> bool:
        """Whether something is right below a thing in a frame."""
        x, up = float(track.x[frame]), float(track.up[frame])
        drop = max(1.0, up - float(track.bottom[frame]))
        return self.blocked(x, up, drop, DOWN) or self.partner(track, frame) is not None

    def partner(self, track: Track, frame: int, slack: float = 1.0) -> Track | None:
        """Another moving thing that touches this one in a frame."""
        for other in self.sight.tracks:
            if other is track or not other.seen[frame]:
                continue
            apart = np.hypot(other.x[frame] - track.x[frame], other.up[frame] - track.up[frame])
            reach = _half(other, frame) + _half(track, frame)
            if apart < reach + (_TOUCH + slack) * self.unit:
                return other
        return None

    def met(self, track: Track, frame: int, velocity: FloatArray) -> bool:
        """Whether an obstacle or another thing explains a sudden change around a frame."""
        speed = float(np.hypot(*velocity))
        towards = (float(velocity[0] / speed), float(velocity[1] / speed)) if speed else DOWN
        for near in range(max(0, frame - 2), min(len(track.x), frame + 3)):
            if not track.seen[near]:
                continue
            if track.rim[near] or self.partner(track, near, slack=speed / 60) is not None:
                return True
            if self.blocked(float(track.x[near]), float(track.up[near]), track.radius, towards):
                return True
        return False

    def floor(self) -> float | None:
        """Height in pixels of a level edge across the lower picture; ``None`` if there is none."""
        image = self.sight.background.image
        rows = np.median(image, axis=1)
        steps = np.abs(rows[2:] - rows[:-2]).max(axis=1)
        steps[: len(steps) // 2] = 0
        best = int(steps.argmax())
        if steps[best] < 2.0 * self.sight.background.contrast:
            return None
        level = np.abs(image[best + 2] - image[best]).max(axis=1) > 0.5 * steps[best]
        # The step lies between rows best and best + 2: find which pair holds more of it.
        upper = np.abs(rows[best + 1] - rows[best]).max()
        lower = np.abs(rows[best + 2] - rows[best + 1]).max()
        edge = best + 1 if upper >= lower else best + 2
        return float(len(image) - edge) if level.mean() > 0.6 else None


def _half(track: Track, frame: int) -> float:
    return float(np.sqrt(max(track.area[frame], 1.0) / np.pi))
