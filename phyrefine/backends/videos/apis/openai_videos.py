"""Servers with OpenAI's job protocol ``/v1/videos``: vLLM-Omni, SGLang, FastVideo, TensorRT-LLM.

OpenAI itself switched its Videos API off on 2026-09-24; the protocol lives on in these servers, so
there is no default address. Field names were read in vllm-omni 0.30.0, sglang 0.5.23, FastVideo
2f3d40740 and TensorRT-LLM's documentation.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from phyrefine._json import parse_json
from phyrefine.backends.videos.api import Call, Job, Order, State, VideoApi
from phyrefine.types import FrameGrid

# Latents of four frames: 73 frames are latents 0..18.
LATENT_FRAMES = 4
COSMOS_CONTEXT = 73
STATES: Mapping[str, State] = {
    "queued": "waiting",
    "in_progress": "running",
    "completed": "done",
    "failed": "failed",
    "cancelled": "canceled",
}
REFUSING = ("moderation", "content_policy", "safety", "guardrail")


def latents(frames: int) -> list[int]:
    """Indexes of the latents that hold ``frames`` context frames."""
    return list(range(1 + (frames - 1) // LATENT_FRAMES))


def parse(status: int, body: Any) -> Job:
    """The job in an answer; the body counts, not the HTTP status."""
    if not isinstance(body, Mapping) or "status" not in body:
        if status >= 400:
            raise ValueError("a job")
        raise KeyError("status")
    said = str(body["status"])
    state = STATES.get(said, "running")
    error = body.get("error") or {}
    detail = error.get("message", "") if isinstance(error, Mapping) else str(error)
    code = str(error.get("code", "")) if isinstance(error, Mapping) else ""
    if state == "failed" and any(word in f"{code} {detail}".lower() for word in REFUSING):
        state = "refused"
    facts = {name: body[name] for name in ("model", "seed", "num_frames", "fps") if name in body}
    return Job(str(body.get("id", "")), state, detail, facts=facts)


def _poll(job: Job) -> Call:
    return Call("GET", f"/v1/videos/{job.id}")


def _fetch(job: Job) -> Call:
    return Call("GET", f"/v1/videos/{job.id}/content")


def _delete(job: Job) -> Call:
    return Call("DELETE", f"/v1/videos/{job.id}")


def _base(order: Order) -> dict[str, Any]:
    height, width = order.size
    form: dict[str, Any] = {
        "prompt": order.prompt,
        "size": f"{width}x{height}",
        "num_frames": order.total,
        "fps": order.fps,
        "seed": order.seed,
    }
    if order.steps is not None:
        form["num_inference_steps"] = order.steps
    if order.negative:
        form["negative_prompt"] = order.negative
    return form


def _form(fields: Callable[[Order], tuple[dict[str, Any], dict[str, Any]]]) -> Any:
    def submit(order: Order) -> Call:
        form, files = fields(order)
        return Call("POST", "/v1/videos", form=form | dict(order.options), files=files)

    return submit


def _mp4(order: Order) -> tuple[str, bytes, str]:
    return ("prefix.mp4", order.prefix or b"", "video/mp4")


def _vllm(order: Order) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both extra fields, or the model sees the first five frames of the prefix and says nothing."""
    form, files = _base(order), {}
    if order.prefix is not None:
        files["input_reference"] = _mp4(order)
        form["extra_params"] = {
            "condition_frame_indexes_vision": latents(order.context),
            "condition_video_keep": "last",
        }
    return form, files


def _sglang(order: Order) -> tuple[dict[str, Any], dict[str, Any]]:
    form, files = _base(order) | {"enhance_prompt": False, "generator_device": "cpu"}, {}
    if order.prefix is not None:
        files["video_reference"] = _mp4(order)
        form["condition_frame_indexes"] = latents(order.context)
        form["condition_video_keep"] = "last"
    return form, files


def _tensorrt(order: Order) -> tuple[dict[str, Any], dict[str, Any]]:
    form, files = _base(order), {}
    if order.prefix is not None:
        files["input_reference"] = _mp4(order)
        form["condition_video_latent_indexes"] = latents(order.context)
        form["condition_video_keep"] = "last"
    return form, files


def _fastvideo(order: Order) -> tuple[dict[str, Any], dict[str, Any]]:
    form, files = _base(order), {}
    if order.image is not None:
        files["input_reference"] = ("last.png", order.image, "image/png")
    return form, files


def _dynamo(order: Order) -> Call:
    """NVIDIA Dynamo takes the same fields as JSON, and files as data addresses."""
    body = _base(order)
    if order.prefix is not None:
        data = base64.b64encode(order.prefix).decode()
        body["video_reference"] = {"video_url": f"data:video/mp4;base64,{data}"}
        body["extra_params"] = parse_json(
            json.dumps(
                {
                    "condition_frame_indexes_vision": latents(order.context),
                    "condition_video_keep": "last",
                }
            )
        )
    return Call("POST", "/v1/videos", json=body | dict(order.options))


VLLM_OMNI = VideoApi(
    "videos-vllm",
    "vLLM-Omni",
    _form(_vllm),
    parse,
    _poll,
    fetch=_fetch,
    cancel=_delete,
    keys=("PHYREFINE_VIDEOS_KEY",),
    grid=FrameGrid(4, 1),
    total_frames=True,
    context=COSMOS_CONTEXT,
    # Whole latents: one frame, then four each.
    context_grid=FrameGrid(LATENT_FRAMES, 1),
    words=None,
    usd_per_second=0.0,
    notes="Cosmos 3 sees the last 73 frames; other models of this server use the first frames of a "
    "reference, and the seam check will tell.",
)
SGLANG = evolve(
    VLLM_OMNI,
    name="videos-sglang",
    title="SGLang-diffusion",
    submit=_form(_sglang),
    # Its DELETE forgets the job and does not stop the work.
    cancel=lambda _: None,
)
TENSORRT = evolve(
    VLLM_OMNI,
    name="videos-tensorrt",
    title="TensorRT-LLM",
    submit=_form(_tensorrt),
    verified="read in its documentation; a loopback imitation",
)
DYNAMO = evolve(VLLM_OMNI, name="videos-dynamo", title="NVIDIA Dynamo", submit=_dynamo)
FASTVIDEO = evolve(
    VLLM_OMNI,
    name="videos-fastvideo",
    title="FastVideo",
    submit=_form(_fastvideo),
    cancel=lambda _: None,
    context=1,
    total_frames=False,
    why_no_prefix="its server takes an image only",
    notes="It sees the prefix's last frame only.",
)
