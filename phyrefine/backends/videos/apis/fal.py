"""fal's queue, and its apps that extend a video. Read in fal-client 1.0.3; not run against fal."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from phyrefine.backends.videos.api import Call, Job, Order, State, VideoApi
from phyrefine.errors import InvalidInputError

STATES: Mapping[str, State] = {
    "IN_QUEUE": "waiting",
    "IN_PROGRESS": "running",
    "COMPLETED": "done",
}
REFUSALS = ("content_policy_violation", "moderation", "safety")


@frozen
class App:
    """One app of fal.

    Attributes:
        seconds: (least, most) seconds that it adds.
        usd: Price of a second in US dollars on ``priced``; ``None`` when unknown.
        extra: Fields that it always gets.
        seconds_as: Name of its field for the length; empty when it has none.
        as_text: The length is text such as ``"7s"``.
    """

    seconds: tuple[float, float]
    usd: float | None = None
    extra: Mapping[str, Any] = field(factory=dict)
    seconds_as: str = "duration"
    as_text: bool = False


# Pages of the apps, 2026-11.
APPS: Mapping[str, App] = {
    "blackforestlabs/flux-3/extend-video": App((5, 20), 0.41, {"generate_audio": False}),
    "blackforestlabs/flux-3/draft/extend-video": App((5, 20), 0.06, {"generate_audio": False}),
    "google/gemini-omni-flash/v1.2/extend": App((3, 10), as_text=True),
    "minimax/h3-max-turbo/extend-video": App((5, 10)),
    "fal-ai/veo3.1/extend-video": App((7, 7), extra={"generate_audio": False}, as_text=True),
    "xai/grok-imagine-video/extend-video": App((5, 10)),
}
PRICED = "2026-11-27"


def fal(app: str) -> VideoApi:
    """The row of an app, for example ``blackforestlabs/flux-3/extend-video``.

    Raises:
        InvalidInputError: No name.
    """
    if not app:
        raise InvalidInputError(f"Name an app: fal:{next(iter(APPS))}. Known: {', '.join(APPS)}.")
    row = APPS.get(app, App((1, 20)))

    def submit(order: Order) -> Call:
        body: dict[str, Any] = {"prompt": order.prompt, **row.extra}
        if order.prefix is not None:
            body["video_url"] = f"data:video/mp4;base64,{base64.b64encode(order.prefix).decode()}"
        if row.seconds_as:
            length = round(order.seconds)
            body[row.seconds_as] = f"{length}s" if row.as_text else length
        return Call("POST", f"/{app}", json=body | dict(order.options))

    return VideoApi(
        "fal",
        f"fal {app}",
        submit,
        _parse,
        _poll,
        fetch=_answer,
        cancel=lambda job: Call("PUT", job.urls.get("cancel", f"/{app}/requests/{job.id}/cancel")),
        base_url="https://queue.fal.run",
        model=app,
        keys=("FAL_KEY",),
        auth=lambda key: {"Authorization": f"Key {key}"},
        keeps=("poll", "answer", "cancel"),
        seconds=row.seconds,
        step_seconds=1,
        seeded=False,
        takes=frozenset(),
        context=240,
        usd_per_second=row.usd,
        priced=PRICED if row.usd is not None else "",
        notes="" if app in APPS else "Not in the table: its fields are guessed from its kin.",
    )


def _parse(status: int, body: Any) -> Job:
    video = body.get("video")
    if isinstance(video, Mapping) and video.get("url"):
        return Job("", "done", urls={"result": video["url"]}, facts=_facts(body))
    urls = {
        name: body[key]
        for name, key in (
            ("poll", "status_url"),
            ("answer", "response_url"),
            ("cancel", "cancel_url"),
        )
        if body.get(key)
    }
    state = STATES.get(str(body.get("status", "IN_QUEUE")), "running")
    detail = str(body.get("error") or body.get("detail") or "")
    if detail and (state == "done" or status >= 400):
        kind = f"{body.get('error_type', '')} {detail}".lower()
        state = "refused" if any(word in kind for word in REFUSALS) else "failed"
    if "queue_position" in body and not detail:
        detail = f"place {body['queue_position']} in the queue"
    return Job(str(body.get("request_id", "")), state, detail, urls)


def _facts(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"seed": body["seed"]} if "seed" in body else {}


def _poll(job: Job) -> Call:
    return Call("GET", job.urls["poll"])


def _answer(job: Job) -> Call:
    return Call("GET", job.urls.get("answer", job.urls["poll"].removesuffix("/status")))
