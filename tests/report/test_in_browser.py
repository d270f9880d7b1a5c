"""The pages as Chromium runs them: opened from a file, with no network."""

import json

import pytest
from attrs import evolve
from browsing import chromium, complaints, press, resize, until
from test_html import hostile_run

from phyrefine import report
from phyrefine.testing import moving_clip
from phyrefine.types import Attempt, Candidate, Prompt, Refinement, Scenario

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


LOADED = "[...document.querySelectorAll('video:not([hidden])')].every(v => v.readyState >= 2)"
SETTLED = f"{LOADED} && ![...document.querySelectorAll('video')].some(v => v.seeking)"
# What each visible video shows: seconds of its own time.
SHOWN = """return Object.fromEntries([...document.querySelectorAll('video:not([hidden])')]
    .map(v => [v.dataset.candidate, v.currentTime]))"""


@pytest.fixture
def opened(browser, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    browser.get(path.as_uri())
    until(browser, SETTLED)
    return browser


def with_shift(browser, key):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    ActionChains(browser).key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT).perform()


def scrub(browser, seconds):
    browser.execute_script(
        "const s = document.querySelector('[data-do=scrub]'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input', {bubbles: true}))",
        seconds,
    )
    until(browser, SETTLED)


def clock(browser):
    text = browser.execute_script("return document.querySelector('[data-clock]').textContent")
    return float(text.replace("−", "-").removesuffix(" s"))


def test_it_opens_without_complaints_and_without_the_network(opened):
    assert complaints(opened) == []
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if url.startswith("file:")]
    assert not [url for url in asked if url.startswith(("http", "ws", "ftp"))]


def test_all_panels_show_the_same_moment(opened):
    for time in (0.0, 0.5, 1.2):
        scrub(opened, time)
        shown = opened.execute_script(SHOWN)
        assert set(shown) == {"prefix", "0.0", "1.0", "2.1", "truth"}
        # The middle of the frame that is on screen at that time; the prefix holds its last.
        frame = (int(time * 16 + 1e-6) + 0.5) / 16
        for key in ("0.0", "1.0", "2.1", "truth"):
            assert shown[key] == pytest.approx(frame, abs=1e-3)
        assert shown["prefix"] == pytest.approx(15.5 / 16, abs=1e-3)


def test_before_the_seam_every_panel_shows_the_prefix(opened):
    scrub(opened, -0.5)
    assert opened.execute_script(SHOWN)["prefix"] == pytest.approx(8.5 / 16, abs=1e-3)
    leads = "[...document.querySelectorAll('canvas[data-lead]')]"
    assert opened.execute_script(f"return {leads}.map(c => c.hidden)") == [False] * 4
    scrub(opened, 0.2)
    assert opened.execute_script(f"return {leads}.map(c => c.hidden)") == [True] * 4


