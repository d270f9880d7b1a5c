"""Video models behind HTTP as generators: servers of one's own, and hosted services.

May import ``backends.calling`` and ``backends.continuing``.
"""

from phyrefine.backends.videos.api import Call, Job, Order, VideoApi
from phyrefine.backends.videos.generator import HttpVideoGenerator
from phyrefine.backends.videos.named import (
    FAL,
    FLUX3,
    GEMINI_OMNI,
    REPLICATE,
    VEO,
    VIDEOS,
    VideosServer,
)

__all__ = [
    "FAL",
    "FLUX3",
    "GEMINI_OMNI",
    "REPLICATE",
    "VEO",
    "VIDEOS",
    "Call",
    "HttpVideoGenerator",
    "Job",
    "Order",
    "VideoApi",
    "VideosServer",
]
