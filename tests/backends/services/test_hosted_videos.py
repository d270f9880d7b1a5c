"""Hosted video services, each by an imitation on loopback: requests, faults, refusals, waits."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from video_services import Clock, Imitation, continuation, moving, video

from phyrefine import Scenario, SelfRefiner
from phyrefine.backends.loopback.wire import Request, Response
from phyrefine.backends.videos import Call, HttpVideoGenerator, Job, VideoApi
from phyrefine.backends.videos.apis import bfl, fal, google, replicate
from phyrefine.backends.videos.cutting import cut_continuation
from phyrefine.backends.videos.journal import JobJournal
from phyrefine.errors import AuthError, BlockedError, GenerationError, InvalidInputError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.search.drafting import Draft
from phyrefine.types import Prompt, Shot
from phyrefine.video import Clip, check_seam

SIZE = (96, 160)
PREFIX = Clip(moving(0, 72), 24.0)
SHOT = Shot(Prompt("it moves on"), PREFIX, seconds=5.0, fps=24.0, size=SIZE, seed=3)
KEY = "key-0123456789abcdef-loopback"


def generator(api: VideoApi, server: Imitation, tmp_path: Path, **more: Any) -> HttpVideoGenerator:
    settings = {
        "base_url": server.url,
        "api_key": KEY,
        "journal": JobJournal(tmp_path / "jobs"),
        "clock": Clock(),
        "size": None if api.sizes else SIZE,
    }
    return HttpVideoGenerator(api, **settings | more)


def small(api: VideoApi) -> VideoApi:
    """The row at a size that takes no time."""
    return evolve(api, sizes=(), size=SIZE)


def check(clip: Clip) -> None:
    report = check_seam(PREFIX, clip, frames=120, fps=24.0, size=SIZE)
    assert report.ok, report.faults


# -- FLUX 3 ------------------------------------------------------------------------------------


def flux(server: Imitation, request: Request) -> Response:
    if request.method == "POST":
        server.state["video"] = continuation(request, "start_video")
        return Response({"id": "f1", "polling_url": f"{server.url}/v1/get_result?id=f1"})
    if "get_result" in request.path:
        server.state["polls"] = server.state.get("polls", 0) + 1
        status = ["Pending", "Reasoning", "Generating", "Ready"][min(3, server.state["polls"] - 1)]
        result = {"sample": f"{server.url}/signed?token=s3cr3t"} if status == "Ready" else None
        return Response({"id": "f1", "status": status, "result": result})
    return Response(server.state["video"], kind="video/mp4")


@pytest.mark.slow
def test_flux_3_continues_a_clip(tmp_path: Path) -> None:
    with Imitation(flux) as server:
        made = generator(bfl.FLUX_3, server, tmp_path)
        check(made.generate(SHOT))
        body = json.loads(server.requests[0].body)
        assert (body["mode"], body["duration"], body["generate_audio"]) == ("v2v", 5, False)
        assert server.requests[0].headers["x-key"] == KEY
        assert server.count("POST") == 1
        waits = made.clock.waits  # type: ignore[attr-defined]
        assert len(waits) == 3
        assert waits[0] < waits[1] < waits[2]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "jobs").glob("*.json"))
    assert b"f1" in kept
    assert b"s3cr3t" not in kept  # signed addresses are never written


def test_flux_3_moderation_is_a_refusal(tmp_path: Path) -> None:
    def moderated(server: Imitation, request: Request) -> Response:
        if request.method == "POST":
            return Response({"id": "f1", "polling_url": f"{server.url}/poll"})
        return Response({"id": "f1", "status": "Request Moderated", "details": "not that"})

    with Imitation(moderated) as server:
        with pytest.raises(BlockedError, match="not that"):
            generator(bfl.FLUX_3, server, tmp_path).generate(SHOT)
        assert len(server.requests) == 2


def test_a_polling_address_on_another_host_gets_no_key(tmp_path: Path) -> None:
    with Imitation(lambda server, request: flux(server, request)) as other:

        def elsewhere(server: Imitation, request: Request) -> Response:
            return Response({"id": "f1", "polling_url": f"{other.url}/v1/get_result?id=f1"})

        with (
            Imitation(elsewhere) as server,
            pytest.raises(GenerationError, match="unencrypted address"),
        ):
            generator(bfl.FLUX_3, server, tmp_path).generate(SHOT)
        assert not other.requests


def test_flux_3_cannot_be_told_steps(tmp_path: Path) -> None:
    with Imitation(flux) as server, pytest.raises(InvalidInputError, match="number of steps"):
        generator(bfl.FLUX_3, server, tmp_path, steps=16)


@pytest.mark.slow
def test_a_draft_and_its_full_version(tmp_path: Path) -> None:
    def drafting(server: Imitation, request: Request) -> Response:
        if request.method == "POST":
            server.state["sent"] = json.loads(request.body)
            return Response({"id": "f1", "polling_url": f"{server.url}/poll"})
        if "poll" in request.path:
            result = {"sample": f"{server.url}/x", "draft_cache": "c-1"}
            return Response({"id": "f1", "status": "Ready", "result": result})
        return Response(video(moving(72, 120)), kind="video/mp4")

    with Imitation(drafting) as server:
        check(generator(bfl.FLUX_3_DRAFT, server, tmp_path).generate(SHOT))
        assert server.state["sent"]["draft"] is True
        enhance = generator(bfl.FLUX_3_ENHANCE, server, tmp_path, options={"draft_cache": "c-1"})
        check(enhance.generate(SHOT))
        assert server.state["sent"] == {"mode": "draft_enhance", "draft_cache": "c-1"}


def drafts_server(server: Imitation, request: Request) -> Response:
    """Drafts with a cache each; an enhanced clip for every cache that was given out."""
    if request.method == "POST":
        sent = json.loads(request.body)
        server.state.setdefault("sent", []).append(sent)
        name = f"f{len(server.state['sent'])}"
        return Response({"id": name, "polling_url": f"{server.url}/poll/{name}"})
    if "/poll/" in request.path:
        name = request.path.rpartition("/")[2]
        draft = server.state["sent"][int(name[1:]) - 1].get("draft")
        extra = {"draft_cache": f"cache-of-{name}"} if draft else {}
        result = {"sample": f"{server.url}/x", **extra}
        return Response({"id": name, "status": "Ready", "result": result})
    return Response(video(moving(72, 120)), kind="video/mp4")


@pytest.mark.slow
def test_what_a_draft_said_reaches_its_full_version(tmp_path: Path) -> None:
    with Imitation(drafts_server) as server:
        drafts = generator(bfl.FLUX_3_DRAFT, server, tmp_path)
        full = generator(bfl.FLUX_3_ENHANCE, server, tmp_path, drafts=drafts)
        other = evolve(SHOT, prompt=Prompt("Another ball."))
        drafts.generate(other)
        drafts.generate(SHOT)
        check(full.generate(SHOT))
        assert server.state["sent"][-1] == {"mode": "draft_enhance", "draft_cache": "cache-of-f2"}
        again = generator(  # another process, which knows the journal only
            bfl.FLUX_3_ENHANCE, server, tmp_path,
            drafts=generator(bfl.FLUX_3_DRAFT, server, tmp_path),
        )  # fmt: skip
        again.generate(other)
        assert server.state["sent"][-1]["draft_cache"] == "cache-of-f1"
        assert [bool(sent.get("draft")) for sent in server.state["sent"]] == [
            True,
            True,
            False,
            False,
        ]


def test_a_full_version_without_its_draft_says_what_to_do(tmp_path: Path) -> None:
    with Imitation(drafts_server) as server:
        drafts = generator(bfl.FLUX_3_DRAFT, server, tmp_path)
        for full in (generator(bfl.FLUX_3_ENHANCE, server, tmp_path),
                     generator(bfl.FLUX_3_ENHANCE, server, tmp_path, drafts=drafts)):  # fmt: skip
            with pytest.raises(GenerationError, match=r"knows none of this shot.*draft_cache"):
                full.generate(SHOT)
        assert "sent" not in server.state  # nothing was paid for


@pytest.mark.slow
def test_a_whole_run_on_drafts_enhances_the_chosen_one(tmp_path: Path) -> None:
    with Imitation(drafts_server) as server:
        drafts = generator(bfl.FLUX_3_DRAFT, server, tmp_path)
        full = generator(bfl.FLUX_3_ENHANCE, server, tmp_path, drafts=drafts)
        refiner = SelfRefiner(
            "world", "world", full, convergence=MaxLoops(1), ensemble="last",
            draft=Draft(generator=drafts),
        )  # fmt: skip
        made = refiner.refine(Scenario("A ball.", SHOT.prefix, seconds=SHOT.seconds))
        finals = [attempt for attempt in made.attempts if attempt.final]
        assert len(finals) == 2
        sent = server.state["sent"]
        caches = {
            one["prompt"]: f"cache-of-f{number}"
            for number, one in enumerate(sent, 1)
            if "draft" in one
        }
        enhanced = [one["draft_cache"] for one in sent if one.get("mode") == "draft_enhance"]
        assert enhanced == [caches[attempt.prompt.text] for attempt in finals]
        assert len(set(enhanced)) == 2


# -- fal ---------------------------------------------------------------------------------------


def fal_server(server: Imitation, request: Request) -> Response:
    job = f"{server.url}/app/requests/r1"
    if request.method == "POST":
        server.state["video"] = continuation(request, "video_url")
        return Response(
            {
                "request_id": "r1",
                "status": "IN_QUEUE",
                "status_url": f"{job}/status",
                "response_url": job,
                "cancel_url": f"{job}/cancel",
            }
        )
    if request.path.endswith("/status"):
        failed = server.state.get("failed")
        return Response({"request_id": "r1", "status": "COMPLETED"} | (failed or {}))
    if request.path.endswith("/requests/r1"):
        return Response({"video": {"url": f"{server.url}/file.mp4"}, "seed": 42})
    return Response(server.state["video"], kind="video/mp4")


@pytest.mark.slow
def test_fal_extends_a_clip(tmp_path: Path) -> None:
    with Imitation(fal_server) as server:
        made = generator(fal.fal("blackforestlabs/flux-3/extend-video"), server, tmp_path)
        check(made.generate(SHOT))
        assert made.price(SHOT) == pytest.approx(2.05)
        assert server.requests[0].headers["authorization"] == f"Key {KEY}"
        assert server.requests[0].path == "/blackforestlabs/flux-3/extend-video"
        assert json.loads(server.requests[0].body)["generate_audio"] is False


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"error": "boom", "error_type": "runner_error"}, GenerationError),
        ({"error": "no", "error_type": "content_policy_violation"}, BlockedError),
    ],
)
def test_fal_may_say_completed_of_a_failed_run(tmp_path: Path, fault: Any, error: Any) -> None:
    with Imitation(fal_server) as server:
        server.state["failed"] = fault
        with pytest.raises(error, match="job r1"):
            generator(fal.fal("xai/grok-imagine-video/extend-video"), server, tmp_path).generate(
                SHOT
            )
        assert server.count("POST") == 1


# -- Replicate ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_replicate_predictions(tmp_path: Path) -> None:
    def predictions(server: Imitation, request: Request) -> Response:
        if request.method == "POST":
            server.state["video"] = continuation(request, "input.video")
            return Response({"id": "p1", "status": "starting"}, 201)
        if request.path.endswith("/predictions/p1"):
            return Response({"id": "p1", "status": "succeeded", "output": [f"{server.url}/out"]})
        return Response(server.state["video"], kind="video/mp4")

    with Imitation(predictions) as server:
        check(generator(replicate.replicate("a/b"), server, tmp_path).generate(SHOT))
        assert server.requests[0].path == "/v1/models/a/b/predictions"
        assert json.loads(server.requests[0].body)["input"]["seed"] == 3
        assert "authorization" in server.requests[-1].headers  # the imitation is one host


# -- Google ------------------------------------------------------------------------------------


def test_gemini_omni_extends_a_clip(tmp_path: Path) -> None:
    def omni(server: Imitation, request: Request) -> Response:
        if request.method == "POST":
            data = continuation(request, "input.0.content.0.data")
            server.state["data"] = base64.b64encode(data).decode()
            return Response({"id": "i1", "status": "in_progress"})
        item = {"type": "video", "mime_type": "video/mp4", "data": server.state["data"]}
        steps = [{"type": "model_output", "content": [item]}]
        return Response({"id": "i1", "status": "completed", "steps": steps})

    with Imitation(omni) as server:
        made = generator(small(google.gemini_omni()), server, tmp_path)
        clip = made.generate(SHOT)
        assert len(clip) == 120
        assert clip.size == SIZE
        body = json.loads(server.requests[0].body)
        assert body["generation_config"]["video_config"]["task"] == "extend"
        assert server.requests[0].headers["x-goog-api-key"] == KEY
        assert not made.profile.negative_prompt
        assert '"seeded": false' in made.identity


def test_veo_that_is_done_without_a_video_was_filtered(tmp_path: Path) -> None:
    def veo(server: Imitation, request: Request) -> Response:
        if request.path.endswith("predictLongRunning"):
            return Response({"name": "operations/o1"})
        reasons = ["support code 1"]
        return Response(
            {
                "name": "operations/o1",
                "done": True,
                "response": {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": reasons},
            }
        )

    with Imitation(veo) as server:
        with pytest.raises(BlockedError, match="support code 1"):
            generator(small(google.veo(project="p")), server, tmp_path).generate(SHOT)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_veo_adds_seven_seconds_of_which_five_are_kept(tmp_path: Path) -> None:
    def veo(server: Imitation, request: Request) -> Response:
        if request.path.endswith("predictLongRunning"):
            data = continuation(request, "instances.0.video.bytesBase64Encoded", seconds=7.0)
            server.state["data"] = base64.b64encode(data).decode()
            return Response({"name": "operations/o1"})
        videos = [{"bytesBase64Encoded": server.state["data"]}]
        return Response({"name": "operations/o1", "done": True, "response": {"videos": videos}})

    with Imitation(veo) as server:
        assert (
            len(generator(small(google.veo(project="p")), server, tmp_path).generate(SHOT)) == 120
        )


def test_names_that_need_more_say_so() -> None:
    with pytest.raises(InvalidInputError, match=r"veo:.*project="):
        google.veo()
    with pytest.raises(InvalidInputError, match="Name an app"):
        fal.fal("")
    with pytest.raises(InvalidInputError, match="owner/name"):
        replicate.replicate("sora")


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BFL_API_KEY", raising=False)
    with pytest.raises(AuthError, match="BFL_API_KEY"):
        HttpVideoGenerator(bfl.FLUX_3)


# -- a service of one's own --------------------------------------------------------------------


def test_a_service_of_ones_own_takes_a_few_lines(tmp_path: Path) -> None:
    def parse(_: int, body: Any) -> Job:
        return Job(body["task"], "done" if body["ready"] else "running")

    mine = VideoApi(
        "mine",
        "My service",
        lambda order: Call("POST", "/render", json={"text": order.prompt, "n": order.frames}),
        parse,
        lambda job: Call("GET", f"/task/{job.id}"),
        fetch=lambda job: Call("GET", f"/task/{job.id}/file"),
        base_url="http://127.0.0.1:1",
        context=1,
    )

    def service(server: Imitation, request: Request) -> Response:
        if request.path.endswith("/file"):
            return Response(video(moving(72, 120)), kind="video/mp4")
        return Response({"task": "t1", "ready": request.method == "GET"})

    with Imitation(service) as server:
        check(generator(mine, server, tmp_path).generate(SHOT))


# -- cutting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fps"),
    [
        (lambda frames: frames, 24.0),
        (lambda frames: np.clip(frames.astype(int) + 2, 0, 255).astype(np.uint8), 24.0),
        (lambda frames: frames[1:], 24.0),  # a frame short
        (lambda frames: frames[::3], 8.0),  # another rate
    ],
)
def test_a_prefix_given_back_is_cut_off_by_comparing(change: Any, fps: float) -> None:
    received = Clip(change(np.concatenate([PREFIX.frames, moving(72, 120)])), fps)
    cut = cut_continuation(received, PREFIX, seconds=5.0, sent=72)
    assert len(cut.clip) == round(5 * fps)
    assert abs(cut.repeated - round(3 * fps)) <= 1
    first = moving(72, 1)[0].astype(int)
    assert np.abs(cut.clip.frames[0] - first).mean() < 6


def test_a_still_prefix_is_cut_off_by_the_number_of_frames() -> None:
    still = Clip(np.repeat(moving(0, 1), 72, axis=0), 24.0)
    received = Clip(np.concatenate([still.frames, still.frames[:1].repeat(120, axis=0)]), 24.0)
    cut = cut_continuation(received, still, seconds=5.0, sent=72)
    assert (cut.repeated, len(cut.clip)) == (72, 120)


def test_a_clip_that_is_all_prefix_is_an_error() -> None:
    with pytest.raises(GenerationError, match=r"of which 72\s+repeat the prefix"):
        cut_continuation(PREFIX, PREFIX, seconds=5.0, sent=72)
