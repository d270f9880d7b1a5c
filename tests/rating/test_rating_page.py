"""The page as Chromium runs it: served here, and as one file."""

import csv
import json
import threading

import pytest
from browsing import FLAGS, chromium, complaints, press, resize, until
from rated_runs import SECRET_WORDS

from phyrefine.rating import page
from phyrefine.rating.answers import RatingLog, add_csv, read_logs
from phyrefine.rating.serving import RatingServer
from phyrefine.rating.study import make_study

pytestmark = pytest.mark.slow
STATUS = "document.getElementById('status').textContent"
COUNT = "document.getElementById('count').textContent"
READY = "!document.querySelector('[data-answer=left]').disabled"
DONE = "!document.getElementById('done').hidden"
# Videos play by themselves, and what is downloaded is kept.
PLAYING = [flag for flag in FLAGS if "reduced-motion" not in flag]


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(tmp_path_factory, downloads):
    kept = {"download.default_directory": str(downloads)}
    with chromium(tmp_path_factory.mktemp("chromium"), PLAYING, **kept) as driver:
        yield driver


@pytest.fixture
def server(run, tmp_path):
    study = make_study(tmp_path / "s", [run], repeat=0.5)
    with RatingLog(tmp_path / "s", study, "ann") as log, RatingServer(log) as found:
        yield found


@pytest.fixture(autouse=True)
def quiet(browser):
    """Without what the test before left in the logs."""
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)


def keys():
    from selenium.webdriver.common.keys import Keys

    return {"left": Keys.ARROW_LEFT, "right": Keys.ARROW_RIGHT, "same": Keys.ARROW_DOWN,
            "back": Keys.BACKSPACE}  # fmt: skip


def pair(number, total=8):
    return f"{COUNT} === 'pair {number} of {total}'"


def answer(browser, said):
    until(browser, READY)
    press(browser, keys()[said])


def test_a_whole_study_by_keyboard_alone(browser, server):
    browser.get(server.address)
    for number, said in enumerate(
        ("left", "right", "same", "left", "left", "right", "right", "same")
    ):
        until(browser, pair(number + 1))
        answer(browser, said)
    until(browser, DONE)
    found = {number: one.answer for number, one in server.log.ratings.items()}
    assert found == dict(
        enumerate(("left", "right", "same", "left", "left", "right", "right", "same"))
    )
    assert all(one.seconds > 0.5 for one in server.log.ratings.values())
    assert complaints(browser) == []
    from selenium.webdriver.common.keys import Keys

    press(browser, Keys.ENTER)  # the button that ends it has the focus
    until(browser, "document.querySelector('#done h2').textContent.startsWith('Finished')")
    assert server.finished.is_set()


def test_nothing_counts_before_both_were_watched(browser, server):
    browser.get(server.address)
    until(browser, pair(1))
    browser.execute_script(
        "for (const v of document.querySelectorAll('video')) v.playbackRate = 0.0625"
    )
    press(browser, keys()["left"])
    until(browser, f"{STATUS} === 'Watch both to the end first.'")
    assert server.log.ratings == {}
    press(browser, "x")  # a video that does not play can be said so at once
    until(browser, pair(2))
    assert server.log.ratings[0].answer == "broken"


def test_going_back_replaces_and_a_held_key_is_one_answer(browser, server):
    browser.get(server.address)
    answer(browser, "left")
    until(browser, pair(2))
    press(browser, keys()["back"])
    until(browser, pair(1))
    pressed = "document.querySelector('[data-answer=left]').getAttribute('aria-pressed')"
    assert browser.execute_script(f"return {pressed}") == "true"
    answer(browser, "right")
    until(browser, pair(2))
    assert server.log.ratings[0].answer == "right"
    until(browser, READY)
    browser.execute_script(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', repeat: true, bubbles: true}))"
    )
    press(browser, " ")
    until(browser, "document.querySelector('#replay span').textContent === 'Play'")
    assert set(server.log.ratings) == {0}
    assert browser.execute_script(
        "return [...document.querySelectorAll('video')].every(v => v.paused)"
    )


