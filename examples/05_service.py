"""A small web service around one refiner: it streams attempts and cancels, with asyncio alone.

Needs the embedded models: pip install ".[demo]". Start it, and talk to it from another terminal::

    python examples/05_service.py
    curl -N http://127.0.0.1:8765/jobs -d '{"description": "A ball falls.", "video": "ball.mp4"}'
    curl -X DELETE http://127.0.0.1:8765/jobs/1

The answer to POST is one JSON object a line: the job's number, each attempt as it is finished, and
the result. A client that hangs up cancels its job; DELETE does so from elsewhere and still streams
what was finished. For a real service put your models in build() and a web framework around Service.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from phyrefine import Refinement, Scenario, SelfRefiner
from phyrefine.video.clip import Clip

logging.basicConfig(level=logging.INFO, format="%(message)s")
log = logging.getLogger(__name__)
HEAD = "HTTP/1.1 {}\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"


def build(**settings: Any) -> SelfRefiner:
    """The refiner of the service: here the embedded models, one clip at a time."""
    return SelfRefiner("world", "world", "world", **settings)


class Service:
    """Jobs on one refiner; events reach each job by the name of its scenario."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.refiner = build(run_dir=folder, listeners=[self.hear], **settings)
        self.folder = folder
        self.numbers = itertools.count(1)
        self.queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self.tasks: dict[str, asyncio.Task[Refinement]] = {}
        self.loop = asyncio.get_running_loop()

    def hear(self, event: str, details: Mapping[str, Any]) -> None:
        """Called in the threads that do the work."""
        queue = self.queues.get(details.get("scenario", ""))
        if event == "attempt" and queue is not None:
            attempt = details["attempt"]
            found = attempt.critique.violations if attempt.critique else ()
            told = {"attempt": details["position"], "prompt": attempt.prompt.text,
                    "violations": [violation.what for violation in found]}  # fmt: skip
            self.loop.call_soon_threadsafe(queue.put_nowait, told)

    async def run(self, scenario: Scenario) -> AsyncGenerator[dict[str, Any]]:
        """What a client is told; leaving the iteration cancels the job."""
        job = str(scenario.name)
        queue = self.queues[job] = asyncio.Queue()
        task = self.tasks[job] = asyncio.create_task(self.refiner.arefine(scenario))
        task.add_done_callback(lambda _: queue.put_nowait({}))
        try:
            yield {"job": job}
            while told := await queue.get():
                yield told
            yield self.result(job, task)
        finally:
            task.cancel()
            del self.queues[job], self.tasks[job]

    def result(self, job: str, task: asyncio.Task[Refinement]) -> dict[str, Any]:
        """The last line: the chosen video, or why there is none."""
        if task.cancelled():
            return {"stopped_by": "interrupted"}
        if error := task.exception():
            return {"stopped_by": "error", "reason": str(error)}
        refined = task.result()
        video = refined.video.write(self.folder / f"{job}.mp4")
        return {"stopped_by": refined.stopped_by, "chosen": refined.prompt.text,
                "video": str(video), "notes": list(refined.disclaimers)}  # fmt: skip

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        method, path, *_ = (await reader.readline()).decode().split(" ")
        length = 0
        while (line := (await reader.readline()).strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        try:
            if method == "POST":
                scenario = self.scenario(json.loads(await reader.readexactly(length)))
                writer.write(HEAD.format("200 OK").encode())
                async with contextlib.aclosing(self.run(scenario)) as told:
                    async for line in told:
                        writer.write(json.dumps(line).encode() + b"\n")
                        await writer.drain()  # raises when the client has hung up
            else:
                task = self.tasks.get(path.rpartition("/")[2]) if method == "DELETE" else None
                writer.write(HEAD.format("200 OK" if task else "404 Not Found").encode())
                writer.write(json.dumps({"cancelled": bool(task and task.cancel())}).encode())
        except (ValueError, KeyError) as error:
            writer.write(HEAD.format("400 Bad Request").encode())
            writer.write(json.dumps({"error": repr(error)}).encode())
        except ConnectionError as error:
            log.info("A client hung up: %r", error)
        finally:
            writer.close()

    def scenario(self, asked: Mapping[str, Any]) -> Scenario:
        """What a request asks for; its number is the scenario's name."""
        clip = Clip.read(asked["video"]).seconds(-3.0) if "video" in asked else None
        seconds = float(asked.get("seconds", 5.0))
        name = str(next(self.numbers))
        return Scenario(asked["description"], clip, name=name, seconds=seconds)


async def main(port: int = 8765) -> None:
    """Serve until interrupted."""
    service = Service(Path("runs/service"))
    server = await asyncio.start_server(service.serve, "127.0.0.1", port)
    print(f"Listening on http://127.0.0.1:{port}. Ctrl-C ends it.")
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("Stopped. Jobs that were not finished go on when they are asked for again.")
