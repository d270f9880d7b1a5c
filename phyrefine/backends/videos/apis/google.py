"""Google's video models: Gemini Omni by key, Veo 3.1 by Vertex.

Gemini Omni speaks the Interactions API of google-genai 3.6 (``task: "extend"``); Veo's
``generate_videos`` works on Vertex alone. Not run against Google.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from phyrefine._optional import require
from phyrefine.backends.videos.api import Call, Job, Order, State, VideoApi
from phyrefine.errors import InvalidInputError

OMNI_DEFAULT = "gemini-omni-1.2-flash"
VEO_DEFAULT = "veo-3.1-generate-001"
# What Omni makes of one shot by default is several shots.
ONE_SHOT = "One unbroken static shot, no cuts. "
OMNI_STATES: Mapping[str, State] = {
    "queued": "waiting",
    "in_progress": "running",
    "completed": "done",
    "failed": "failed",
    "cancelled": "canceled",
    "incomplete": "failed",
    "budget_exceeded": "failed",
}
VEO_EXTENDS = 7.0


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


# -- Gemini Omni -------------------------------------------------------------------------------


def gemini_omni(model: str | None = None) -> VideoApi:
    """The row of a Gemini Omni model."""
    name = model or OMNI_DEFAULT

    def submit(order: Order) -> Call:
        content: list[dict[str, Any]] = [{"type": "text", "text": ONE_SHOT + order.prompt}]
        task = "text_to_video"
        if order.prefix is not None:
            task = "extend"
            video = {"type": "video", "mime_type": "video/mp4", "data": _encoded(order.prefix)}
            content.insert(0, video)
        body = {
            "model": name,
            "background": True,
            "input": [{"type": "user_input", "content": content}],
            "generation_config": {"video_config": {"task": task}},
            "response_format": [
                {
                    "type": "video",
                    "duration": f"{round(order.seconds)}s",
                    "resolution": "720p",
                    "delivery": "uri",
                }
            ],
        }
        return Call("POST", "/v1/interactions", json=body | dict(order.options))

    return VideoApi(
        "gemini-omni",
        "Gemini Omni",
        submit,
        _omni_job,
        lambda job: Call("GET", f"/v1/interactions/{job.id}?stream=false"),
        cancel=lambda job: Call("POST", f"/v1/interactions/{job.id}/cancel"),
        base_url="https://generativelanguage.googleapis.com",
        model=name,
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        auth=lambda key: {"x-goog-api-key": key},
        sizes=((720, 1280), (1280, 720)),
        context=240,
        seconds=(3, 10),
        step_seconds=1,
        seeded=False,
        takes=frozenset(),
        notes="No seed, no negative prompt. Extending uploaded clips is blocked in the EEA, "
        "Switzerland and the United Kingdom. Results carry a SynthID watermark.",
    )


def _omni_job(_: int, body: Any) -> Job:
    state = OMNI_STATES.get(str(body["status"]), "running")
    errors = body.get("errors") or []
    detail = "; ".join(str(error.get("message", error)) for error in errors)
    video = _omni_video(body)
    urls = {"result": video["uri"]} if video.get("uri") else {}
    data = base64.b64decode(video["data"]) if video.get("data") else None
    if state == "done" and not video:
        state, detail = "refused", detail or "it ended without a video"
    return Job(str(body.get("id", "")), state, detail, urls, data)


def _omni_video(body: Mapping[str, Any]) -> Mapping[str, Any]:
    if body.get("output_video"):
        video: Mapping[str, Any] = body["output_video"]
        return video
    for step in reversed(body.get("steps") or []):
        if step.get("type") != "model_output":
            continue
        for item in reversed(step.get("content") or []):
            if item.get("type") == "video":
                return dict(item)
    return {}


# -- Veo on Vertex -----------------------------------------------------------------------------


def veo(model: str | None = None, *, project: str = "", location: str = "us-central1") -> VideoApi:
    """The row of Veo on Vertex.

    Args:
        model: Veo model.
        project: Google Cloud project.
        location: Region.

    Raises:
        InvalidInputError: No project.
    """
    name = model or VEO_DEFAULT
    if not project:
        raise InvalidInputError(f"Veo runs in a project: veo:{name}?project=MY_PROJECT")
    base = f"/v1beta1/projects/{project}/locations/{location}/publishers/google/models/{name}"

    def submit(order: Order) -> Call:
        instance: dict[str, Any] = {"prompt": order.prompt}
        parameters: dict[str, Any] = {
            "sampleCount": 1,
            "seed": order.seed,
            "generateAudio": False,
            "resolution": "720p",
            "enhancePrompt": False,
        }
        if order.negative:
            parameters["negativePrompt"] = order.negative
        if order.prefix is not None:
            instance["video"] = {
                "bytesBase64Encoded": _encoded(order.prefix),
                "mimeType": "video/mp4",
            }
        else:
            parameters["durationSeconds"] = round(order.seconds)
        body = {"instances": [instance], "parameters": parameters | dict(order.options)}
        return Call("POST", f"{base}:predictLongRunning", json=body)

    return VideoApi(
        "veo",
        "Veo on Vertex",
        submit,
        _veo_job,
        lambda job: Call("POST", f"{base}:fetchPredictOperation", json={"operationName": job.id}),
        base_url=f"https://{location}-aiplatform.googleapis.com",
        model=name,
        keys=("GOOGLE_ACCESS_TOKEN",),
        sizes=((720, 1280), (1280, 720)),
        context=720,
        # An extension is seven seconds long, whatever is asked for; the rest is cut off.
        seconds=(VEO_EXTENDS, VEO_EXTENDS),
        takes=frozenset({"seed", "negative"}),
        notes="An extension adds 7 s, of which what was asked for is kept.",
    )


def _veo_job(_: int, body: Any) -> Job:
    if not body.get("done"):
        return Job(str(body["name"]), "running")
    if body.get("error"):
        return Job(str(body.get("name", "")), "failed", str(body["error"].get("message", "")))
    response = body.get("response") or {}
    videos = response.get("videos") or []
    if not videos:  # done without a video: filtered
        reasons = response.get("raiMediaFilteredReasons") or ["it was filtered"]
        return Job(str(body.get("name", "")), "refused", "; ".join(map(str, reasons)))
    first = videos[0]
    data = first.get("bytesBase64Encoded")
    detail = "" if data else f"the video is in {first.get('gcsUri')}, which is not read"
    job = Job(str(body.get("name", "")), "done" if data else "failed", detail)
    return Job(job.id, job.state, detail, result=base64.b64decode(data) if data else None)


def google_token() -> str:
    """An access token of the machine's Google credentials."""
    auth = require("google.auth", extra="gemini", feature="Veo on Vertex")
    require("google.auth.transport.requests", extra="gemini", feature="Veo on Vertex")
    import google.auth.transport.requests as transport

    credentials, _ = auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    credentials.refresh(transport.Request())
    token: str = credentials.token
    return token
