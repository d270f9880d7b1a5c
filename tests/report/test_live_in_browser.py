"""The page of ``phyrefine watch`` in Chromium: it plays, and loads itself anew until the end."""

import pytest
from attrs import evolve
from browsing import chromium, complaints, until
from made_runs import SCENES, refiner

from phyrefine.report.live import render_progress, write_progress
from phyrefine.run.following.follower import Follower

pytestmark = pytest.mark.slow


def test_a_live_page_follows_what_is_written(tmp_path):
    refiner(tmp_path / "run").refine_many(SCENES[:2])
    seen = Follower(tmp_path / "run").look()
    going_on = evolve(seen, presence="alive", holder="process 1", counts={"done": 1, "running": 1})
    page = tmp_path / "live.html"
    # A second is enough here; the command never asks for less than five.
    text = render_progress(going_on, reload_seconds=5).replace('data-reload="5"', 'data-reload="1"')
    page.write_text(text, encoding="utf-8")
    with chromium(tmp_path / "chromium") as browser:
        browser.get(page.as_uri())
        shown = "document.querySelector('main').textContent.includes"
        assert browser.execute_script(f"return {shown}('process 1')")
        browser.execute_script("document.querySelector('video').play()")
        until(browser, "document.querySelector('video').currentTime > 0")
        browser.execute_script("document.querySelector('video').pause()")
        write_progress(seen, page, reload_seconds=5)
        until(browser, f"!{shown}('process 1')")  # it has loaded itself anew
        until(browser, "document.querySelector('[data-reload]').dataset.reload === '0'")
        assert browser.execute_script("return document.querySelectorAll('video').length") == 4
        assert complaints(browser) == []