def test_the_keyboard_plays_steps_and_jumps(opened):
    from selenium.webdriver.common.keys import Keys

    press(opened, " ")
    until(opened, "[...document.querySelectorAll('video:not([hidden])')].some(v => !v.paused)")
    until(opened, "document.querySelector('[data-clock]').textContent !== '0.00 s'")
    press(opened, " ")
    assert opened.execute_script(
        "return [...document.querySelectorAll('video')].every(v => v.paused)"
    )
    press(opened, "0")
    assert clock(opened) == 0
    press(opened, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert clock(opened) == pytest.approx(2 / 16, abs=0.006)
    with_shift(opened, Keys.ARROW_RIGHT)
    assert clock(opened) == pytest.approx(2 / 16 + 0.5, abs=0.02)
    press(opened, Keys.HOME)
    assert clock(opened) == -1
    press(opened, Keys.END)
    assert clock(opened) == 1.5


def test_native_frames_are_one_key_away(opened):
    kinds = "[...document.querySelectorAll('video:not([hidden])')].map(v => v.dataset.kind)"
    assert set(opened.execute_script(f"return {kinds}")) == {"delivered"}
    scrub(opened, 0.5)
    press(opened, "n")
    until(opened, SETTLED)
    assert opened.execute_script(f"return {kinds}").count("native") == 3
    # Half a second into 8 frames per second: the fifth frame.
    assert opened.execute_script(SHOWN)["0.0"] == pytest.approx(4.5 / 8, abs=1e-3)
    label = "document.querySelector('[data-position=\"0\"] [data-frames-label]').textContent"
    assert opened.execute_script(f"return {label}") == "native: 12 frames of 100×60 at 8 fps"


def test_violations_lead_to_their_moment(opened):
    opened.execute_script("document.querySelector('#attempt-1 button[data-seek]').click()")
    assert clock(opened) == pytest.approx(0.4)
    lit = "[...document.querySelectorAll('[data-now] span:not([hidden])')].map(s => s.textContent)"
    assert opened.execute_script(f"return {lit}") == ["elastic bounce", "energy at a bounce"]
    cursor = "document.querySelector('[data-cursor]').getAttribute('x1')"
    at = float(opened.execute_script(f"return {cursor}"))
    scrub(opened, 1.2)
    assert float(opened.execute_script(f"return {cursor}")) > at
    assert opened.execute_script(f"return {lit}") == ["elastic bounce"]


def test_candidates_can_be_compared(opened):
    opened.execute_script("document.querySelector('[data-show=\"2.0\"]').click()")
    until(opened, SETTLED)
    assert "2.0" in opened.execute_script(SHOWN)
    assert "2.1" not in opened.execute_script(SHOWN)


def test_light_and_dark(opened):
    ground = "return getComputedStyle(document.body).backgroundColor"
    click = "document.getElementById('theme').click()"
    opened.execute_script(click)
    light = opened.execute_script(ground)
    opened.execute_script(click)
    assert opened.execute_script(ground) != light
    assert opened.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("kind", ["report", "gallery"])
def test_hostile_text_never_runs(browser, refinement, tmp_path, kind):
    run = hostile_run(refinement)
    path = tmp_path / "<img src=x onerror=window.hit=1>.html"
    if kind == "report":
        report.write(run, path)
    else:
        report.write_gallery([run], path)
    browser.get(path.as_uri())
    until(browser, "document.readyState === 'complete'")
    assert browser.execute_script("return window.hit === undefined")
    assert "</script><script>window.hit=1</script>" in browser.execute_script(
        "return document.querySelector('main').textContent"
    )
    assert complaints(browser) == []


def test_the_policy_stops_what_would_slip_through(browser, page, tmp_path):
    path = tmp_path / "injected.html"
    spoiled = page.replace(
        "<main>", "<main><script>window.hit=1</script><img src=x onerror=window.hit=2>"
    )
    path.write_text(spoiled, encoding="utf-8")
    browser.get(path.as_uri())
    until(browser, "document.readyState === 'complete'")
    assert browser.execute_script("return window.hit === undefined")
    assert any("Content Security Policy" in message for message in complaints(browser))


def test_the_gallery_plays_and_filters(browser, refinement, truth, tmp_path):
    other = evolve(
        refinement,
        scenario=evolve(refinement.scenario, name="liquid", description="Milk spreads in tea."),
        prediction=evolve(refinement.prediction, domains=("fluid dynamics",)),
    )
    path = report.write_gallery([refinement, other], tmp_path / "g.html", truths=[truth, None])
    browser.get(path.as_uri())
    browser.execute_script("document.getElementById('play-all').click()")
    until(browser, "[...document.querySelectorAll('video')].filter(v => !v.paused).length >= 2")
    browser.execute_script("document.getElementById('play-all').click()")
    assert browser.execute_script(
        "return [...document.querySelectorAll('video')].every(v => v.paused)"
    )
    browser.execute_script(
        "const s = document.getElementById('search'); s.value = 'milk';"
        "s.dispatchEvent(new Event('input'))"
    )
    visible = "[...document.querySelectorAll('.exhibit:not([hidden]) h3')].map(h => h.textContent)"
    assert browser.execute_script(f"return {visible}") == ["liquid"]
    assert (
        browser.execute_script("return document.getElementById('shown').textContent") == "1 shown"
    )
    assert complaints(browser) == []


WIDTHS = [(390, True), (800, False), (1440, False)]
# Left, top and width of each panel's video or image, in the order of the page.
PLACES = """return [...document.querySelectorAll(arguments[0])].map(panel =>
    panel.querySelector('.screen').getBoundingClientRect()).map(b => [b.left, b.top, b.width])"""


@pytest.fixture(params=WIDTHS, ids=lambda width: str(width[0]))
def sized(browser, request):
    width, touch = request.param
    resize(browser, width, 900, touch=touch)
    yield browser, width, touch
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def fits(browser):
    return browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_a_report_fits_every_width(sized, refinement, truth, tmp_path):
    browser, width, touch = sized
    controls = {"random": "1.0", "random inside the guard": "2.0", "most motion": "2.1",
                "least motion": "0.0"}  # fmt: skip
    told = evolve(refinement, choice=evolve(refinement.choice, controls=controls))
    path = report.write(told, tmp_path / "r.html", truth=truth, true_scores={"0.0": 12.3})
    browser.get(path.as_uri())
    until(browser, SETTLED)
    assert fits(browser)
    places = browser.execute_script(PLACES, ".panel")
    tops = {round(top) for _, top, _ in places}
    assert len(places) == 5  # the prefix, three attempts, the truth
    assert len(tops) == (3 if width == 390 else 1)  # side by side, also on a phone: two in a row
    assert len({round(w) for _, _, w in places}) == 1
    keys = browser.execute_script(
        "return getComputedStyle(document.querySelector('.keys')).display"
    )
    assert (keys == "none") == touch
    assert "true score 12.3" in browser.execute_script(
        "return document.querySelector('[data-position=\"0\"] .true-score').textContent"
    )


def test_a_gallery_card_shows_its_clips_in_line(sized, refinement, truth, tmp_path):
    browser, width, _ = sized
    scores = {"0.0": 12.0, "2.1": 80.0}
    path = report.write_gallery(
        [refinement], tmp_path / "g.html", truths=[truth], true_scores=[scores]
    )
    browser.get(path.as_uri())
    until(browser, "document.readyState === 'complete'")
    assert fits(browser)
    places = browser.execute_script(PLACES, ".exhibit .panel")
    assert len(places) == 4
    rows = sorted({round(top) for _, top, _ in places})
    assert [sum(round(top) == row for _, top, _ in places) for row in rows] == (
        [2, 2] if width == 390 else [4]
    )
    told = browser.execute_script(
        "return [...document.querySelectorAll('.true-score')].map(p => p.textContent.trim())"
    )
    assert told == ["true score 12.0", "true score 80.0"]
    transport = "[...document.querySelectorAll('.exhibit .transport > *')]"
    middles = browser.execute_script(
        f"return {transport}.map(e => e.getBoundingClientRect()).map(b => b.top + b.height / 2)"
    )
    assert max(middles) - min(middles) < 5  # one line of controls


@pytest.mark.parametrize("size", [(112, 64), (160, 16)], ids=["phone", "strip"])
def test_the_controls_stay_in_view_with_portrait_clips(browser, tmp_path, size):
    clip = moving_clip(8, size)
    prefix = moving_clip(8, size)
    attempts = tuple(Attempt(i, Prompt("p"), (Candidate(clip),), baseline=i == 0) for i in range(2))
    run = Refinement(Scenario("A dot moves.", prefix, seconds=1, name="tall"), attempts)
    resize(browser, 1366, 768)
    try:
        browser.get(report.write(run, tmp_path / "tall.html").as_uri())
        until(browser, SETTLED)
        browser.execute_script("document.querySelector('section.player').scrollIntoView()")
        box = "document.querySelector('[data-do=play]').getBoundingClientRect()"
        top, bottom = browser.execute_script(f"return [{box}.top, {box}.bottom]")
        assert 0 <= top < bottom <= 768
        height = browser.execute_script(
            "return document.querySelector('.panel .screen').getBoundingClientRect().height"
        )
        assert height <= 0.63 * 768
        assert fits(browser)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
