"""Replicate's predictions. Read in replicate 1.0.7; not run against the service."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from phyrefine.backends.videos.api import Call, Job, Order, State, VideoApi
from phyrefine.errors import InvalidInputError

STATES: Mapping[str, State] = {
    "starting": "waiting",
    "processing": "running",
    "succeeded": "done",
    "failed": "failed",
    "canceled": "canceled",
}
REFUSALS = ("nsfw", "flagged", "moderat", "safety", "e005")


def replicate(model: str, *, video: str = "video", seconds_as: str = "duration") -> VideoApi:
    """The row of a model.

    Args:
        model: ``owner/name``, or ``owner/name:version``.
        video: Name of its input for the prefix; models differ.
        seconds_as: Name of its input for the length; empty when it has none.

    Raises:
        InvalidInputError: No such form of name.
    """
    if "/" not in (model or ""):
        raise InvalidInputError(f"Name a model: replicate:owner/name, not {model!r}.")
    name, _, version = model.partition(":")

    def submit(order: Order) -> Call:
        given: dict[str, Any] = {"prompt": order.prompt, "seed": order.seed}
        if order.negative:
            given["negative_prompt"] = order.negative
        if seconds_as:
            given[seconds_as] = round(order.seconds)
        if order.prefix is not None:
            given[video] = f"data:video/mp4;base64,{base64.b64encode(order.prefix).decode()}"
        given |= dict(order.options)
        if version:
            return Call("POST", "/v1/predictions", json={"version": version, "input": given})
        return Call("POST", f"/v1/models/{name}/predictions", json={"input": given})

    return VideoApi(
        "replicate",
        f"Replicate {name}",
        submit,
        _parse,
        lambda job: Call("GET", f"/v1/predictions/{job.id}"),
        cancel=lambda job: Call("POST", f"/v1/predictions/{job.id}/cancel"),
        base_url="https://api.replicate.com",
        model=model,
        keys=("REPLICATE_API_TOKEN",),
        seconds=(1, 20),
        step_seconds=1,
        takes=frozenset({"seed", "negative"}),
        context=240,
        notes="Names of inputs differ from model to model: options= adds and replaces them.",
    )


def _parse(_: int, body: Any) -> Job:
    output = body.get("output")
    address = output[0] if isinstance(output, list) and output else output
    urls = {"result": address} if isinstance(address, str) else {}
    state = STATES.get(str(body["status"]), "running")
    detail = str(body.get("error") or "")
    if state == "failed" and any(word in detail.lower() for word in REFUSALS):
        state = "refused"
    return Job(str(body["id"]), state, detail, urls)
