"""The page to listen with in a real browser: Chromium, without a window."""

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile

from common.files import read_jsonl
from data.clips import interleave, read_audio
from evaluation.page.explain import Parts
from evaluation.page.models import Workers

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the group `dev`")
serve = pytest.importorskip("evaluation.page.serve", reason="needs the group `page`")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:gradio"),
]
MOST = 60_000  # milliseconds that anything may take
QUIET = "--no-first-run --disable-background-networking --disable-component-update --disable-sync"
SPEAKING = "--use-fake-ui-for-media-stream --use-fake-device-for-media-stream"


class Served(NamedTuple):
    """The page, and what was seen of it from outside."""

    address: str
    clips: list[dict[str, Any]]  # English ones of the evaluation
    cases: Path
    called: list[Any]  # addresses that this process has connected to


class InThisProcess:
    """The worker that looks into parts, which would import torch for seconds."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def answer(self, method: str, *arguments: Any) -> Any:
        return getattr(self._parts, method)(*arguments, None)


@pytest.fixture(scope="module")
def served(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The demo's folder, served; nothing of it is left afterwards."""
    called: list[Any] = []
    home = tmp_path_factory.mktemp("page")
    folder = demo / "compiled/whisper-micro/cpu"
    parts = InThisProcess(Parts(demo / "runtime/float/whisper-micro/manifest.json", folder))
    connect = socket.socket.connect

    def recorded(own: socket.socket, address: Any) -> None:
        called.append(address)
        connect(own, address)

    with pytest.MonkeyPatch.context() as patch, serve.bound("127.0.0.1", 0) as listener:
        patch.setattr(socket.socket, "connect", recorded)
        patch.setattr(Workers, "parts", lambda _: parts)
        patch.setattr(tempfile, "tempdir", str(home))
        with serve.application([folder], home / "cases", ["127.0.0.1"]) as app:
            server = serve.server_of(app)
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            clips = interleave([demo / "data/audio_files/evaluation/en_us.jsonl"])
            address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            yield Served(address, clips, home / "cases", called)
            server.should_exit = True
            thread.join()
    assert {path.name for path in home.iterdir()} <= {"cases"}  # what was brought is gone
    assert not [one for one in called if isinstance(one, tuple) and one[0] != "127.0.0.1"]


@pytest.fixture(scope="module")
def browser(served: Served) -> Iterator[Any]:
    """Chromium, whose microphone hears the first clip."""
    heard = f"--use-file-for-fake-audio-capture={served.clips[0]['path']}"
    arguments = ["--no-sandbox", *QUIET.split(), *SPEAKING.split(), heard]
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield made
        made.close()


class Visit:
    """The page, open in the browser; at the end nothing may be wrong with it.

    Args:
        browser: Chromium.
        served: The page.
        **options: Of the browser: its width, its colours.
    """

    def __init__(self, browser: Any, served: Served, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        self.context.set_default_timeout(MOST)
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type == "error" else None,
        )
        self.page.goto(served.address)
        self._own = (served.address, f"blob:{served.address}", "data:")

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self.context.close()
        if kind is None:
            assert self.errors == []
            assert [url for url in self.asked if not url.startswith(self._own)] == []

    def bring(self, path: Path) -> None:
        """Upload a file, and wait until it is there."""
        self.page.locator("#recording input[type=file]").set_input_files(path)
        self.page.get_by_label("Clear").wait_for()

    def ask(self) -> None:
        """Let it be heard."""
        self.page.locator("#ask").click()

    def done(self) -> None:
        """Wait until that is done."""
        self.page.locator("#stop").wait_for(state="visible")
        self.page.locator("#stop").wait_for(state="hidden")

    def text(self, selector: str) -> str:
        """What stands there."""
        return self.page.locator(selector).inner_text()


