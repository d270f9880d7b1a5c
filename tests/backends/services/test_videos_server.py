"""``/v1/videos`` servers: a whole run, kills, and every fault of the protocol, on loopback."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from video_services import Clock, moving

from phyrefine import Budget, Scenario, SelfRefiner
from phyrefine.backends.loopback.videos import VideosLoopback, parse_form
from phyrefine.backends.loopback.wire import Request, Response
from phyrefine.backends.videos import HttpVideoGenerator, VideosServer
from phyrefine.backends.videos.http import Limits
from phyrefine.backends.videos.jobs import Waiting
from phyrefine.backends.videos.journal import JobJournal
from phyrefine.errors import (
    BackendError,
    BackendTimeoutError,
    BlockedError,
    GenerationError,
    InvalidInputError,
)
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import check_generator
from phyrefine.types import GeneratorProfile, Prompt, Shot
from phyrefine.video import Clip, check_seam

SIZE = (96, 160)
PREFIX = Clip(moving(0, 72), 24.0)
SHOT = Shot(
    Prompt("it moves on", negative="blur"), PREFIX, seconds=1.0, fps=24.0, size=SIZE, seed=3
)


class Mover:
    """What is behind the server: it continues the moving square."""

    identity = "mover"
    profile = GeneratorProfile("mover", fps=24.0)

    def __init__(self) -> None:
        self.shots: list[Shot] = []

    def generate(self, shot: Shot) -> Clip:
        self.shots.append(shot)
        noise = np.random.default_rng([shot.seed, len(shot.prompt.text)])
        frames = moving(72, shot.frames, shot.size or SIZE).astype(int)
        frames += noise.integers(0, 6, frames.shape)
        return Clip(np.clip(frames, 0, 255).astype(np.uint8), shot.fps)


def generator(loopback: VideosLoopback, tmp_path: Path, **settings: Any) -> HttpVideoGenerator:
    settings = {"journal": JobJournal(tmp_path / "jobs"), "clock": Clock(), "size": SIZE} | settings
    return VideosServer(loopback.url, **settings)


def first(path: str, answer: Any, times: int = 1) -> Any:
    """Answers the first requests to a path otherwise."""
    left = [times]

    def interfere(request: Request) -> Any:
        method, _, where = path.partition(" ")
        if request.method != method or where not in request.path or left[0] == 0:
            return None
        left[0] -= 1
        return answer(request) if callable(answer) else answer

    return interfere


@pytest.mark.parametrize("gives_prefix", [True, False])
def test_only_new_frames_come_out(tmp_path: Path, gives_prefix: bool) -> None:
    with VideosLoopback(Mover(), gives_prefix=gives_prefix) as server:
        clip = generator(server, tmp_path).generate(SHOT)
    report = check_seam(PREFIX, clip, frames=24, fps=24.0, size=SIZE)
    assert report.ok, report.faults
    assert len(clip.as_made) == 24
    difference = np.abs(clip.frames.astype(int) - moving(72, 24)).mean()
    assert difference < 12  # H.264 and noise


def test_the_last_frames_of_the_prefix_condition_the_model(tmp_path: Path) -> None:
    """Two further fields, or Cosmos 3 sees the first five frames and nobody is told."""
    with VideosLoopback(Mover()) as server:
        generator(server, tmp_path).generate(SHOT)
        form, files = parse_form(server.requests[0])
    extra = json.loads(form["extra_params"])
    assert extra["condition_video_keep"] == "last"
    assert extra["condition_frame_indexes_vision"] == list(range(18))  # 69 of the 72 frames
    assert (form["size"], form["seed"], form["negative_prompt"]) == ("160x96", "3", "blur")
    sent = Clip.from_bytes(files["input_reference"])
    assert len(sent) == 69
    np.testing.assert_allclose(sent.frames[-1], PREFIX.frames[-1], atol=14)


@pytest.mark.slow
def test_the_contract(tmp_path: Path) -> None:
    with VideosLoopback(Mover()) as server:
        check_generator(generator(server, tmp_path))


@pytest.mark.slow
def test_the_same_shot_is_paid_once(tmp_path: Path) -> None:
    with VideosLoopback(Mover()) as server:
        one = generator(server, tmp_path).generate(SHOT)
        two = generator(server, tmp_path).generate(SHOT)
        assert one == two
        assert server.submitted == 1
        generator(server, tmp_path).generate(evolve(SHOT, seed=4))
        assert server.submitted == 2


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours may catch it."""


