"""The video services by name: ``videos:URL``, ``flux3``, ``fal:APP``, ``veo:MODEL?project=...``."""

from __future__ import annotations

from typing import Any, Literal

from phyrefine.backends.videos.apis import bfl, fal, google, openai_videos, replicate
from phyrefine.backends.videos.generator import HttpVideoGenerator
from phyrefine.errors import InvalidInputError
from phyrefine.registry import Backend

Server = Literal["vllm-omni", "sglang", "fastvideo", "tensorrt-llm", "dynamo"]
SERVERS = {
    "vllm-omni": openai_videos.VLLM_OMNI,
    "sglang": openai_videos.SGLANG,
    "fastvideo": openai_videos.FASTVIDEO,
    "tensorrt-llm": openai_videos.TENSORRT,
    "dynamo": openai_videos.DYNAMO,
}
Stage = Literal["full", "draft", "enhance"]
STAGES = {"full": bfl.FLUX_3, "draft": bfl.FLUX_3_DRAFT, "enhance": bfl.FLUX_3_ENHANCE}
NEEDS = ("httpx2", "platformdirs")


def VideosServer(  # noqa: N802 - reads like the class it makes
    url: str | None = None, *, server: Server = "vllm-omni", **settings: Any
) -> HttpVideoGenerator:
    """A generator on any server with ``/v1/videos``.

    Args:
        url: Its address, for example ``http://127.0.0.1:8091``; there is no default.
        server: Which program it is: the names of its extra fields differ.
        **settings: Of :class:`HttpVideoGenerator`.

    Raises:
        InvalidInputError: No address, or no such program.
    """
    if server not in SERVERS:
        raise InvalidInputError(f"No server {server!r}: one of {', '.join(SERVERS)}.")
    if not url:
        raise InvalidInputError(
            "Name the server's address: videos:http://127.0.0.1:8091 (there is no default)."
        )
    return HttpVideoGenerator(SERVERS[server], base_url=url, **settings)


def _flux3(model: str | None, *, stage: Stage = "full", **settings: Any) -> HttpVideoGenerator:
    """FLUX 3.

    Args:
        model: The model's id, if another than the service's default.
        stage: "full", "draft" (cheaper), or "enhance" (finishes a draft).
        **settings: See ``HttpVideoGenerator``.
    """
    if stage not in STAGES:
        raise InvalidInputError(f"FLUX 3 has no stage {stage!r}: one of {', '.join(STAGES)}.")
    if stage == "enhance":  # drafts made by name are found by the same settings
        settings.setdefault("drafts", HttpVideoGenerator(STAGES["draft"], model=model, **settings))
    return HttpVideoGenerator(STAGES[stage], model=model, **settings)


def _fal(model: str | None, **settings: Any) -> HttpVideoGenerator:
    return HttpVideoGenerator(fal.fal(model or ""), **settings)


def _replicate(
    model: str | None, *, video: str = "video", seconds_as: str = "duration", **settings: Any
) -> HttpVideoGenerator:
    """A model on Replicate.

    Args:
        model: ``owner/name``, or ``owner/name:version``.
        video: Name of the model's input for the prefix; models differ.
        seconds_as: Name of its input for the length; empty when it has none.
        **settings: See ``HttpVideoGenerator``.
    """
    row = replicate.replicate(model or "", video=video, seconds_as=seconds_as)
    return HttpVideoGenerator(row, **settings)


def _omni(model: str | None, **settings: Any) -> HttpVideoGenerator:
    return HttpVideoGenerator(google.gemini_omni(model), **settings)


def _veo(
    model: str | None, *, project: str = "", location: str = "us-central1", **settings: Any
) -> HttpVideoGenerator:
    """Veo on Vertex AI.

    Args:
        model: Veo model.
        project: Google Cloud project.
        location: Google Cloud region.
        **settings: See ``HttpVideoGenerator``.
    """
    row = google.veo(model, project=project, location=location)
    settings.setdefault("api_key", google.google_token)
    return HttpVideoGenerator(row, **settings)


def _backend(name: str, summary: str, factory: Any, keys: tuple[str, ...] = ()) -> Backend:
    return Backend(
        name=name,
        summary=summary,
        extra="videos",
        needs=NEEDS,
        keys=keys,
        generator=factory,
        options_from={"generator": (factory, HttpVideoGenerator)},
    )


VIDEOS = _backend("videos", "Any server with /v1/videos: vLLM-Omni, SGLang, …", VideosServer)
FLUX3 = _backend("flux3", "FLUX 3 by Black Forest Labs: v2v, drafts", _flux3, ("BFL_API_KEY",))
FAL = _backend("fal", "fal's apps that extend a video", _fal, ("FAL_KEY",))
REPLICATE = _backend("replicate", "Replicate's video models", _replicate, ("REPLICATE_API_TOKEN",))
GEMINI_OMNI = _backend(
    "gemini-omni", "Gemini Omni extends a clip", _omni, ("GEMINI_API_KEY", "GOOGLE_API_KEY")
)
VEO = _backend("veo", "Veo 3.1 on Vertex extends a clip", _veo)
