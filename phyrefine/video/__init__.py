"""Clips: reading, writing, resampling by time, and what a model gets of a prefix."""

from phyrefine.video.clip import Clip, join
from phyrefine.video.delivery import deliver
from phyrefine.video.prefix import context, native_size
from phyrefine.video.seam import SeamReport, check_seam

__all__ = ["Clip", "SeamReport", "check_seam", "context", "deliver", "join", "native_size"]
