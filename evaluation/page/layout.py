"""What is on the page, and what happens at which event."""

from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from evaluation.page.app import Page
from evaluation.page.clips import EvaluationClip
from evaluation.page.models import Model
from evaluation.page.recording import LARGEST, LONGEST
from evaluation.page.texts import name_of

HERE = Path(__file__).parent
SHARED = HERE.parent / "report/colours.css"
ONE_BY_ONE = {"concurrency_limit": 1, "concurrency_id": "hear"}  # one heavy job at a time
HIDDEN = {"api_visibility": "private"}
QUIET = {"show_progress": "hidden"}
FORMATS = "WAV, FLAC, OGG, MP3, M4A or AAC"
LIMITS = f"{FORMATS}, at most {LARGEST >> 20} MB and {LONGEST / 3600:.0f} hours"
SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "Noto Sans Mono", "monospace"]


def look() -> dict[str, Any]:
    """Theme, style and script, all of it from this machine."""
    theme = gr.themes.Base(font=SYSTEM, font_mono=MONO, radius_size="sm")
    style = "\n".join(path.read_text(encoding="utf-8") for path in (SHARED, HERE / "page.css"))
    script = (HERE / "page.js").read_text(encoding="utf-8")
    # Not as `css`, of which the library rewrites the selectors.
    return {"theme": theme, "head": f"<style>{style}</style><script>{script}</script>"}


def build(page: Page, models: list[Model]) -> gr.Blocks:
    """The page, to be served.

    Args:
        page: Its functions.
        models: What there is to listen to.
    """
    by_name = {model.name: model for model in models}
    first = models[0]
    with gr.Blocks(title="Whisper, side by side", analytics_enabled=False) as blocks:
        gr.HTML(
            Markup(
                '<h1>What do they hear?</h1><p class="note">{}, float and compiled. Speak, drop a'
                " recording, or take a clip of the evaluation; nothing leaves this machine.</p>"
            ).format(", ".join(by_name)),
            elem_id="head",
            apply_default_css=False,
        )
        with gr.Row():
            with gr.Column(scale=4, min_width=320):
                name = gr.Dropdown(
                    list(by_name), value=first.name, label="Model", visible=len(models) > 1
                )
                sound = gr.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label="Recording",
                    buttons=[],
                    elem_id="recording",
                )
                gr.HTML(f'<p class="limits">{LIMITS}</p>', apply_default_css=False)
                with gr.Accordion(
                    "A clip of the evaluation", open=False, visible=bool(first.clips)
                ) as fold:
                    spoken = gr.Dropdown(_languages(first), value="", label="Language")
                    clip = gr.Dropdown(
                        _choices(first, ""), value=None, label="Clip, the worst first"
                    )
                with gr.Row():
                    language = gr.Dropdown(
                        _known(first), value="", label="Spoken language", min_width=140
                    )
                    task = gr.Dropdown(
                        ["transcribe", "translate"],
                        value="transcribe",
                        label="Task",
                        min_width=140,
                        visible=bool(first.languages),
                    )
                timestamps = gr.Checkbox(not first.has_words, label="times of segments")
                said = gr.Textbox(label="What is said (if you know it)", lines=2)
                english = gr.Textbox(label="The same in English", lines=2, visible=False)
                with gr.Row():
                    ask = gr.Button("Hear it", variant="primary", elem_id="ask")
                    stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
            with gr.Column(scale=8, min_width=340):
                heard = gr.HTML(_nothing_yet(), elem_id="heard", apply_default_css=False)
                drawn = gr.HTML("", elem_id="drawn", apply_default_css=False)
                with gr.Row(visible=False) as further:
                    begin = gr.Number(0, label="Of the 30 s from second", min_width=120)
                    why = gr.Button("Why do they differ?", elem_id="ask-why")
                    keep = gr.Button("Save as a case", elem_id="keep")
                reasons = gr.HTML("", elem_id="reasons", apply_default_css=False)
                kept = gr.HTML("", elem_id="kept", apply_default_css=False)
        result, reference = gr.State(None), gr.State("")

        model_parts = [fold, spoken, clip, language, task, timestamps]
        name.change(lambda one: _parts(by_name[one]), name, model_parts, **QUIET, **HIDDEN)
        spoken.change(
            lambda one, code: gr.update(choices=_choices(by_name[one], code), value=None),
            [name, spoken],
            clip,
            **QUIET,
            **HIDDEN,
        )
        clip.input(
            lambda one, number: page.clip(by_name[one].clips[number]),
            [name, clip],
            [sound, language, task, said, english, reference],
            show_progress_on=[sound],
            **HIDDEN,
        )
        gr.on(
            [sound.upload, sound.start_recording],
            page.another,
            [said, english, reference],
            [said, english],
            **QUIET,
            **HIDDEN,
        )
        task.change(
            lambda one: gr.update(visible=one == "translate"), task, english, **QUIET, **HIDDEN
        )
        buttons = [ask, stop]
        asked = ask.click(page.begin, None, buttons, queue=False, **QUIET, **HIDDEN).then(
            page.hear,
            [name, sound, language, task, timestamps, said, english],
            [heard, drawn, reasons, result],
            show_progress_on=[heard],
            **ONE_BY_ONE,
            **HIDDEN,
        )
        asked.then(
            page.end, result, [*buttons, further, begin, kept], queue=False, **QUIET, **HIDDEN
        )
        looked = why.click(page.begin, None, buttons, queue=False, **QUIET, **HIDDEN).then(
            page.why, [result, begin, said, english], reasons, **ONE_BY_ONE, **HIDDEN
        )
        looked.then(
            page.end, result, [*buttons, further, begin, kept], queue=False, **QUIET, **HIDDEN
        )
        stop.click(page.stop, None, None, queue=False, **QUIET, **HIDDEN)
        keep.click(page.keep, [result, language, said, english], kept, **QUIET, **HIDDEN)
        blocks.unload(page.stop)
    return blocks


def _parts(model: Model) -> list[Any]:
    """What changes with the model; see `build`."""
    return [
        gr.update(visible=bool(model.clips)),
        gr.update(choices=_languages(model), value=""),
        gr.update(choices=_choices(model, ""), value=None),
        gr.update(choices=_known(model), value=""),
        gr.update(visible=bool(model.languages), value="transcribe"),
        not model.has_words,
    ]


def _known(model: Model) -> list[tuple[str, str]]:
    """Languages that a model knows, by their names; first the one that it is to find out."""
    if not model.languages:
        return [("English", "")]
    named = sorted((name_of(code), code) for code in model.languages)
    return [("to be detected", ""), *named]


def _languages(model: Model) -> list[tuple[str, str]]:
    """Languages of the evaluation's clips, FLEURS codes."""
    found = sorted({(name_of(clip.language), clip.language) for clip in model.clips})
    return [("all", ""), *found]


def _choices(model: Model, language: str) -> list[tuple[str, int]]:
    """Clips of a language, or all, by their place in the model's list."""

    def is_shown(clip: EvaluationClip) -> bool:
        return language in ("", clip.language)

    return [(clip.label, at) for at, clip in enumerate(model.clips) if is_shown(clip)]


def _nothing_yet() -> Markup:
    return Markup('<p class="note">The texts will stand here, beside each other.</p>')
