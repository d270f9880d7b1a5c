"""A server on this machine with ``/v1/videos`` around any video generator.

To rehearse a whole run with a server of one's own, or to share one GPU: it speaks what vLLM-Omni
speaks, for one clip at a time, and binds 127.0.0.1 only.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
from collections.abc import Callable
from typing import Any

from attrs import define, field

from phyrefine.backends.loopback.serving import LocalServer
from phyrefine.backends.loopback.wire import Request, Response, Sender
from phyrefine.errors import PhyrefineError
from phyrefine.protocols import VideoGenerator
from phyrefine.types import Prompt, Shot
from phyrefine.video.clip import Clip


@define
class VideoJob:
    """One job of the server."""

    id: str
    form: dict[str, str]
    status: str = "queued"
    video: bytes = b""
    error: str = ""


@define(eq=False)
class VideosLoopback(LocalServer):
    """The server. Use it as a context manager.

    Attributes:
        generator: Makes the clips.
        gives_prefix: The answer begins with the context frames, as Cosmos 3's does.
        interfere: Sees every request first; gives another answer, or ``None``.
        jobs: Jobs by id.
    """

    generator: VideoGenerator
    gives_prefix: bool = True
    interfere: Callable[[Request], Sender | None] = lambda _: None
    jobs: dict[str, VideoJob] = field(factory=dict)

    @property
    def submitted(self) -> int:
        """Jobs submitted so far: what a service would bill."""
        return sum(r.method == "POST" and r.path == "/v1/videos" for r in self.requests)

    def answer(self, request: Request) -> Sender:
        """The answer to one request."""
        with self._lock:
            self.requests.append(request)
            other = self.interfere(request)
            if other is not None:
                return other
            if (request.method, request.path) == ("POST", "/v1/videos"):
                return self._submit(request)
            job = self.jobs.get(request.path.split("/")[3] if request.path.count("/") > 2 else "")
            if job is None:
                return Response({"detail": "no such video"}, 404)
            if request.method == "DELETE":
                del self.jobs[job.id]
                return Response(_shown(job))
            if request.path.endswith("/content"):
                return Response(job.video, 200 if job.video else 404, kind="video/mp4")
            return Response(_shown(job), 500 if job.status == "failed" else 200)

    def _submit(self, request: Request) -> Response:
        form, files = parse_form(request)
        job = VideoJob(f"video_{len(self.jobs)}_{self.submitted}", form)
        self.jobs[job.id] = job
        try:
            job.video, job.status = self._made(form, files), "completed"
        except PhyrefineError as error:
            job.status, job.error = "failed", str(error)
        return Response({**_shown(job), "status": "queued"})

    def _made(self, form: dict[str, str], files: dict[str, bytes]) -> bytes:
        width, height = map(int, form["size"].split("x"))
        fps, total = float(form["fps"]), int(form["num_frames"])
        prefix = None
        for data in files.values():
            prefix = Clip.from_bytes(data)
        frames = total - (0 if prefix is None else len(prefix))
        shot = Shot(
            Prompt(form["prompt"], negative=form.get("negative_prompt") or None),
            prefix,
            seconds=frames / fps,
            fps=fps,
            size=(height, width),
            seed=int(form["seed"]),
            steps=int(form["num_inference_steps"]) if "num_inference_steps" in form else None,
        )
        made = self.generator.generate(shot)
        if prefix is not None and self.gives_prefix:
            import numpy as np

            made = Clip(np.concatenate([prefix.frames, made.frames]), fps)
        return made.to_bytes("mp4", quality=12)


def _shown(job: VideoJob) -> dict[str, Any]:
    error = {"message": job.error} if job.error else None
    return {"id": job.id, "object": "video", "status": job.status, "error": error}


def parse_form(request: Request) -> tuple[dict[str, str], dict[str, bytes]]:
    """(fields, files) of a multipart form, or of a JSON body without files."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        body = request.json
        words = {k: v if isinstance(v, str) else json.dumps(v) for k, v in body.items()}
        return words, {}
    raw = f"Content-Type: {kind}\r\n\r\n".encode() + request.body
    parts = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(raw)
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in parts.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data: Any = part.get_payload(decode=True)
        if part.get_filename():
            files[name] = data
        else:
            fields[name] = data.decode()
    return fields, files