def test_it_goes_on_where_it_stopped(browser, server, tmp_path):
    browser.get(server.address)
    answer(browser, "left")
    until(browser, pair(2))
    server.log.__exit__()
    with RatingLog(tmp_path / "s", server.log.study, "ann") as log, RatingServer(log) as again:
        browser.get(again.address)
        until(browser, pair(2))
        answer(browser, "same")
        until(browser, pair(3))
        assert {number: one.answer for number, one in log.ratings.items()} == {0: "left", 1: "same"}
    assert len(read_logs(tmp_path / "s", log.study)[0].ratings) == 2


def test_what_was_not_stored_is_said_and_the_pair_stays(browser, server, monkeypatch):
    browser.get(server.address)
    until(browser, READY)
    from phyrefine.errors import StoreError

    broken = threading.Event()

    def fails(self, rating):
        broken.set()
        raise StoreError("No room left to write it.")

    with monkeypatch.context() as patch:
        patch.setattr(RatingLog, "add", fails)
        press(browser, keys()["left"])
        until(browser, f"{STATUS}.startsWith('Not stored: No room left')")
    assert broken.is_set()
    assert browser.execute_script(f"return {pair(1)}")
    press(browser, keys()["left"])
    until(browser, pair(2))
    assert server.log.ratings[0].answer == "left"


@pytest.mark.parametrize(("width", "height", "touch"), [(1440, 900, False), (390, 844, True)])
def test_everything_is_in_view(browser, server, width, height, touch):
    resize(browser, width, height, touch=touch)
    try:
        browser.get(server.address)
        until(browser, READY)
        boxes = browser.execute_script(
            "return [...document.querySelectorAll('video, [data-answer], #replay, h1, #status')]"
            ".map(e => e.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
        )
        for left, top, right, bottom in boxes:
            assert left >= 0
            assert top >= 0
            assert right <= width + 0.5
            assert bottom <= height + 0.5
        screens = boxes[1:3] if boxes[0][3] - boxes[0][1] < 30 else boxes[:2]
        (a, b) = sorted(screens)
        assert a[2] - a[0] == pytest.approx(b[2] - b[0], abs=1)  # neither is larger
        assert a[3] - a[1] == pytest.approx(b[3] - b[1], abs=1)
        assert a[2] - a[0] > 300
        shown = browser.execute_script(
            "return getComputedStyle(document.querySelector('kbd')).display"
        )
        assert (shown == "none") == touch
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_one_file_keeps_answers_and_gives_them_as_csv(browser, run, downloads, tmp_path):
    study = make_study(tmp_path / "s", [run], question="<img src=x onerror=window.hit=1> Which?")
    with RatingLog(tmp_path / "s", study, "ann") as log:
        path = page.write_page(log, tmp_path / "rate.html")
        count = len(log.trials)
    browser.get(path.as_uri())
    answer(browser, "left")
    until(browser, pair(2, count))
    browser.refresh()
    until(browser, pair(2, count))  # the browser kept it
    for number in range(2, count + 1):
        until(browser, pair(number, count))
        answer(browser, "right")
    until(browser, DONE)
    browser.execute_script("document.getElementById('download').click()")
    file = downloads / f"answers-{study.id}-ann.csv"
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(
        lambda _: file.exists() and file.read_text().count("\n") > count
    )
    with file.open(newline="") as rows:
        assert [row["answer"] for row in csv.DictReader(rows)] == ["left"] + ["right"] * (count - 1)
    assert add_csv(tmp_path / "s", study, file) == ("ann", count)
    assert browser.execute_script("return window.hit === undefined")
    assert complaints(browser) == []
    assert SECRET_WORDS not in path.read_text()
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in asked
            if one["method"] == "Network.requestWillBeSent"]  # fmt: skip
    assert [url for url in urls if url.startswith("file:")]
    assert not [url for url in urls if url.startswith(("http", "ws", "ftp"))]
