"""What we write, as Chromium shows it: a canvas is read back."""

import base64
import shutil

import numpy as np
import pytest

from phyrefine.video import Clip

pytestmark = pytest.mark.slow
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
COLORS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 60), (255,) * 3, (0,) * 3])
READ = """
const [url, done] = arguments, video = document.createElement('video');
video.muted = true; video.src = url;
video.onerror = () => done('error ' + video.error.message);
video.onloadeddata = () => { video.currentTime = 0.2; };
video.onseeked = () => {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const at = i => pen.getImageData((i + 0.5) * canvas.width / 6, canvas.height / 2, 1, 1).data;
  // On a busy machine the frame may come after the event: until then the canvas stays black.
  const look = tries => {
    pen.drawImage(video, 0, 0);
    const seen = [0, 1, 2, 3, 4, 5].map(i => [...at(i)].slice(0, 3));
    const black = seen.every(color => color.every(value => value === 0));
    if (black && tries) setTimeout(() => look(tries - 1), 100); else done(seen);
  };
  look(300);
};
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless", "--no-sandbox", "--disable-gpu",
                 f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):  # fmt: skip
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(60)
    page = tmp_path_factory.mktemp("page") / "page.html"
    page.write_text("<!doctype html><video muted></video>")
    driver.get(page.as_uri())
    yield driver
    driver.quit()


@pytest.mark.parametrize("size", [(240, 428), (480, 854), (720, 1280), (1080, 1920)])
@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_pure_colors_are_pure(browser, kind, size):
    height, width = size
    columns = np.arange(width) * 6 // width
    picture = np.broadcast_to(COLORS[columns].astype(np.uint8), (height, width, 3))
    clip = Clip(np.repeat(picture[None], 6, axis=0), 12)
    data = base64.b64encode(clip.to_bytes(kind)).decode()
    shown = browser.execute_async_script(READ, f"data:video/{kind};base64,{data}")
    assert isinstance(shown, list), shown
    np.testing.assert_allclose(np.array(shown), COLORS, atol=3)
