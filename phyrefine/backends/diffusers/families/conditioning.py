"""How each family takes its context: the frames of a window as arguments of a pipeline."""

from __future__ import annotations

from typing import Any

from phyrefine.backends.diffusers.families.spec import Window


def text_only(window: Window) -> dict[str, Any]:
    """Nothing: the family reads only the prompt."""
    return {"num_frames": window.length}


def image(window: Window) -> dict[str, Any]:
    """The last frame as a still image."""
    return {"image": window.images[-1], "num_frames": window.length}


def video(window: Window) -> dict[str, Any]:
    """All context frames as a list of images."""
    return {"video": window.images, "num_frames": window.length}


def video_or_image(window: Window) -> dict[str, Any]:
    """A list of images, or the image when there is just one."""
    return image(window) if len(window.frames) == 1 else video(window)
