"""Does log-n scaling of the attention logits help a U-Net on music longer than its crops? Part of `scaling.py`.

One trained net, with the option off and on (`SelfAttention1D`; Su 2021, Chiang and Cholak, ACL 2022), on the same long
songs cut into pieces of 1, 4 and 8 times its longest crop: the same music, the same noise, and only the length of what
attention sees differs. The option acts beyond `train_length`, here that longest crop, so a net trained with it is to
the bit the net trained without: no second training is needed, and at the crop's own length both are one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from report import interval, print_table, shown, write_report
from rich.progress import track

from latentstem import StemAccompanimentPipeline, StemUNet1DModel
from latentstem.data.composer import VALIDATION_SEEDS
from latentstem.data.corpus import write_corpus
from latentstem.data.stems import StemFolder
from latentstem.training.latents import LatentTrack, cache_latents
from latentstem.training.unet import UNetTraining
from latentstem.training.validation import build_pipeline, chord_shares, velocity_errors

MULTIPLES = (1, 4, 8)
OFF, ON = "as it is", "log-n scaling"
STEPS = 32


def length_study(
    pipe: StemAccompanimentPipeline,
    songs_folder: Path,
    cache: Path,
    songs: int,
    timesteps: Sequence[int],
    settings: Mapping[str, Any],
    results: Path,
) -> None:
    """Runs the study and writes `logit_scaling.json` and its picture.

    Args:
        pipe: With the trained net, whose crops had the default lengths.
        songs_folder: Where the long songs are kept.
        cache: Where their latents are kept.
        songs: How many.
        timesteps: At which the velocity error is taken.
        settings: Of the training, for the report.
        results: Where the report goes.
    """
    longest = UNetTraining.crop_frames[1]
    frames = MULTIPLES[-1] * longest
    duration = float(np.ceil((frames + 1) * pipe.hop_length / pipe.sampling_rate))
    # Validation seeds that no other figure uses.
    write_corpus(songs_folder, VALIDATION_SEEDS[500 : 500 + songs], duration=duration)
    latents = cache_latents(songs_folder, "bass", pipe.autoencoder, cache, submixes=1, seed=0)
    latents = [LatentTrack(t.name, t.stem[:, :frames], t.mixes[..., :frames]) for t in latents]

    scaled: Any = StemUNet1DModel.from_config(pipe.unet.config, log_n_scaling=True, train_length=longest)
    scaled.load_state_dict(pipe.unet.state_dict())
    nets = {OFF: pipe.unet.eval(), ON: scaled.to(pipe.unet.device).eval()}
    figures: dict[str, dict[str, dict[str, list[float]]]] = {option: {} for option in nets}
    for multiple in MULTIPLES:
        for option, net in nets.items():
            if multiple == 1 and option == ON:
                figures[ON]["1"] = figures[OFF]["1"]
                continue
            piece = multiple * longest
            errors = velocity_errors(net, pipe.scheduler, latents, timesteps, piece)
            stems = _stems(build_pipeline(net, pipe.autoencoder, pipe.scheduler), latents, piece, f"{option}, {piece}")
            shares = chord_shares(stems, pipe.sampling_rate, songs_folder, StemFolder(songs_folder).tracks)
            figures[option][str(multiple)] = {"velocity_error": errors["mix"].mean(0).tolist(), "chord_share": shares}

    report = {
        option: {
            multiple: {
                name: {
                    "value": interval(values),
                    "less_off": interval(np.subtract(values, figures[OFF][multiple][name])),
                }
                for name, values in by_name.items()
            }
            for multiple, by_name in by_multiple.items()
        }
        for option, by_multiple in figures.items()
    }
    header = ["attention", "crops long", "velocity error", "less as it is", "chord share", "less as it is"]
    rows = [
        [option, multiple, *(shown(shape, digits=4) for figure in by_name.values() for shape in figure.values())]
        for option, by_multiple in report.items()
        for multiple, by_name in by_multiple.items()
    ]
    print_table(f"Pieces of {longest} frames and longer", header, rows)
    settings = {**settings, "long_songs": songs, "crop_frames": longest, "num_inference_steps": STEPS}
    write_report("logit_scaling", settings, {"lengths": report, "by_song": figures}, _picture(report, longest), results)


@torch.inference_mode()
def _stems(pipe: StemAccompanimentPipeline, tracks: Sequence[LatentTrack], piece: int, name: str) -> torch.Tensor:
    """Basses `(tracks, channels, samples)`, generated piece by piece from noise that is each song's own."""
    pipe.set_progress_bar_config(disable=True)
    stems = []
    for number, song in enumerate(track(tracks, description=name)):
        noise = torch.randn(song.stem.shape, generator=torch.Generator().manual_seed(number))
        mix, noise = (whole.unflatten(-1, (-1, piece)).movedim(1, 0) for whole in (song.mixes[0], noise))
        (made,) = pipe(
            mix_latents=mix, latents=noise, num_inference_steps=STEPS, output_type="latent", return_dict=False
        )
        whole = torch.as_tensor(made).movedim(0, 1).flatten(1)[None]
        stems.append(pipe.decode_latents(whole, whole.shape[-1] * pipe.hop_length, torch.ones(1))[0].cpu())
    return torch.stack(stems)


def _picture(report: dict[str, dict[str, dict[str, Any]]], longest: int) -> Figure:
    picture = Figure(figsize=(9, 3.8), layout="constrained")
    axes: Any = picture.subplots(1, 2)
    for axis, name, label in zip(
        axes, ("velocity_error", "chord_share"), ("error of the velocity", "chord share"), strict=True
    ):
        for option, by_multiple in report.items():
            points = [by_name[name]["value"] for by_name in by_multiple.values()]
            axis.plot(MULTIPLES, [point["mean"] for point in points], "o-", label=option)
        axis.set(xlabel=f"length over the longest crop ({longest} frames)", ylabel=label, xticks=MULTIPLES)
        axis.grid(alpha=0.3)
    axes[0].legend()
    return picture