@pytest.mark.slow
def test_a_run_killed_between_submit_and_poll_pays_once(tmp_path: Path) -> None:
    """A whole refine() with a server around a generator: one job and one bill for each clip."""
    scenario = Scenario("A square moves.", PREFIX, seconds=1.0, size=SIZE, name="square")
    states = {"dead": True}

    class Dying(Clock):
        def sleep(self, seconds: float) -> None:
            if states["dead"]:
                raise Killed
            super().sleep(seconds)

    def waiting(request: Request) -> Any:
        in_progress = {"id": request.path.split("/")[-1], "status": "in_progress"}
        return Response(in_progress) if states["dead"] else None

    def refine(server: VideosLoopback) -> Any:
        made = generator(server, tmp_path, clock=Dying())
        return SelfRefiner(
            "world", "world", made, convergence=MaxLoops(1), run_dir=tmp_path / "run"
        ).refine(scenario)

    with VideosLoopback(
        Mover(), interfere=lambda r: first("GET /v1/videos/", waiting, 99)(r)
    ) as server:
        with pytest.raises(Killed):
            refine(server)
        assert server.submitted == 1
        states["dead"] = False
        refinement = refine(server)
        clips = sum(len(attempt.candidates) for attempt in refinement.attempts)
        assert server.submitted == clips
        assert refine(server).attempts == refinement.attempts
        assert server.submitted == clips


def test_a_job_that_is_gone_is_submitted_again_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = first("GET /v1/videos/", Response({"detail": "no such video"}, 404))
    with VideosLoopback(Mover(), interfere=gone) as server:
        with caplog.at_level(logging.WARNING):
            generator(server, tmp_path).generate(SHOT)
        assert server.submitted == 2
    assert "may be paid twice" in caplog.text


def test_a_failed_job_may_come_as_an_error_with_the_job_as_its_body(tmp_path: Path) -> None:
    def failed(request: Request) -> Response:
        job = {"id": "x", "object": "video", "status": "failed", "error": {"message": "out of nan"}}
        return Response(job, 500)

    with VideosLoopback(Mover(), interfere=first("GET /v1/videos/", failed, 9)) as server:
        with pytest.raises(GenerationError, match=r"failed: out of nan"):
            generator(server, tmp_path).generate(SHOT)
        assert len(server.requests) == 2  # no retry: the body is final
        assert server.submitted == 1


def test_a_refusal_is_no_failure_and_is_not_repeated(tmp_path: Path) -> None:
    job = {"id": "x", "status": "failed", "error": {"code": "content_policy", "message": "no"}}
    with VideosLoopback(Mover(), interfere=first("GET /v1/videos/", Response(job), 9)) as server:
        with pytest.raises(BlockedError, match="refused job"):
            generator(server, tmp_path).generate(SHOT)
        assert len(server.requests) == 2


def test_content_that_is_late_is_asked_for_again(tmp_path: Path) -> None:
    late = first("GET /content", Response({"detail": "still in progress"}, 404), 2)
    with VideosLoopback(Mover(), interfere=late) as server:
        assert len(generator(server, tmp_path).generate(SHOT)) == 24
        assert server.submitted == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", "video/mp4"), (b"<html>hello</html>", "text/html"), (b"not a video", "video/mp4")],
)
def test_what_is_no_video_is_named_with_its_job(tmp_path: Path, body: bytes, kind: str) -> None:
    wrong = first("GET /content", Response(body, kind=kind), 9)
    with VideosLoopback(Mover(), interfere=wrong) as server:
        with pytest.raises(BackendError, match="job video_0"):
            generator(server, tmp_path).generate(SHOT)
        assert server.submitted == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_submission_is_repeated_when_nothing_started(tmp_path: Path, status: int) -> None:
    busy = first("POST", Response({"detail": "busy"}, status, {"Retry-After": "7"}))
    with VideosLoopback(Mover(), interfere=busy) as server:
        made = generator(server, tmp_path)
        made.generate(SHOT)
        assert server.submitted == 2
        assert len(server.jobs) == 1
        assert sum(made.clock.waits) >= 7  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_submission_that_may_have_started_is_never_repeated(tmp_path: Path, status: int) -> None:
    with VideosLoopback(Mover(), interfere=first("POST", Response({}, status))) as server:
        with pytest.raises(BackendError, match="was not sent again"):
            generator(server, tmp_path).generate(SHOT)
        assert server.submitted == 1


