"""Three kinds of position compared on music of 1 to 8 times the training length.

Three small nets that differ only in this, trained alike for the same steps on the same latents, in crops of at most 128
frames, 12 seconds:

- `DynamicPositionBias`, as shipped;
- no position at all: the bias stays at zero, where it starts; convolutions still know their neighbours;
- rotary positions (Su et al., arXiv 2104.09864) in its place, on the queries and keys of the same layers.

Then each accompanies the same long songs in pieces of 1, 2, 4 and 8 times 12 seconds, from the same noise: the music is
the same, and only the length of the attention differs. The fourth row is the first net with the logits scaled by
log n beyond the training length (`SelfAttention1D`), which changes nothing at that length and needs no training.

Run it as `python -m benchmarks.training.position_bias --output runs/lengths`: an hour and a half of two cores. A
training that is finished is skipped, and one that was interrupted resumes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.common.generation import weights_folder
from benchmarks.common.plotting import plot_means
from benchmarks.common.processes import processes
from benchmarks.common.report import RESULTS, format_interval, interval, print_table, write_report
from latentstem import AutoencoderSpectral, StemAccompanimentPipeline, StemUNet1DModel
from latentstem.data.corpus import read_annotation, write_corpus
from latentstem.data.splits import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.evaluation import chord_share, onset_f1, onset_times, track_pitch
from latentstem.nn.attention import SelfAttention1D
from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler
from latentstem.training.engine.history import read_history
from latentstem.training.latents import LatentTrack, cache_latents
from latentstem.training.pipeline import build_pipeline
from latentstem.training.unet import UNetTraining, train

MULTIPLES = (1, 2, 4, 8)
CROP_FRAMES = (32, 128)
DYNAMIC, NONE, ROTARY = "dynamic position bias", "no position", "rotary positions"
SCALED = "dynamic, log-n scaling"
NETS = {"dynamic": DYNAMIC, "none": NONE, "rotary": ROTARY}
"""Folder of each training -> name in the report."""
WIDTHS = (160, 256, 320)
SEED = 31
"""Seed of the sub-mixes and crops."""
INFERENCE_STEPS = 32
METRICS = {"chord_share": "chord share", "onset_f1": "onset F1"}


def main(
    output: Annotated[Path, typer.Option(help="Folder of the trainings; what is finished there is not run again.")],
    corpus: Annotated[
        Path | None, typer.Option(help="Folder of rendered training songs, filled if songs are missing.")
    ] = None,
    latents: Annotated[Path | None, typer.Option(help="Folder of their latents, filled if they are missing.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of a pipeline whose autoencoder is used; the shipped one if absent.")
    ] = None,
    songs: Annotated[int, typer.Option(min=2, help="Songs to train on.")] = 1035,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training: 20 minutes of two busy cores.")] = 3000,
    batch_frames: Annotated[int, typer.Option(min=1, help="Latent frames a step.")] = 3072,
    long_songs: Annotated[int, typer.Option(min=2, help="Long songs to accompany.")] = 16,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that analyze.")] = 2,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    corpus, latents = corpus or output / "corpus", latents or output / "latents"
    if len(list(corpus.glob("*/song.json"))) < songs:
        write_corpus(corpus, TRAIN_SEEDS[:songs], duration=20.0)
    autoencoder = weights_folder(weights) / "autoencoder"
    trained = {}
    for folder, name in NETS.items():
        finished = output / folder / "pipeline" / "unet"
        if not finished.is_dir():
            torch.manual_seed(0)  # the three start alike
            settings = UNetTraining(
                corpus,
                output / folder,
                autoencoder,
                latents=latents,
                steps=steps,
                batch_frames=batch_frames,
                crop_frames=CROP_FRAMES,
                save_minutes=5.0,
                seed=SEED,
            )
            train(settings, set_position(StemUNet1DModel(block_out_channels=WIDTHS, dropout=0.1), name))
        trained[name] = set_position(StemUNet1DModel.from_pretrained(finished), name)
    scaled = StemUNet1DModel.from_config(trained[DYNAMIC].config, log_n_scaling=True, train_length=CROP_FRAMES[1])
    scaled.load_state_dict(trained[DYNAMIC].state_dict())

    decoder = AutoencoderSpectral.from_pretrained(autoencoder).eval()
    folder = output / "long_songs"
    tracks = _long_songs(folder, decoder, output / "long_latents", long_songs)
    figures: dict[str, dict[str, dict[str, list[float]]]] = {}
    with processes(jobs) as each:
        for name, unet in {**trained, SCALED: scaled}.items():
            pipe = build_pipeline(unet.eval(), decoder, CosineDDIMScheduler())
            figures[name] = {}
            for multiple in MULTIPLES:
                if name == SCALED and multiple == 1:
                    figures[name]["1"] = figures[DYNAMIC]["1"]
                    continue
                stems = _accompany(pipe, tracks, multiple * CROP_FRAMES[1], f"{name}, {multiple}")
                annotations = [folder / song.name for song in tracks]
                scores = each(_score, f"{name}, {multiple}: analyzing", stems, annotations)
                columns = zip(*scores, strict=True)
                figures[name][str(multiple)] = dict(zip(METRICS, map(list, columns), strict=True))

    report = {
        name: {
            multiple: {
                measure: {
                    "value": interval(values),
                    "less_training_length": interval(np.subtract(values, by_multiple["1"][measure])),
                }
                for measure, values in by_measure.items()
            }
            for multiple, by_measure in by_multiple.items()
        }
        for name, by_multiple in figures.items()
    }
    header = ["positions", "times the crop", "chord share", "less at 1", "onset F1", "less at 1"]
    rows = [
        [name, multiple, *(format_interval(shape) for measure in METRICS for shape in by_measure[measure].values())]
        for name, by_multiple in report.items()
        for multiple, by_measure in by_multiple.items()
    ]
    print_table(f"Pieces of {CROP_FRAMES[1]} frames and longer", header, rows)
    settings = {
        "songs": songs,
        "steps": steps,
        "batch_frames": batch_frames,
        "crop_frames": CROP_FRAMES,
        "widths": WIDTHS,
        "long_songs": long_songs,
        "num_inference_steps": INFERENCE_STEPS,
        "weights": weights_folder(weights).name,
        "trainings": {name: _last_record(output / folder) for folder, name in NETS.items()},
    }
    written = {"lengths": report, "by_song": figures}
    write_report("position_bias", settings, written, plot(written), results)


def set_position(unet: Any, name: str) -> Any:
    """Give a net one of three kinds of position; the weights of all three have the same names and shapes."""
    if name == DYNAMIC:
        return unet
    # The last layer of the bias starts at zero, so a bias that is not trained adds nothing.
    unet.position_biases.requires_grad_(False)
    if name == ROTARY:
        for layer in unet.modules():
            if isinstance(layer, SelfAttention1D):
                for projection in (layer.to_q, layer.to_k):
                    projection.register_forward_hook(lambda _, __, out, heads=layer.num_heads: rotate(out, heads))
    return unet


def rotate(vectors: torch.Tensor, heads: int, base: float = 10_000.0) -> torch.Tensor:
    """Rotate every pair of channels of a head by an angle proportional to the index of the frame (equation 34).

    Args:
        vectors: Queries or keys, `(batch, frames, heads * head_dim)`.
        heads: Number of heads.
        base: Angles a frame fall from 1 towards 1 / base.

    Returns:
        Vectors of the same shape, whose products depend on the distance of their frames.
    """
    frames, half = vectors.shape[1], vectors.shape[2] // heads // 2
    speeds = base ** (-torch.arange(half, device=vectors.device) / half)
    angles = torch.arange(frames, device=vectors.device)[:, None, None] * speeds
    cos, sin = angles.cos().to(vectors.dtype), angles.sin().to(vectors.dtype)
    first, second = vectors.unflatten(-1, (heads, 2, half)).unbind(-2)
    return torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-2).flatten(2)


def _long_songs(folder: Path, autoencoder: AutoencoderSpectral, cache: Path, count: int) -> list[LatentTrack]:
    """Encode whole songs, as long as the longest piece."""
    frames = MULTIPLES[-1] * CROP_FRAMES[1]
    duration = float(np.ceil(frames * autoencoder.config["hop_length"] / autoencoder.config["sampling_rate"]))
    # Validation seeds that no other benchmark uses.
    write_corpus(folder, VALIDATION_SEEDS[500 : 500 + count], duration=duration)
    tracks = cache_latents(folder, "bass", autoencoder, cache, submixes=1, seed=0)
    return [LatentTrack(track.name, track.stem[:, :frames], {"mix": track.mixes[..., :frames]}) for track in tracks]


@torch.inference_mode()
def _accompany(
    pipe: StemAccompanimentPipeline, tracks: Sequence[LatentTrack], piece: int, description: str
) -> list[np.ndarray]:
    """Generate basses `(samples,)` piece by piece from noise of each song, and decode them whole."""
    pipe.set_progress_bar_config(disable=True)
    stems = []
    for index, song in enumerate(track(tracks, description=description)):
        noise = torch.randn(song.stem.shape, generator=torch.Generator().manual_seed(index))
        mix, noise = (whole.unflatten(-1, (-1, piece)).movedim(1, 0) for whole in (song.mixes[0], noise))
        with torch.autocast(pipe.device.type, torch.bfloat16):
            (generated,) = pipe(
                mix_latents=mix,
                latents=noise,
                num_inference_steps=INFERENCE_STEPS,
                output_type="latent",
                return_dict=False,
            )
        whole = torch.as_tensor(generated).float().movedim(0, 1).flatten(1)[None]
        stems.append(pipe.decode_latents(whole, whole.shape[-1] * pipe.hop_length, torch.ones(1))[0, 0].cpu().numpy())
    return stems


def _score(stem: np.ndarray, song: Path) -> tuple[float, float]:
    """Compute the chord share, and the onset F1 against the annotated notes, of a bass `(samples,)`."""
    annotation, rate = read_annotation(song).beginning(len(stem) / 44100), 44100
    notes = np.array([note.start for note in annotation.part("bass").notes])
    return chord_share(track_pitch(stem, rate), annotation.chords), onset_f1(notes, onset_times(stem, rate))


def _last_record(run: Path) -> dict[str, float]:
    return read_history(run / "history.jsonl")[-1]


def plot(figures: dict[str, Any]) -> Figure:
    report = figures["lengths"]
    picture = Figure(figsize=(10, 4.2), layout="constrained")
    picture.suptitle("Three small nets trained alike on 12 s, and longer music; intervals over songs")
    axes: Any = picture.subplots(1, 2)
    for axis, (measure, label) in zip(axes, METRICS.items(), strict=True):
        for index, (name, by_multiple) in enumerate(report.items()):
            values = [by_measure[measure]["value"] for by_measure in by_multiple.values()]
            lengths = [multiple * 2 ** (0.06 * (index - 1.5)) for multiple in MULTIPLES]  # beside each other
            plot_means(axis, lengths, values, label=name)
        axis.set_xscale("log", base=2)
        axis.set(xlabel="length over the longest training crop", ylabel=label, xticks=MULTIPLES)
        axis.set_xticklabels([str(multiple) for multiple in MULTIPLES])
        axis.grid(alpha=0.3)
    axes[0].legend()
    return picture


if __name__ == "__main__":
    typer.run(main)
