"""The example service streams attempts, cancels, and reports errors, over a real socket."""

import asyncio
import contextlib
import importlib.util
import json
import threading
from pathlib import Path

import pytest
from test_refiner import Watcher, Writer

from phyrefine import SelfRefiner
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot, moving_clip

PATH = Path(__file__).parents[2] / "examples" / "05_service.py"


@pytest.fixture
def example(monkeypatch):
    spec = importlib.util.spec_from_file_location("service_example", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.dot = MovingDot()
    monkeypatch.setattr(
        module,
        "build",
        lambda **settings: SelfRefiner(
            Watcher(), Writer(), module.dot, convergence=MaxLoops(2), ensemble="last", **settings
        ),
    )
    return module


OPEN = []


async def request(port, method, path, body=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    OPEN.append(writer)
    status = int((await reader.readline()).split()[1])
    while (await reader.readline()).strip():
        pass
    return status, reader, writer


async def lines(reader):
    return [json.loads(line) for line in (await reader.read()).splitlines()]


def serve(example, folder, talk):
    async def run():
        service = example.Service(folder)
        server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
        async with server:
            told = await asyncio.wait_for(talk(server.sockets[0].getsockname()[1], service), 60)
        while OPEN:
            writer = OPEN.pop()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        return told

    return asyncio.run(run())


@pytest.fixture
def asked(tmp_path):
    video = moving_clip(24, (32, 32)).write(tmp_path / "dot.mkv")
    return json.dumps({"description": "A dot.", "video": str(video), "seconds": 1}).encode()


def test_two_jobs_stream_and_end(example, tmp_path, asked):
    async def talk(port, service):
        answers = await asyncio.gather(*(request(port, "POST", "/jobs", asked) for _ in range(2)))
        return [await lines(reader) for _, reader, _ in answers]

    for told in serve(example, tmp_path / "run", talk):
        assert [line.get("attempt") for line in told[1:-1]] == [0, 1, 2]
        assert told[1]["violations"] == ["it stops"]
        assert told[-1]["stopped_by"] == "loop_limit"
        assert Path(told[-1]["video"]).stat().st_size > 0


@pytest.mark.parametrize("how", ["delete", "hang up"])
def test_a_job_is_cancelled(example, tmp_path, asked, how):
    begun, go_on = threading.Event(), threading.Event()

    def wait(shot):
        begun.set()
        go_on.wait(30)

    example.dot.fail = wait

    async def talk(port, service):
        _, reader, writer = await request(port, "POST", "/jobs", asked)
        assert json.loads(await reader.readline()) == {"job": "1"}
        await asyncio.to_thread(begun.wait, 30)
        told = []
        if how == "delete":
            _, other, _ = await request(port, "DELETE", "/jobs/1")
            assert await lines(other) == [{"cancelled": True}]
            told = await lines(reader)
        else:
            writer.transport.abort()
            go_on.set()
            while service.tasks:
                await asyncio.sleep(0.02)
        go_on.set()
        while service.refiner._running._meters:
            await asyncio.sleep(0.02)
        return told

    told = serve(example, tmp_path / "run", talk)
    assert told == ([{"stopped_by": "interrupted"}] if how == "delete" else [])
    if how == "delete":
        assert len(example.dot.shots) == 1  # nothing more was made


def test_unknown_jobs_and_errors(example, tmp_path):
    async def talk(port, service):
        missing, _, _ = await request(port, "DELETE", "/jobs/7")
        bad, reader, _ = await request(port, "POST", "/jobs", b'{"description": ""}')
        return missing, bad, await lines(reader)

    missing, bad, (told,) = serve(example, tmp_path / "run", talk)
    assert (missing, bad) == (404, 400)
    assert "description" in told["error"]
