"""The server: who may ask, for what, and when an answer counts as stored."""

import http.client
import json
import os

import pytest

from phyrefine.rating.answers import RatingLog, read_logs
from phyrefine.rating.serving import MOST_BYTES, RatingServer
from phyrefine.rating.study import make_study


@pytest.fixture
def server(run, tmp_path):
    study = make_study(tmp_path / "s", [run])
    with RatingLog(tmp_path / "s", study, "ann") as log, RatingServer(log) as found:
        yield found


def ask(server, path, method="GET", body=None, **headers):
    port = int(server.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Host": f"127.0.0.1:{port}", **headers})
        reply = connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()
    finally:
        connection.close()


def post(server, told, path="answers", **headers):
    headers = {"Content-Type": "application/json", **headers}
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return ask(server, f"/{server.token}/{path}", "POST", body, **headers)


def good(server, number=0, answer="left"):
    trial = server.log.trials[number]
    return {
        "trial": number,
        "left": trial.left,
        "right": trial.right,
        "answer": answer,
        "seconds": 1,
    }


def test_it_listens_on_this_machine_only_and_the_token_is_long(server):
    assert server.address.startswith("http://127.0.0.1:")
    assert len(server.token) >= 32
    assert server.token not in repr(server)


def test_without_the_token_there_is_nothing(server):
    for path in ("/", "/x/", f"/{server.token}", f"/{server.token[:-1]}/", "//", "/%00/",
                 f"/{server.token}x/", "/clips/a.mp4"):  # fmt: skip
        assert ask(server, path)[0] == 404, path
    status, headers, body = ask(server, f"/{server.token}/")
    assert status == 200
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert server.token.encode() not in body


def test_another_host_or_origin_is_refused(server):
    path = f"/{server.token}/"
    port = server.url.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""):
        assert ask(server, path, Host=host)[0] == 403, host
    assert ask(server, path, Host=f"localhost:{port}")[0] == 200
    assert post(server, good(server), Origin="http://evil.example")[0] == 403
    assert post(server, good(server), Origin="null")[0] == 403
    assert server.log.ratings == {}
    assert post(server, good(server), Origin=f"http://127.0.0.1:{port}")[0] == 200


def test_only_clips_of_the_study_are_shown(server, tmp_path):
    clip = server.log.study.clips[0].id
    status, headers, body = ask(server, f"/{server.token}/clips/{clip}.mp4")
    assert status == 200
    assert headers["Content-Type"] == "video/mp4"
    assert body == (tmp_path / "s" / "clips" / f"{clip}.mp4").read_bytes()
    for path in ("study.json", "../study.json", "clips/../study.json", "clips/../../s/study.json",
                 "clips/%2e%2e/study.json", "clips/..%2fstudy.json", "answers/ann.jsonl",
                 "/etc/passwd", f"clips/{clip}.mp4/", f"clips/{clip}", "clips/", "answers"):  # fmt: skip
        assert ask(server, f"/{server.token}/{path}")[0] == 404, path
    (tmp_path / "s" / "clips" / f"{clip}.mp4").unlink()
    assert ask(server, f"/{server.token}/clips/{clip}.mp4")[0] == 500


def test_an_answer_is_on_disk_when_it_is_confirmed(server, tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(number) or real(number))
    status, _, body = post(server, good(server))
    assert (status, json.loads(body)) == (200, {"stored": 1})
    assert synced
    stored = read_logs(tmp_path / "s", server.log.study)[0].ratings[0]
    assert stored.answer == "left"
    assert stored.at.startswith("20")


def test_what_is_no_answer_is_refused_and_nothing_is_stored(server, tmp_path):
    before = server.log.path.read_bytes()
    trial = good(server)
    for spoiled in (b"", b"{", b"[]", b"null", b"1", b'"x"', {}, {**trial, "answer": "both"},
                    {**trial, "trial": 99}, {**trial, "trial": -1}, {**trial, "trial": "0x"},
                    {**trial, "left": trial["right"]}, {**trial, "more": 1},
                    {**trial, "seconds": -1}, {**trial, "seconds": float("nan")}):  # fmt: skip
        assert post(server, spoiled)[0] == 400, spoiled
    assert post(server, trial, **{"Content-Type": "text/plain"})[0] == 415
    assert post(server, b" " * (MOST_BYTES + 1))[0] == 413
    assert post(server, trial, path="elsewhere")[0] == 404
    assert ask(server, f"/{server.token}/answers", "PUT", b"")[0] == 405
    assert (
        ask(server, f"/{server.token}/answers", "POST", b"{}", **{"Content-Length": "-5"})[0] == 400
    )
    assert server.log.path.read_bytes() == before
    assert server.log.ratings == {}


def test_a_full_disk_is_told_and_the_answer_does_not_count(server, monkeypatch):
    def full(number):
        raise OSError(28, "No space left on device")

    before = server.log.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        status, _, body = post(server, good(server))
    assert status == 507
    assert b"No room left" in body
    assert server.log.path.read_bytes() == before
    assert server.log.ratings == {}
    assert post(server, good(server))[0] == 200


def test_finishing_ends_the_command(server):
    assert not server.finished.is_set()
    assert post(server, b"", path="finish")[0] == 200
    assert server.finished.is_set()


def test_a_port_may_be_chosen(run, tmp_path):
    study = make_study(tmp_path / "s", [run])
    with RatingLog(tmp_path / "s", study, "ann") as log:
        with RatingServer(log) as first:
            port = int(first.url.rpartition(":")[2])
            with pytest.raises(OSError, match="in use"):
                RatingServer(log, port).__enter__()
        with RatingServer(log, port) as again:
            assert again.url.endswith(f":{port}")