def test_a_file_is_heard_marked_played_explained_and_kept(browser: Any, served: Served) -> None:
    clip = served.clips[0]
    with Visit(browser, served) as visit:
        visit.page.get_by_text("A clip of the evaluation", exact=True).click()
        visit.page.get_by_label("Clip, the worst first").click()
        visit.page.get_by_role("option").filter(has_text="ta_in_0001, translate").click()
        said = visit.page.get_by_label("The same in English")
        sync_api.expect(said).to_have_value("Eight book six nine.")
        visit.page.get_by_label("Clear").click()
        visit.bring(clip["path"])
        sync_api.expect(said).to_have_value("")
        visit.page.get_by_label("Task").click()
        visit.page.get_by_role("option", name="transcribe").click()
        visit.page.get_by_label("Spoken language").click()
        visit.page.get_by_role("option", name="to be detected").click()
        wrong = f"{clip['transcription']} nine"
        visit.page.get_by_label("What is said").fill(wrong)
        visit.ask()
        visit.done()
        for kind in ("float", "compiled"):
            assert visit.text(f".texts .{kind} .text").startswith(clip["transcription"].rstrip("."))
            assert visit.text(f".texts .{kind} del") == "nine"
        figures = visit.text(".figures")
        assert "English, 9" in figures and "(1 of 4)" in figures and "MB" in figures
        visit.page.locator(".lane.compiled button").first.click()
        visit.page.wait_for_function("!document.querySelector('#drawn audio').paused")
        visit.page.wait_for_function("document.querySelector('#drawn audio').currentTime > 0")
        visit.page.locator("#ask-why").click()
        visit.done()
        assert visit.page.locator(".halves td[lang]").count() == 4
        visit.page.locator("#keep").click()
        visit.page.locator("#kept .note").wait_for()
        (line,) = read_jsonl(served.cases / "index.jsonl")
        assert (line["text"], line["language"]) == (wrong, "en")


def test_long_audio_is_stopped_others_wait_and_are_heard(
    browser: Any, served: Served, tmp_path: Path
) -> None:
    clips = np.concatenate([read_audio(clip) for clip in served.clips])
    soundfile.write(tmp_path / "long.flac", np.tile(clips, 60), 16_000)
    with Visit(browser, served) as first, Visit(browser, served) as second:
        first.bring(tmp_path / "long.flac")
        second.bring(served.clips[1]["path"])
        first.ask()
        first.page.locator("progress").wait_for()
        second.ask()
        second.page.get_by_text("queue: 1/1").wait_for()
        first.page.locator("#stop").click()
        first.page.get_by_text("stopped").first.wait_for()
        second.page.locator(".figures").wait_for()


def test_what_cannot_be_heard_is_said(browser: Any, served: Served, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    (tmp_path / "broken.wav").write_bytes(b"no audio" * 99)
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate((200 << 20) + 1)
    with Visit(browser, served) as visit:
        visit.ask()
        visit.page.get_by_text("There is no recording yet").wait_for()
        for name, sentence in (("silent", "is silent: there is"), ("broken", "cannot be read as")):
            assert visit.errors == []
            visit.bring(tmp_path / f"{name}.wav")
            visit.ask()
            visit.page.get_by_text(sentence).wait_for()
            visit.page.get_by_label("Clear").click()
        visit.page.locator("#recording input[type=file]").set_input_files(file.name)
        visit.page.get_by_text("exceed the maximum allowed size of 200.0 Mb").wait_for()
        visit.errors.clear()  # of the library, which could not draw them


def test_a_microphone_is_heard_on_a_phone_at_night(browser: Any, served: Served) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    with Visit(browser, served, **phone, color_scheme="dark") as visit:
        visit.context.grant_permissions(["microphone"])
        visit.page.get_by_label("Record audio").click()
        visit.page.get_by_role("button", name="Record", exact=True).click()
        visit.page.wait_for_timeout(1000 * served.clips[0]["seconds"] + 200)
        with visit.page.expect_response(lambda answer: "/upload" in answer.url):
            visit.page.get_by_role("button", name="Stop", exact=True).first.click()
        visit.page.wait_for_timeout(500)  # until the page has taken note of it
        visit.ask()
        visit.done()
        said = served.clips[0]["transcription"].split()[1]
        assert said in visit.text(".texts .compiled .text")
        assert visit.page.evaluate("document.documentElement.scrollWidth") == 390
        dark = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(map(int, dark[4:-1].split(","))) < 60


def test_only_its_own_names_are_answered(served: Served) -> None:
    port = int(served.address.rstrip("/").rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as asking:
        asking.sendall(b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n")
        assert asking.recv(100).startswith(b"HTTP/1.1 400 ")
