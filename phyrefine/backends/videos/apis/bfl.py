"""Black Forest Labs' FLUX 3 video: ``v2v`` continues a clip; drafts are cheap.

Documentation of 2026-08 (api.bfl.ai); not run against the service.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from phyrefine.backends.videos.api import Call, Job, Order, State, VideoApi

STATES: Mapping[str, State] = {
    "Pending": "waiting",
    "Reasoning": "running",
    "Generating": "running",
    "Ready": "done",
    "Error": "failed",
    "Request Moderated": "refused",
    "Content Moderated": "refused",
    "Task not found": "failed",
}


def _submit(order: Order) -> Call:
    body: dict[str, Any] = {
        "prompt": order.prompt,
        "mode": "t2v" if order.prefix is None else "v2v",
        "duration": round(order.seconds),
        "resolution": "hd" if order.size[0] <= 720 else "fhd",
        "generate_audio": False,
    }
    if order.prefix is not None:
        body["start_video"] = base64.b64encode(order.prefix).decode()
    return Call("POST", "/v1/flux-3-video", json=body | dict(order.options))


def _enhance(order: Order) -> Call:
    """The full version of a draft, by what the draft's answer said."""
    return Call(
        "POST",
        "/v1/flux-3-video",
        json={"mode": "draft_enhance", "draft_cache": order.options["draft_cache"]},
    )


def _parse(_: int, body: Any) -> Job:
    urls = {"poll": body["polling_url"]} if body.get("polling_url") else {}
    if "status" not in body:
        return Job(str(body["id"]), "waiting", urls=urls)
    result = body.get("result") or {}
    if result.get("sample"):
        urls["result"] = result["sample"]
    facts = {"draft_cache": result["draft_cache"]} if result.get("draft_cache") else {}
    detail = str(body.get("details") or body["status"])
    return Job(
        str(body.get("id", "")), STATES.get(body["status"], "running"), detail, urls, facts=facts
    )


def _poll(job: Job) -> Call:
    return Call("GET", job.urls.get("poll", f"/v1/get_result?id={job.id}"))


FLUX_3 = VideoApi(
    "flux3",
    "FLUX 3",
    _submit,
    _parse,
    _poll,
    base_url="https://api.bfl.ai",
    keys=("BFL_API_KEY",),
    auth=lambda key: {"x-key": key},
    hosts=(".bfl.ai",),
    keeps=("poll",),
    context=240,
    seconds=(5, 20),
    step_seconds=1,
    seeded=False,
    takes=frozenset(),
    words=300,
    notes="It expands the prompt by itself and has no seed: two clips of one prompt differ.",
)
FLUX_3_DRAFT = evolve(
    FLUX_3,
    name="flux3-draft",
    title="FLUX 3 draft",
    submit=lambda order: evolve(_submit(order), json={**_submit(order).json, "draft": True}),
)
FLUX_3_ENHANCE = evolve(
    FLUX_3, name="flux3-enhance", title="FLUX 3 enhance", submit=_enhance, finishes="draft_cache"
)
