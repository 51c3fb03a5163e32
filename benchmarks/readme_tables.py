"""The figures that README and the model card show, as Markdown tables, from the reports in `results/`.

Run it as `python -m benchmarks.readme_tables` after the benchmarks, and paste what it prints.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    harmony, style, guidance, codec, pairs = (
        json.loads((RESULTS / f"{name}.json").read_text())
        for name in ("accompaniment", "style_grounding", "guidance_std", "reconstruction", "retrieval")
    )
    rows = harmony["figures"]["rows"]
    true, trip, made, swapped = (
        rows[name] for name in ("true bass", "round trip of it", "generated", "generated, swapped mix")
    )
    player, copy, near = (
        rows[name] for name in ("another player's bass", "copy of the mix's low end", "nearest training bass")
    )
    less = harmony["figures"]["generated_less"]["generated, swapped mix"]
    cases = style["figures"]["cases"]
    plain, mean = (cases[name] for name in ("no style", "whole mean, strength 1"))
    basses = pairs["figures"]["basses"]
    trips = codec["figures"]["groups"]["all"]
    scale = guidance["settings"]["guidance_scale"]
    table = [
        ("chord share: voiced frames whose pitch class is in the chord", [made["chord_share"]]),
        ("the same, true bass / its round trip", [true["chord_share"], trip["chord_share"]]),
        ("generated less the same basses held against other songs", [less["chord_share"]]),
        ("voiced frames over the true bass's", [made["voiced_ratio"]]),
        ("root on downbeats, generated / true bass", [made["root_on_downbeat"], true["root_on_downbeat"]]),
        ("the same, low end of the mix / nearest training bass", [copy["root_on_downbeat"], near["root_on_downbeat"]]),
        ("onset F1 against the true bass, generated / swapped", [made["onset_f1"], swapped["onset_f1"]]),
        ("the same, low end of the mix / nearest training bass", [copy["onset_f1"], near["onset_f1"]]),
        ("the same, true bass / another player's bass to the same song", [true["onset_f1"], player["onset_f1"]]),
        (
            "mixes of 25 in one band of tempos whose own bass a judge finds, generated / true",
            [
                basses["generated"]["top_1"],
                basses["true bass"]["top_1"],
            ],
        ),
        ("pitch kept by the autoencoder's round trip", [trips["pitch_agreement"]]),
        ("its onset lag, ms", [{key: 1000 * trips["onset_lag_size"][key] for key in ("mean", "low", "high")}]),
        (
            "way travelled towards a style reference, mean latent / MFCC",
            [mean["latent_movement"], mean["timbre_movement"]],
        ),
        ("nearest mean latent is the reference's program's, with / without style", [mean["nearest"], plain["nearest"]]),
        ("the same by a classifier of MFCCs", [mean["named"], plain["named"]]),
        ("change of chord share by style", [mean["chord_share_change"]]),
        (f"deviation of latents at w = {scale:g} over w = 1", [guidance["figures"]["guided_over_plain"]]),
        ("share of that excess taken away by phi = 0.7", [guidance["figures"]["excess_taken_away"]]),
    ]
    print("| measure | mean [95 % interval over songs] |\n| --- | --- |")
    for name, figures in table:
        print(f"| {name} | {' / '.join(map(_format_interval, figures))} |")
    print()
    # The autoencoders take an hour; denoisers, and lengths, are measured by runs of their own (`--only`, `--name`).
    codecs, denoisers, lengths = (
        json.loads((RESULTS / f"{name}.json").read_text())["figures"]["cases"]
        for name in ("peers", "peers_denoisers", "peers_lengths")
    )
    _print_speed(codecs | denoisers | lengths)


def _print_speed(cases: Mapping[str, Mapping[str, Any]]) -> None:
    ours, peers = "latentstem", {"EnCodec 24 kHz": "encodec-24k", "music2latent": "music2latent", "Oobleck": "oobleck"}
    table = [
        (f"{way}, beside {', '.join(peers)}", [cases[f"{way}/{name}"] for name in (ours, *peers.values())])
        for way in ("encode", "decode")
    ]
    best, fast, hour = (
        cases[name] for name in (f"sampling/{ours}-audio", f"sampling/{ours}-fast", "files/latentstem-60min")
    )
    table += [
        (
            "sample, 64 guided steps on latents, beside StableAudioDiT with DDIM",
            [cases[f"sampling/{ours}"], cases["sampling/stable-audio-dit"]],
        ),
        ("mix to stem, `best` / `fast`", [best, fast]),
        ("an hour from file to file, `fast`", [hour]),
    ]
    print("| 60 s of audio on two CPU cores | times real time | peak memory of the process, GB |\n| --- | --- | --- |")
    for name, rows in table:
        columns = (
            " / ".join(f"{row['times_real_time']:.3g}" for row in rows),
            " / ".join(f"{row['peak_memory'] / 1e9:.2g}" for row in rows),
        )
        print(f"| {name} | {' | '.join(columns)} |")


def _format_interval(figure: Mapping[str, Any]) -> str:
    return f"{figure['mean']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}]"


if __name__ == "__main__":
    main()
