import base64
import hashlib
import html.parser
import re

import pytest
from attrs import evolve

from phyrefine import report
from phyrefine.errors import InvalidInputError
from phyrefine.types import (
    Candidate,
    Critique,
    Origin,
    Prompt,
    SearchRecord,
    Usage,
    Violation,
)
from phyrefine.video.clip import Clip

HOSTILE = (
    "</script><script>window.hit=1</script><img src=x onerror='window.hit=1'>"
    "</style>{{ 7 * 7 }}{% raw %}\"'><svg/onload=window.hit=1>\u202e\x00\ud800"
)


class Elements(html.parser.HTMLParser):
    """Every start tag with its attributes, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.inline, self.text, self.inside = [], {}, "", None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.inline[self.inside] = self.inline.get(self.inside, "") + data
        else:
            self.text += data

    def named(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page)


def test_the_page_carries_everything_it_needs(elements):
    addresses = [
        attrs[key]
        for _, attrs in elements.tags
        for key in ("src", "href", "poster", "data", "action")
        if key in attrs
    ]
    assert all(item.startswith(("data:", "#")) for item in addresses)
    assert "url(#hatch)" in elements.inline["style"]
    assert not re.search(r"@import|https?:|url\((?!#)", elements.inline["style"])
    assert not re.search(r"https?:|fetch\(|XMLHttpRequest|import\(", elements.inline["script"])


def test_the_policy_names_the_one_script_and_the_one_style(elements):
    policy = next(attrs["content"] for attrs in elements.named("meta") if "http-equiv" in attrs)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for kind in ("script", "style"):
        digest = hashlib.sha256(elements.inline[kind].encode()).digest()
        assert f"{kind}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
        assert len(elements.named(kind)) == 1
    assert not any(key.startswith("on") or key == "style" for _, a in elements.tags for key in a)


def test_the_videos_play_back_what_was_made(elements, refinement):
    videos = elements.named("video")
    # The prefix and the truth have no native frames; the four candidates have both.
    assert len(videos) == 2 + 2 * 4
    for video in videos:
        data = base64.b64decode(video["src"].removeprefix("data:video/mp4;base64,"))
        clip = Clip.from_bytes(data)
        assert len(clip) == int(video["data-frames"])
        assert clip.fps == pytest.approx(float(video["data-fps"]))
    native = [video for video in videos if video["data-kind"] == "native"]
    assert {video["data-fps"] for video in native} == {"8.0"}
    shown = [v["data-candidate"] for v in videos if "hidden" not in v]
    assert shown == ["prefix", "0.0", "1.0", "2.1", "truth"]


def test_without_scripts_the_videos_have_controls(elements):
    shown = [video for video in elements.named("video") if "hidden" not in video]
    assert all("controls" in video for video in shown)


def test_the_page_is_small_and_always_the_same(page, refinement, truth):
    assert len(page) < 400_000
    assert report.render(refinement, truth=truth) == page


def test_the_page_says_what_happened(elements):
    text = " ".join(elements.text.split())
    for part in (
        "A red ball falls onto a wooden floor.",
        "was chosen by keep-best (no ground truth seen): highest judge score, 0.83",
        "Stopped: same prompt: the new prompt equals the one before",
        "12 calls and 2 from the store",
        "cost $0.0512",
        "The rewrite was cut at a sentence: 52 of 40 words.",
        "solid mechanics",
    ):
        assert part in text
    assert "Oracle" not in text


@pytest.mark.slow
def test_an_oracle_is_stamped(refinement, make):
    oracle = evolve(refinement, choice=evolve(refinement.choice, oracle=True, selector="oracle"))
    for page in (report.render(oracle), report.render_gallery([oracle])):
        assert "Oracle: chosen with the ground truth." in page
    assert "(no ground truth seen)" not in report.render(oracle)
    assert "Oracle" not in report.render_gallery([refinement])


def test_systematic_and_accidental_violations_and_searches_are_shown(make, refinement):
    attempts = list(refinement.attempts)
    systematic = Violation("gravity", "it hovers", 0.5, origin=Origin.SYSTEMATIC, shown=3)
    accidental = Violation("optics", "a flicker", 0.7, origin=Origin.ACCIDENTAL, shown=1)
    record = SearchRecord("backtracking", (), 9, ended="clean", reason="nothing wrong",
                          false_accept=0.25, planted=4)  # fmt: skip
    candidates = tuple(evolve(one, search=record) for one in attempts[-1].candidates)
    critique = Critique("text", (systematic,), looks=4, accidental=(accidental,))
    attempts[-1] = evolve(attempts[-1], critique=critique, candidates=candidates)
    shown = Elements(report.render(make(attempts=tuple(attempts)))).text
    words = " ".join(shown.split())
    assert "systematic, shown by 3" in words
    assert "accidental, shown by 1" in words
    assert words.index("it hovers") < words.index("Accidental, left to the choice:")
    assert "9 chunks; clean: nothing wrong; the verifier passed 25% of 4 planted faults" in words


def test_unknown_cost_stays_unknown(refinement):
    unknown = evolve(refinement, usage=Usage(1, usd=None))
    assert "cost unknown" in report.render(unknown)


def hostile_run(refinement):
    scenario = evolve(refinement.scenario, name=HOSTILE, description=HOSTILE)
    bad = Violation(HOSTILE, HOSTILE, 0.2, 0.4, HOSTILE)
    attempts = tuple(
        evolve(
            attempt,
            prompt=Prompt(f"{HOSTILE} {attempt.index}", HOSTILE, (HOSTILE,)),
            critique=Critique(HOSTILE, (bad,), (bad,), notes=(HOSTILE,)),
            verdict=attempt.verdict and evolve(attempt.verdict, rule=HOSTILE, reason=HOSTILE),
            notes=(HOSTILE,),
        )
        for attempt in refinement.attempts
    )
    return evolve(
        refinement,
        scenario=scenario,
        attempts=attempts,
        choice=evolve(refinement.choice, selector=HOSTILE, reason=HOSTILE),
        reason=HOSTILE,
        stopped_by=HOSTILE,
        prediction=evolve(
            refinement.prediction, text=HOSTILE, events=(HOSTILE,), domains=(HOSTILE,)
        ),
        usage=evolve(refinement.usage, tokens={HOSTILE: 3}),
    )


def test_hostile_text_is_shown_and_makes_no_element(refinement, page):
    run = hostile_run(refinement)
    plain, hostile = Elements(report.render(refinement)), Elements(report.render(run))
    gallery = Elements(report.render_gallery([run]))
    for found in (hostile, gallery):
        assert len(found.named("script")) == len(found.named("style")) == 1
        assert not any("onerror" in attrs or "onload" in attrs for _, attrs in found.tags)
        assert "</script><script>window.hit=1</script>" in found.text
        assert "{{ 7 * 7 }}{% raw %}" in found.text
        assert "⟨U+202E⟩⟨U+0000⟩⟨U+D800⟩" in found.text
        assert not set("\u202e\x00\ud800") & set(found.text)
    assert len(hostile.named("img")) == len(plain.named("img"))


def test_a_hostile_file_name_is_only_a_name(tmp_path, refinement):
    path = tmp_path / "<img src=x onerror=alert(1)>.html"
    assert report.write(refinement, path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_runs_that_ended_early_have_a_report(make, refinement):
    scenario = evolve(refinement.scenario, prefix=None)
    nothing = make(
        scenario=scenario,
        attempts=(),
        choice=None,
        prediction=None,
        stopped_by="rate_limit",
        reason="429: asked to wait 3600 s",
    )
    page = report.render(nothing)
    assert "No attempt was finished." in page
    assert "rate limit" in page
    assert "<video" not in page
    half = evolve(
        refinement.attempts[0],
        critique=None,
        revision=None,
        candidates=refinement.attempts[0].candidates[:1],
    )
    page = report.render(make(attempts=(half,), choice=None, stopped_by="interrupted"))
    assert "The critic was not asked" in page
    assert "not judged" in page


def test_a_new_chain_is_compared_with_the_plain_description(make, refinement):
    plain, *loops = refinement.attempts
    page = Elements(report.render(make(attempts=(plain, *loops, *loops), choice=None)))
    said = [" ".join(part.split()) for part in page.text.split("changes against")[1:]]
    against = [part.split("  ")[0].split("A red")[0].strip() for part in said]
    assert against == ["plain description", "loop 1 @16", "plain description", "loop 1 @16"]


def test_an_image_is_continued(make, refinement):
    prefix = refinement.scenario.prefix
    image = Clip(prefix.frames[-1:], prefix.fps)
    page = report.render(make(scenario=evolve(refinement.scenario, prefix=image)))
    elements = Elements(page)
    assert "continues an image" in page
    player = next(attrs for attrs in elements.named("section") if "data-player" in attrs)
    assert float(player["data-lead"]) == 0
    assert not any(video["data-candidate"] == "prefix" for video in elements.named("video"))


def test_odd_and_tiny_clips_are_shown(make, refinement):
    odd = Candidate(Clip(refinement.video.frames[:3, :33, :7], 24.0))
    attempt = evolve(refinement.attempts[0], candidates=(odd,))
    page = report.render(make(attempts=(attempt,), choice=None))
    assert "3 frames of 7×33 at 24 fps" in page


def test_the_gallery_groups_by_domain(make, refinement):
    fluid = make(prediction=evolve(refinement.prediction, domains=("Fluid-Dynamics",)))
    unnamed = make(prediction=None)
    page = report.render_gallery([unnamed, fluid, refinement, refinement])
    elements = Elements(page)
    groups = [a["aria-label"] for a in elements.named("section") if a.get("class") == "domain"]
    assert groups == ["solid mechanics", "fluid dynamics", "domain not stated"]
    assert sum("data-player" in attrs for attrs in elements.named("section")) == 4
    # Prefix, first attempt, chosen: three clips each, native ones besides where they differ.
    delivered = [v for v in elements.named("video") if v["data-kind"] == "delivered"]
    assert len(delivered) == 4 * 3
    assert "Violations 2 → 0" in " ".join(elements.text.split())


def test_the_gallery_links_to_reports_below_it_and_nowhere_else(refinement):
    hostile = ["a b/report.html", "javascript:hit()", "//evil.example/x", None]
    page = Elements(report.render_gallery([refinement] * 4, links=hostile))
    addresses = [a["href"] for a in page.named("a") if not a["href"].startswith("#")]
    wanted = ("./a%20b/report.html", "./javascript%3Ahit%28%29", ".///evil.example/x")
    assert addresses == [address for address in wanted for _ in range(2)]


def test_what_cannot_be_written_is_refused(tmp_path, refinement, truth):
    with pytest.raises(InvalidInputError, match="is a folder"):
        report.write(refinement, tmp_path)
    with pytest.raises(InvalidInputError, match="1 truths do not fit 2 runs"):
        report.write_gallery([refinement, refinement], tmp_path / "g.html", truths=[truth])
    with pytest.raises(InvalidInputError, match="1 links do not fit 2 runs"):
        report.write_gallery([refinement, refinement], tmp_path / "g.html", links=["a.html"])
    assert list(tmp_path.iterdir()) == []


# Names of rows, which no number stands under.
NAMES = {"", "attempt", "domain", "seconds after the seam", "statement"}


def test_every_number_is_explained_on_hover_and_in_a_legend(refinement, truth):
    pages = [
        report.render(refinement, truth=truth, true_scores={"0.0": 50.0}),
        report.render_gallery([refinement], truths=[truth], true_scores=[{"0.0": 50.0}]),
    ]
    for page in pages:
        headings = re.findall(r'<th scope="col"([^>]*)>([^<]*)</th>', page)
        assert headings
        assert {name for rest, name in headings if "title=" not in rest} <= NAMES
        legend = page[page.index('class="meanings"') :]
        for name in ("true score", "violations", "severity", "seam", "controls", "loop limit"):
            assert f"<dt>{name}</dt>" in legend
        assert re.search(r'class="true-score" title="Score against what really happened', page)


def test_scores_must_fit_the_runs(refinement):
    with pytest.raises(InvalidInputError, match="2 true_scores do not fit 1 runs"):
        report.render_gallery([refinement], true_scores=[None, None])


def test_keys_are_hidden_as_in_refinement_json(make):
    """A reply that echoes a key, in an object that never went through the store."""
    key = "sk-abcdefghijklmnopqrstuvwx1234"
    told = make(
        scenario=evolve(make().scenario, description=f"A torch bearer walks; key {key}."),
        reason=f"the service said Authorization: Bearer {key}",
    )
    page = report.render(told)
    assert key not in page
    assert "A torch bearer walks" in page
    assert "[hidden]" in page
