"""`latentstem listen`: tell tempo, bars, key and chords of a mix, as options for the other commands."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from latentstem.audio.formats import check_readable
from latentstem.cli.errors import library_errors, require_extras
from latentstem.cli.options import MaxDuration
from latentstem.cli.stderr import quiet_decoders


def listen(
    mix: Annotated[Path, typer.Argument(metavar="MIX", help="The mix: wav, flac, mp3 or ogg.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
    max_duration: MaxDuration = 900.0,
) -> None:
    """Tell tempo, bars, key and chords of MIX: guesses, to be corrected and passed on. Needs the extra `evaluation`."""
    check_readable(mix)
    require_extras("listen", "evaluation", "latentstem.evaluation.mix_analysis")
    from latentstem.audio.io import read_audio
    from latentstem.evaluation.mix_analysis import analyse_mix

    with library_errors(), quiet_decoders():
        audio, rate = read_audio(mix, max_duration)
    analysis = analyse_mix(audio.mean(0).numpy(), rate)
    bpm = None if analysis.bpm is None else round(analysis.bpm, 2)
    downbeat = round(analysis.downbeat, 3)
    if as_json:
        document = {
            "mix": str(mix),
            "bpm": bpm,
            "downbeat": downbeat,
            "steadiness": round(analysis.steadiness, 3),
            "key": analysis.key,
            "chords": analysis.chart,
        }
        print(json.dumps(document, ensure_ascii=False))
        return
    if bpm is None:
        print("tempo   no beats were heard")
    else:
        doubt = "" if analysis.steadiness > 0.9 else "; many beats are elsewhere, so it may be wrong or change"
        print(f"tempo   {bpm:g} beats a minute, a bar begins at {downbeat:g} s{doubt}")
    print(f"key     {analysis.key or 'none'}")
    print(f"chords  {analysis.chart or 'none'}")
    words = ["latentstem", "accompany", str(mix)]
    if bpm is not None:
        words += ["--bpm", f"{bpm:g}", "--downbeat", f"{downbeat:g}"]
    if analysis.chart:
        words += ["--chords", analysis.chart]
    if len(words) > 3:
        print(f"\n{shlex.join(words)}")