class HangUp:
    def send(self, handler: Any) -> None:
        handler.close_connection = True
        handler.connection.close()


def test_a_submission_without_an_answer_is_never_repeated_and_the_next_run_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with VideosLoopback(Mover(), interfere=first("POST", HangUp())) as server:
        with pytest.raises(BackendError, match="was not sent again"):
            generator(server, tmp_path).generate(SHOT)
        assert server.submitted == 1
        with caplog.at_level(logging.WARNING):
            generator(server, tmp_path).generate(SHOT)
        assert server.submitted == 2
    assert "interrupted before its answer came" in caplog.text


def test_polls_are_repeated(tmp_path: Path) -> None:
    flaky = first("GET /v1/videos/", HangUp(), 2)
    with VideosLoopback(Mover(), interfere=flaky) as server:
        generator(server, tmp_path).generate(SHOT)
        assert server.submitted == 1


@pytest.mark.slow
def test_a_deadline_stops_the_job_and_says_what_to_raise(tmp_path: Path) -> None:
    running = first("GET /v1/videos/", Response({"id": "video_0_1", "status": "in_progress"}), 999)
    with VideosLoopback(Mover(), interfere=running) as server:
        made = generator(server, tmp_path, waiting=Waiting(deadline=60.0))
        with pytest.raises(BackendTimeoutError, match=r"not done after 60 s.*deadline"):
            made.generate(SHOT)
        assert server.requests[-1].method == "DELETE"
        waits = made.clock.waits  # type: ignore[attr-defined]
        assert max(waits) <= 11
        assert waits[0] < 1.2


def test_cancel_stops_the_job(tmp_path: Path) -> None:
    event = threading.Event()

    def running(request: Request) -> Response:
        event.set()
        return Response({"id": "video_0_1", "status": "in_progress"})

    with VideosLoopback(Mover(), interfere=first("GET /v1/videos/", running, 99)) as server:
        made = generator(server, tmp_path, cancel=event)
        with pytest.raises(GenerationError, match="was canceled"):
            made.generate(SHOT)
        assert server.requests[-1].method == "DELETE"


# -- money, limits, secrets --------------------------------------------------------------------


@pytest.mark.slow
def test_a_price_counts_against_a_budget_and_waiting_is_no_gpu_time(tmp_path: Path) -> None:
    scenario = Scenario("A square moves.", PREFIX, seconds=1.0, size=SIZE, name="square")
    with VideosLoopback(Mover()) as server:
        made = generator(server, tmp_path, usd_per_second=0.4)
        refinement = SelfRefiner(
            "world", "world", made, convergence=MaxLoops(3), budget=Budget(usd=0.5)
        ).refine(scenario)
        assert server.submitted == 2
    assert refinement.stopped_by == "budget"
    assert refinement.usage.usd == pytest.approx(0.8)
    assert refinement.usage.gpu_seconds == 0.0


def test_a_download_is_bounded(tmp_path: Path) -> None:
    huge = first("GET /content", Response(b"x" * 300_000, kind="video/mp4"), 9)
    with VideosLoopback(Mover(), interfere=huge) as server:
        made = generator(server, tmp_path, limits=Limits(bytes=100_000))
        with pytest.raises(BackendError, match="MiB, and the download was stopped"):
            made.generate(SHOT)


