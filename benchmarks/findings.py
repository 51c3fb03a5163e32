"""What the benchmarks found, in sentences whose figures are those of the reports.

`benchmarks/readme_tables.py` writes every sentence into the section that explains it, and those of `OVERVIEW` on the
page of benchmarks. A sentence says what its figure is to be compared with: the true bass, another mix, chance, another
library. What its words alone claim, such as "fall short", is held against the reports by a test.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Results = Callable[[str], Mapping[str, Any]]
"""Name of a benchmark -> the figures of its report."""


class Finding(NamedTuple):
    """Words that link to a section, the address of that section, and the sentence."""

    words: str
    section: str
    sentence: Callable[[Results], str]


def harmony(results: Results) -> str:
    rows = results("accompaniment")["rows"]
    names = ("generated", "true bass", "generated, swapped mix")
    generated, true, swapped = (_mean(rows[row]["chord_share"]) for row in names)
    return (
        f"The bass plays a note of the chord **{generated}** of the time that it sounds; a true bass {true}, and this "
        f"one, set against another song's chords, {swapped}."
    )


def rhythm(results: Results) -> str:
    rows = results("accompaniment")["rows"]
    generated, second, low_end = (
        rows[row] for row in ("generated", "another player's bass", "copy of the mix's low end")
    )
    return (
        f"The root is on **{_mean(generated['root_on_downbeat'])}** of the downbeats; a second bass by the composer "
        f"has it on {_mean(second['root_on_downbeat'])}. Onsets agree with the true bass to an F1 of "
        f"{_mean(generated['onset_f1'])}, those of the second bass to {_mean(second['onset_f1'])}, of the mix's low "
        f"end to {_mean(low_end['onset_f1'])}."
    )


def songs_by_others(results: Results) -> str:
    soundfont, engines = (
        [_mean(results("real_songs")["sounds"][sound][row]["harmony"]) for row in ("generated", "true bass")]
        for sound in ("timgm6mb", "engines")
    )
    return (
        f"The bass is in harmony with the band **{soundfont[0]}** of the time on an unseen soundfont and {engines[0]} "
        f"on unseen synthesizers; true basses {soundfont[1]} and {engines[1]}."
    )


def own_mix(results: Results) -> str:
    generated, true = (results("retrieval")["basses"][row]["top_1"] for row in ("generated", "true bass"))
    return (
        f"Among {generated['songs']} mixes, **{_mean(generated)}** of the generated basses rank first for their own "
        f"and {_mean(true)} of the true ones; chance is {1 / generated['songs']:.2f}."
    )


def transcription(results: Results) -> str:
    found = results("transcription")["all"]
    return (
        f"The notes of true basses are found to an F1 of **{_mean(found['f1'])}**, with the right ends to "
        f"{_mean(found['offset_f1'])}."
    )


def round_trip(results: Results) -> str:
    stems = results("round_trips")["round_trips"]
    soundfont, engines = (_mean(stems[f"bass, {source}"]["pitch kept"]) for source in ("timgm6mb", "engines"))
    return (
        f"After a round trip **{soundfont}** of a bass's pitches are kept on an unseen soundfont, {engines} on unseen "
        f"synthesizers; on these the chroma of leads agrees to {_mean(stems['lead, engines']['chroma agreement'])}."
    )


def whole_mixes(results: Results) -> str:
    mixes = results("reconstruction")["mixes"]
    ours, pca = (_mean(mixes[row]["chroma_agreement"]) for row in ("autoencoder", "PCA, Griffin-Lim phase"))
    return f"Their chroma agrees to **{ours}** after the round trip, and to {pca} after a PCA with as many numbers."


def recorded_sounds(results: Results) -> str:
    count, styled, chance, _ = _recognized(results, "recorded")
    return (
        f"A bass in the style of one of {count} recorded basses is recognized as that one in **{styled}** of the "
        f"cases; chance is {chance}."
    )


def synthesized_sounds(results: Results) -> str:
    count, styled, chance, itself = _recognized(results, "engines")
    return (
        f"In the style of one of {count} synthesized basses it is recognized in **{styled}** of the cases; chance is "
        f"{chance}, and these basses themselves are recognized in {itself}."
    )


def _recognized(results: Results, of_set: str) -> tuple[int, str, str, str]:
    """Return the number of instruments, and how often each is recognized: as a style, by chance, and itself."""
    figures = results("timbre")["sets"][of_set]
    cells = figures["bands"]["up to 4.4 kHz"]
    return round(1 / figures["chance"]), _mean(cells["styled"]), f"{figures['chance']:.2f}", _mean(cells["itself"])


def grounding(results: Results) -> str:
    cases = results("style_grounding")["cases"]
    styled, without = cases["whole mean, strength 1"], cases["no style"]
    return (
        f"At full strength the mean latent is nearest to the reference's instrument in **{_mean(styled['nearest'])}** "
        f"of the cases, without a style in {_mean(without['nearest'])}; the chord share changes by "
        f"{_mean(styled['chord_share_change'])}."
    )


def moved_mean(results: Results) -> str:
    rows = results("style_swap")["means"]
    moved, trip = rows["its partner's mean"], rows["the partner's round trip"]
    return (
        f"With the mean of another instrument a bass moves **{_mean(moved['timbre'])}** of the way to it in MFCCs, and "
        f"keeps {_mean(moved['pitch'])} of its pitches; the round trip of that instrument comes to "
        f"{_mean(trip['timbre'])}."
    )


def style_space(results: Results) -> str:
    moved = results("style_space")["moved"]["8"]
    return (
        f"Eight numbers move **{moved['between_instruments']:.2f}** of the variance between instruments and "
        f"{moved['between_songs']:.2f} of that between the songs of one."
    )


def real_time(results: Results) -> str:
    cases = results("peers_denoisers")["cases"]
    standard, fast, best = (
        cases[f"sampling/latentstem-{case}"]["times_real_time"] for case in ("standard", "fast", "audio")
    )
    return (
        f"A stem is made **{standard:.0f}** times faster than real time by default, {fast:.0f} times with `fast`, "
        f"{best:.0f} times with `best`."
    )


def codec_speed(results: Results) -> str:
    cases = results("peers")["cases"]
    encode, decode = (
        cases[f"{way}/encodec-24k"]["seconds"] / cases[f"{way}/latentstem"]["seconds"] for way in ("encode", "decode")
    )
    ours, theirs = (cases[f"encode/{name}"]["peak_memory"] / 1e9 for name in ("latentstem", "encodec-24k"))
    return (
        f"Encoding is **{encode:.0f}** times as fast as EnCodec's at 24 kHz and decoding {decode:.1f} times, in "
        f"{ours:.2f} GB in place of {theirs:.1f}."
    )


def first_stem(results: Results) -> str:
    case = results("peers_denoisers")["cases"]["sampling/latentstem-fast"]
    return (
        f"Before the first stem come **{case['load_seconds']:.0f} s** of loading; a stem of a minute then takes "
        f"{case['first_seconds']:.1f} s with `fast`."
    )


def one_hour(results: Results) -> str:
    cases = results("peers_lengths")["cases"]
    hour, minutes = (cases[f"files/latentstem-{length}"] for length in ("60min", "2min"))
    return (
        f"From file to file an hour takes **{hour['seconds']:.0f} s** and {hour['peak_memory'] / 1e9:.2f} GB with "
        f"`fast`, two minutes {minutes['peak_memory'] / 1e9:.2f} GB."
    )


def presets(results: Results) -> str:
    cases = results("presets")["cases"]
    fast, best = cases["UniPC, 8 (fast)"], cases["DDIM, 64 (best)"]
    loss = fast["chord_share"]["less_best"]
    return (
        f"`fast` takes **{fast['seconds_a_song'] / best['seconds_a_song']:.2f}** of the time of `best`; the chord "
        f"share differs by {_mean(loss, 3)} [{loss['low']:.3f}, {loss['high']:.3f}]."
    )


def busy_machine(results: Results) -> str:
    seconds = results("under_load")["median_seconds"]["a core"]
    return (
        f"Beside a program that holds one of two cores, a stem of 12 s takes **{seconds['passive']:.2f} s** with "
        f"threads that sleep while they wait, {seconds['default']:.2f} s with threads that spin."
    )


def steps(results: Results) -> str:
    report = results("solvers")
    distances = {
        solver: {count: cell["frechet"]["mean"] for count, cell in cells.items()}
        for solver, cells in report["solvers"].items()
    }
    ddim, unipc = distances["DDIM"], distances["UniPC"]
    of_ddim, of_unipc = min(ddim, key=ddim.__getitem__), min(unipc, key=unipc.__getitem__)
    true = report["other_half_of_the_true_basses"]["frechet"]
    return (
        f"The distance from true basses is least at **{of_unipc}** steps of UniPC ({unipc[of_unipc]:.2f}) or {of_ddim} "
        f"of DDIM ({ddim[of_ddim]:.2f}, and {ddim['64']:.2f} at 64); other true basses are at {true:.2f}."
    )


def guidance(results: Results) -> str:
    report = results("guidance_grid")
    plain, guided = (_mean(report["heard"]["0.4"][w]["chord_share"]) for w in ("1", "4"))
    rescaled, raw = (_mean(report["distances"][phi]["4"]["frechet"]) for phi in ("0.4", "0"))
    return (
        f"Guidance of w = 4 brings the chord share from {plain} to **{guided}**; with phi = 0.4 the distance from true "
        f"basses is then {rescaled}, without rescaling {raw}."
    )


def best_of_eight(results: Results) -> str:
    gains = results("reranking")["over_mean"]
    chord, onset = (gains["the reranker's"][metric] for metric in ("chord_share", "onset_f1"))
    alike = gains["most alike"]["onset_f1"]
    return (
        f"The reranker's choice of eight gains **{_mean(chord, 3)}** [{chord['low']:.3f}, {chord['high']:.3f}] of "
        f"chord share over their mean and changes onset F1 by {_mean(onset, 3)} [{onset['low']:.3f}, "
        f"{onset['high']:.3f}]; the bass whose onsets agree most with those of the others gains {_mean(alike, 3)}."
    )


def positions(results: Results) -> str:
    lengths = results("position_bias")["lengths"]
    kinds = ("dynamic position bias", "no position", "rotary positions")
    bias, none, rotary = (_mean(lengths[kind]["8"]["chord_share"]["value"], 3) for kind in kinds)
    return (
        f"At eight times the training length the chord share is **{bias}** with the dynamic bias, {none} without "
        f"positions and {rotary} with rotary ones."
    )


MUSIC, SOUND, SPEED, METHOD = (f"benchmarks/{name}.md" for name in ("music", "sound", "speed", "method"))

FINDINGS = {
    "harmony": Finding("Harmony", f"{MUSIC}#harmony-and-rhythm", harmony),
    "rhythm": Finding("Roots and rhythm fall short", f"{MUSIC}#harmony-and-rhythm", rhythm),
    "songs-by-others": Finding("Songs by others", f"{MUSIC}#music-that-nobody-made-for-this", songs_by_others),
    "own-mix": Finding("Its own mix", f"{MUSIC}#which-bass-belongs-to-which-mix", own_mix),
    "transcription": Finding("Transcription", f"{MUSIC}#transcription", transcription),
    "round-trip": Finding("The autoencoder", f"{SOUND}#round-trips", round_trip),
    "whole-mixes": Finding("Whole mixes", f"{SOUND}#whole-mixes", whole_mixes),
    "recorded-sounds": Finding("Recorded basses", f"{SOUND}#instruments-that-no-net-was-trained-on", recorded_sounds),
    "synthesized-sounds": Finding(
        "Synthesizers fall short", f"{SOUND}#instruments-that-no-net-was-trained-on", synthesized_sounds
    ),
    "grounding": Finding("Style", f"{SOUND}#style", grounding),
    "moved-mean": Finding("Another mean", f"{SOUND}#a-bass-with-another-mean", moved_mean),
    "style-space": Finding("The style space", f"{SOUND}#how-much-of-a-mean-latent-is-the-instrument", style_space),
    "real-time": Finding("From mix to stem", f"{SPEED}#speed-beside-other-libraries", real_time),
    "codec-speed": Finding("Beside EnCodec", f"{SPEED}#speed-beside-other-libraries", codec_speed),
    "first-stem": Finding("The first stem waits", f"{SPEED}#speed-beside-other-libraries", first_stem),
    "one-hour": Finding("An hour of music", f"{SPEED}#time-and-memory-against-length", one_hour),
    "presets": Finding("Quality presets", f"{SPEED}#what-the-quality-presets-cost", presets),
    "busy-machine": Finding("A busy machine", f"{SPEED}#beside-another-program", busy_machine),
    "steps": Finding("Steps", f"{METHOD}#how-many-steps-and-which-solver", steps),
    "guidance": Finding("Guidance", f"{METHOD}#how-far-to-guide", guidance),
    "best-of-eight": Finding("The best of eight", f"{METHOD}#the-best-of-eight", best_of_eight),
    "positions": Finding("The position bias gains nothing", f"{METHOD}#longer-than-the-training", positions),
}

OVERVIEW = {
    ("The music", MUSIC): ("harmony", "songs-by-others", "rhythm"),
    ("The sound", SOUND): ("round-trip", "recorded-sounds", "synthesized-sounds"),
    ("Speed, on two CPU cores", SPEED): ("real-time", "codec-speed", "first-stem"),
    ("The method", METHOD): ("steps", "best-of-eight", "positions"),
}
"""Findings of the page of benchmarks, by the title and the address of the page behind them; the last is a weakness."""


def paragraph(name: str, results: Results) -> list[str]:
    """Write a finding as a paragraph of its section."""
    return [FINDINGS[name].sentence(results)]


def overview(results: Results) -> list[str]:
    """Write the findings of the page of benchmarks: a box for each page behind it, a line for each finding."""
    lines = ['<div class="doors pairs" markdown>']
    for (title, page), names in OVERVIEW.items():
        lines += ["", "<div markdown>", "", f"**[{title}]({page})**", ""]
        found = (FINDINGS[name] for name in names)
        lines += [f"- [{finding.words}]({finding.section}). {finding.sentence(results)}" for finding in found]
        lines += ["", "</div>"]
    return [*lines, "", "</div>"]


def _mean(cell: Mapping[str, float], digits: int = 2) -> str:
    return f"{cell['mean']:.{digits}f}"
