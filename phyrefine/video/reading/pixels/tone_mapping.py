"""High dynamic range (PQ and HLG) to BT.709, so that models do not see a washed-out picture.

Light is decoded by SMPTE ST 2084 (PQ) or ARIB STD-B67 (HLG, with the system gamma of ITU-R BT.2100
for a screen of 1000 cd/m2), compressed to 203 cd/m2, the reference white of ITU-R BT.2408, by the
curve of ITU-R BT.2390 (section 5.4, "EETF") on each of R, G and B, converted from BT.2020 to BT.709
primaries, and encoded by the inverse of BT.1886 (gamma 2.4).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

PQ, HLG = 16, 18  # transfer characteristics, ITU-T H.273
WHITE = 203.0
PEAK = 1000.0
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
# BT.2020 to BT.709 primaries, ITU-R BT.2087.
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
_LEVELS = 4096
_HLG_GAMMA = 1.2


def pq_to_light(code: NDArray[Any]) -> NDArray[Any]:
    """cd/m2 from a PQ signal in 0..1 (ST 2084)."""
    power = np.clip(code, 0, 1) ** (1 / _M2)
    light: NDArray[Any] = 10_000.0 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return light


def light_to_pq(light: NDArray[Any]) -> NDArray[Any]:
    """A PQ signal in 0..1 from cd/m2 (ST 2084)."""
    power = (np.maximum(light, 0) / 10_000.0) ** _M1
    code: NDArray[Any] = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return code


def hlg_to_scene(code: NDArray[Any]) -> NDArray[Any]:
    """Scene light in 0..1 from an HLG signal in 0..1 (STD-B67)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    high = (np.exp((np.clip(code, 0, 1) - c) / a) + b) / 12
    scene: NDArray[Any] = np.where(code <= 0.5, np.square(np.clip(code, 0, 1)) / 3, high)
    return scene


def compress(light: NDArray[Any], peak: float = PEAK) -> NDArray[Any]:
    """cd/m2 up to ``peak`` into cd/m2 up to :data:`WHITE` by BT.2390's curve; black is 0."""
    top = float(light_to_pq(np.array(peak)))
    most = float(light_to_pq(np.array(WHITE))) / top
    knee = 1.5 * most - 0.5
    code = np.minimum(light_to_pq(light) / top, 1.0)
    t = np.clip((code - knee) / (1 - knee), 0, 1)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * most
    )
    return pq_to_light(np.where(code < knee, code, spline) * top)


def tone_map(coded: NDArray[np.uint16], transfer: int) -> UInt8Array:
    """BT.709 pixels from PQ or HLG ones.

    Args:
        coded: uint16 [H, W, 3], full-range R'G'B' with BT.2020 primaries, 0..65535.
        transfer: :data:`PQ` or :data:`HLG`.

    Returns:
        uint8 [H, W, 3].
    """
    out = np.empty(coded.shape, np.uint8)
    rows = max(1, (1 << 18) // coded.shape[1])  # bands keep the floats small
    for top in range(0, len(coded), rows):
        band = coded[top : top + rows] >> 4
        out[top : top + rows] = _encoded(_hlg(band) if transfer == HLG else _pq_table()[band])
    return out


def _hlg(band: NDArray[Any]) -> FloatArray:
    scene = _scene_table()[band]
    luma = np.maximum(scene @ _LUMA, 1e-6)[..., None]
    display = scene * luma ** np.float32(_HLG_GAMMA - 1)
    index = np.minimum(np.sqrt(display) * (_LEVELS - 1), _LEVELS - 1).astype(np.uint16)
    compressed: FloatArray = _hlg_table()[index]
    return compressed


def _encoded(light: FloatArray) -> UInt8Array:
    linear = np.clip(light @ _TO_709.T, 0, 1)
    # The square root spreads the steps as the eye wants them; the table finishes the exponent.
    index = (np.sqrt(linear) * (_LEVELS - 1) + 0.5).astype(np.uint16)
    pixels: UInt8Array = _gamma_table()[index]
    return pixels


@functools.cache
def _pq_table() -> FloatArray:
    light = compress(pq_to_light(np.linspace(0, 1, _LEVELS)))
    return (light / WHITE).astype(np.float32)


@functools.cache
def _scene_table() -> FloatArray:
    return hlg_to_scene(np.linspace(0, 1, _LEVELS)).astype(np.float32)


@functools.cache
def _hlg_table() -> FloatArray:
    light = compress(PEAK * np.square(np.linspace(0, 1, _LEVELS)))
    return (light / WHITE).astype(np.float32)


@functools.cache
def _gamma_table() -> UInt8Array:
    linear = np.square(np.linspace(0, 1, _LEVELS))
    pixels: UInt8Array = np.rint(255 * linear ** (1 / 2.4)).astype(np.uint8)
    return pixels
