"""The site: it builds without a warning, asks nothing of other hosts, fits a phone, finds, and plays."""

import functools
import http.server
import re
import runpy
import subprocess
import sys
import threading
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

import latentstem

ROOT = Path(latentstem.__file__).parents[1]
LISTEN = ROOT / "docs" / "pages" / "assets" / "listen"
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run --disable-quic"
)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site(make_once):
    """Folder of the site as `mkdocs build --strict` writes it."""
    if missing := [name for name in ("mkdocs", "material", "mkdocstrings_handlers") if find_spec(name) is None]:
        pytest.skip(f"needs the extra docs: no {', '.join(missing)}")

    def build(folder):
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", "docs/mkdocs.yml", "-d", str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return make_once("site", build)


@pytest.fixture(scope="module")
def address(site):
    """Where a plain file server has the site."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS.split())
        yield browser
        browser.close()


def failure(request):
    """Why a request failed, unless the browser itself gave it up: half of a sound is enough to know its length."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.failure} {request.url}"]


@pytest.fixture
def page(browser, address):
    """A tab whose requests, failures and errors are noted as `page.asked` and `page.wrong`."""
    page = browser.new_page(viewport=DESKTOP)
    page.set_default_timeout(120_000)  # on a processor that other tests may share
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("response", lambda reply: reply.status >= 400 and page.wrong.append(f"{reply.status} {reply.url}"))
    page.on("requestfailed", lambda request: page.wrong.extend(failure(request)))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: message.type == "error" and page.wrong.append(message.text))
    yield page
    page.close()


class References(HTMLParser):
    """What a page of the site points to."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src") and value]


def test_everything_that_a_page_points_to_is_there(site):
    """Sounds, pictures and files of the repository too, which the generator's own check knows nothing of."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        if page.name == "404.html":  # its links begin at the root, wherever that is
            continue
        for reference in References(page.read_text()).found:
            parts = urlsplit(reference)
            if parts.scheme or parts.netloc or not parts.path:
                continue
            assert (page.parent / unquote(parts.path)).exists(), f"{page.relative_to(site)}: {reference}"


def test_the_pages_of_nav_are_all_that_there_are(site):
    written = {path.stem for path in (ROOT / "docs" / "pages").rglob("*.md")}
    assert {path.stem for path in site.rglob("*.html")} == written | {
        "404",
        "model-card",
        "model-card-bass-gm",
        "model-card-bassnet-gm",
        "model-card-loops-gm",
    }
    assert "instruments it has never met" in (site / "model-card.html").read_text()
    assert "bass-gm" in (site / "model-card-bass-gm.html").read_text()


@pytest.mark.slow
def test_every_page_is_whole_asks_no_other_host_and_fits_a_phone(site, address, page):
    page.set_viewport_size(PHONE)
    for path in sorted(site.rglob("*.html")):
        page.goto(f"{address}/{path.relative_to(site)}")
        broken = page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)")
        assert broken == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
    assert page.wrong == []
    assert [url for url in page.asked if not url.startswith((address, "data:", "blob:"))] == []
    assert len(page.asked) > 100


def test_the_site_is_as_light_or_dark_as_the_system_and_can_be_switched(address, page):
    shade = "parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    for scheme, is_dark in (("light", False), ("dark", True)):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{address}/index.html")
        assert (page.evaluate(shade) < 128) == is_dark
    page.locator("label[for=__palette_1]:visible").click()
    page.wait_for_function(f"{shade} > 128")


def test_the_search_finds_without_a_network(address, page):
    page.goto(f"{address}/index.html")
    # The page listens to keys alone: text that appears at once is seen only if its worker is not ready yet.
    page.get_by_placeholder("Search").first.press_sequentially("style grounding")
    # A result that has all that was typed: others follow each letter, and say which words they miss.
    links = page.locator(".md-search-result__link", has_text=re.compile("grounding", re.IGNORECASE))
    # Further places on a page are folded away below its first one.
    result = links.filter(has_not_text="Missing", visible=True).first
    result.wait_for()
    assert result.get_attribute("href").startswith(address)
    result.click()
    page.wait_for_load_state()
    assert "grounding" in page.locator("article").inner_text().lower()
    assert page.wrong == []


@pytest.mark.parametrize("name", ["index.html", "listen.html"])
def test_players_play(address, page, name):
    page.goto(f"{address}/{name}")
    players = page.locator("audio")
    assert players.count() >= 3
    assert players.count() == page.locator(".player img").count()
    durations = page.evaluate(
        """() => Promise.all([...document.querySelectorAll("audio")].map(audio => new Promise((resolve, reject) => {
            audio.onloadedmetadata = () => resolve(audio.duration);
            audio.onerror = () => reject(audio.error.message);
            audio.preload = "metadata";
            audio.load();
        })))"""
    )
    assert all(5.9 < duration < 12.2 for duration in durations)
    players.first.evaluate("audio => { audio.muted = true; return audio.play(); }")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.3")
    assert page.wrong == []