@pytest.mark.parametrize(
    ("target", "words"),
    [("file:///etc/passwd", "no web address"), ("http://example.com/x", "unencrypted address")],
)
def test_redirects_stay_within_bounds(tmp_path: Path, target: str, words: str) -> None:
    away = first("GET /content", Response({}, 302, {"Location": target}), 9)
    with (
        VideosLoopback(Mover(), interfere=away) as server,
        pytest.raises(BackendError, match=words),
    ):
        generator(server, tmp_path).generate(SHOT)


def test_the_key_goes_to_the_service_and_is_nowhere_on_disk(tmp_path: Path) -> None:
    key = "sk-loopback-0123456789abcdef"
    with VideosLoopback(Mover()) as server:
        made = generator(server, tmp_path, api_key=key)
        made.generate(SHOT)
        assert all(r.headers["authorization"] == f"Bearer {key}" for r in server.requests)
    assert key not in repr(made)
    assert key not in made.identity
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not any(key.encode() in data for data in written)


# -- settings ----------------------------------------------------------------------------------


def test_there_is_no_default_address() -> None:
    with pytest.raises(InvalidInputError, match="no default"):
        VideosServer()
    with pytest.raises(InvalidInputError, match="http://"):
        VideosServer("127.0.0.1:8091")
    with pytest.raises(InvalidInputError, match="No server 'comfy'"):
        VideosServer("http://127.0.0.1:8091", server="comfy")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("server", "field"),
    [
        ("sglang", "condition_frame_indexes"),
        ("tensorrt-llm", "condition_video_latent_indexes"),
        ("dynamo", "video_reference"),
    ],
)
def test_each_server_gets_its_own_field_names(tmp_path: Path, server: str, field: str) -> None:
    seen: list[Request] = []

    def stop(request: Request) -> Response:
        seen.append(request)
        return Response({"detail": "enough"}, 400)

    with (
        VideosLoopback(Mover(), interfere=stop) as loopback,
        pytest.raises(BackendError, match="enough"),
    ):
        generator(loopback, tmp_path, server=server).generate(SHOT)
    form, _ = parse_form(seen[0])
    assert field in form
    assert len(seen) == 1


def test_a_server_that_takes_an_image_only_is_conditioned_by_the_last_frame(tmp_path: Path) -> None:
    with VideosLoopback(Mover(), interfere=lambda _: Response({"detail": "enough"}, 400)) as server:
        made = generator(server, tmp_path, server="fastvideo")
        assert made.profile.context_frames == 1
        with pytest.raises(BackendError):
            made.generate(SHOT)
        _, files = parse_form(server.requests[0])
    assert files["input_reference"].startswith(b"\x89PNG")


@pytest.mark.slow
def test_several_servers_are_a_pool(tmp_path: Path) -> None:
    with VideosLoopback(Mover()) as one, VideosLoopback(Mover()) as two:
        from phyrefine.backends.videos.apis.openai_videos import VLLM_OMNI

        pool = HttpVideoGenerator.pool(
            VLLM_OMNI,
            [one.url, two.url],
            journal=JobJournal(tmp_path / "jobs"),
            clock=Clock(),
            size=SIZE,
        )
        assert pool[0].identity == pool[1].identity
        scenario = Scenario("A square moves.", PREFIX, seconds=1.0, size=SIZE)
        SelfRefiner("world", "world", pool, convergence=MaxLoops(1)).refine(scenario)
        assert one.submitted + two.submitted == 2


@pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")
def test_our_imitation_is_one_the_openai_sdk_accepts(tmp_path: Path) -> None:
    """The SDK's own client makes, polls and fetches a clip on our server."""
    openai = pytest.importorskip("openai")
    with VideosLoopback(Mover()) as server:
        client = openai.OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0)
        job = client.videos.create(
            model="m",
            prompt="it moves",
            size="160x96",
            extra_body={"num_frames": 9, "fps": 24, "seed": 1},
        )
        done = client.videos.retrieve(job.id)
        assert done.status == "completed"
        data = client.videos.download_content(job.id).read()
    assert len(Clip.from_bytes(data)) == 9