def test_a_player_that_starts_stops_the_others(address, page):
    page.goto(f"{address}/listen.html")
    page.evaluate("document.querySelectorAll('audio').forEach((audio) => (audio.muted = true))")
    for number in (0, 1):
        page.locator("audio").nth(number).evaluate("audio => audio.play()")
        page.wait_for_function("(number) => !document.querySelectorAll('audio')[number].paused", arg=number)
    page.wait_for_function("document.querySelectorAll('audio')[0].paused")
    assert page.evaluate("[...document.querySelectorAll('audio')].filter((audio) => !audio.paused).length") == 1


def test_plots_are_dark_on_a_dark_page_and_spectrograms_as_they_are(address, page):
    page.emulate_media(color_scheme="dark")
    shade = "getComputedStyle(document.querySelector('{}')).filter"
    page.goto(f"{address}/benchmarks/method.html")
    assert page.evaluate(shade.format("img[src*=results]")).startswith("invert")
    page.goto(f"{address}/listen.html")
    assert page.evaluate(shade.format(".player img")) == "none"


def test_intervals_are_not_broken_between_their_ends(site):
    text = (site / "benchmarks" / "sound.html").read_text()
    assert len(re.findall(r"\d \[[\d.]+,&nbsp;[\d.]+\]", text)) > 30
    assert re.findall(r"\d \[[\d.]+, [\d.]+\]", text) == []


def test_what_the_benchmarks_found_fits_a_screen(address, page):
    page.goto(f"{address}/benchmarks.html")
    boxes = [box.bounding_box() for box in page.locator(".pairs > div").all()]
    assert len(boxes) == 4
    assert all(box["x"] > 0 and box["x"] + box["width"] <= DESKTOP["width"] for box in boxes)
    assert all(box["y"] + box["height"] <= DESKTOP["height"] for box in boxes)


def test_a_plot_opens_at_full_size_and_closes_by_the_keyboard(address, page):
    page.set_viewport_size(PHONE)
    page.goto(f"{address}/benchmarks/method.html")
    plots = page.locator("img[src*=results]")
    assert plots.count() == page.locator(".zoomable").count() > 2
    second = page.locator(".zoomable").nth(1)
    second.press("Enter")
    large = page.locator("dialog.zoom img")
    assert large.get_attribute("src") == plots.nth(1).get_attribute("src")
    assert large.bounding_box()["width"] > 2 * PHONE["width"] > 2 * plots.nth(1).bounding_box()["width"]
    page.keyboard.press("Escape")
    large.wait_for(state="detached")
    assert second.evaluate("opener => opener === document.activeElement")
    second.click()
    page.get_by_role("button", name="Close").click()
    large.wait_for(state="detached")
    assert page.wrong == []


@pytest.fixture(scope="module")
def listen():
    """The script of the page Listen."""
    return runpy.run_path(str(ROOT / "examples" / "render_listen.py"))


def test_the_sounds_of_listen_are_those_of_its_scripts(listen, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    unseen = runpy.run_path(str(ROOT / "examples" / "render_unseen.py"))
    styles = dict.fromkeys(listen["STYLES"])
    names = {name for name, *_ in listen["takes"](styles)}
    names |= {f"mix-{number}" for number in listen["MIXES"]} | {f"style-{name}" for name in styles}
    names |= set(unseen["names"]())
    assert {path.name for path in LISTEN.iterdir()} == {f"{name}{end}" for name in names for end in (".mp3", ".png")}
    assert sum(path.stat().st_size for path in LISTEN.iterdir()) < 6_000_000
    page = (ROOT / "docs" / "pages" / "listen.md").read_text()
    assert [name for name in names if f"(assets/listen/{name}.png)](assets/listen/{name}.mp3)" not in page] == []


def test_a_sound_of_listen_is_what_the_weights_make_of_the_mix(listen):
    pipe = latentstem.StemAccompanimentPipeline.from_pretrained("bass")
    pipe.set_progress_bar_config(disable=True)
    made = listen["accompany"](pipe, listen["read_mix"](1, pipe.sampling_rate))
    kept, rate = latentstem.read_audio(LISTEN / "mix-1-bass.mp3")
    assert rate == pipe.sampling_rate and kept.shape == made.shape
    assert np.corrcoef(made[0].numpy(), kept[0].numpy())[0, 1] > 0.9
