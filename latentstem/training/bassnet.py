"""Training of `BassNetModel`: cross-reconstruction of neighbouring windows (Grachten et al. 2020, section 4.4.2)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate.utils import set_seed
from torch import Tensor, nn

from latentstem.audio.multi_resolution import MultiResolutionWindows
from latentstem.losses.variational import cross_reconstruction_terms, reconstruction_terms
from latentstem.models.bassnet import BassNetModel, BassNetOutput
from latentstem.pipelines.bassnet import BassNetPipeline
from latentstem.training.bassnet_draws import GROUP, GROUP_SECONDS, drawn_loss
from latentstem.training.bassnet_patterns import measure_patterns
from latentstem.training.bassnet_windows import (
    BassNetBatch,
    BassNetTrack,
    BassNetWindows,
    cache_spectrograms,
    compress_windows,
)
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.budget import progress_bar
from latentstem.training.engine.options import RunOptions
from latentstem.training.engine.run import TrainingRun

_STATISTICS_BATCHES = 20  # from which the normalizations of the averaged weights are measured


@dataclass(frozen=True)
class BassNetTraining(RunOptions):
    """Settings of a training of `BassNetModel`.

    The other options are described at `latentstem.training.engine.options.RunOptions`.

    Args:
        data: Folder of tracks to train on, `<data>/<track>/<stem>.wav|flac`.
        output: Folder for the training state, the logs and, in `pipeline/`, the trained weights.
        spectrograms: Folder of the cached spectrograms, which trainings on the same tracks may share; without it they
            go to `spectrograms/` in the output folder.
        submixes: Number of mixes of each track: the whole accompaniment, and random parts of it at random gains.
        model: Keyword arguments of `BassNetModel` that differ from the defaults, as a JSON object.
        init_from: Folder of a published pipeline to start from, whose net and windows are taken in place of `model`,
            `compressed` and `expanded`.
        compressed: Steps of 10 ms of a window in each resolution, an even number.
        expanded: Steps of 10 ms that a window spans: `compressed` times a power of two.
        plain_reconstruction: Whether each window is decoded with its own control, as the paper does for comparison;
            with the control of a neighbour, the default, the control cannot describe single notes.
        divergence_weight: Weight of the divergences, in nats a window, beside errors that are means over its steps; at
            1, and with patterns that are hard to tell at 0.02, the net finds it cheapest to say nothing in the control.
        neighbour_seconds: Greatest distance of neighbours in seconds.
        transpose: Greatest random transposition of windows in whole semitones, up and down.
        batch_size: Windows per step, an even number, half of them neighbours of the others; a multiple of 4 with
            `draws`.
        draws: Number of controls that are drawn for each group of four neighbouring windows in the first part of the
            training, in place of inferred ones: those that decode the group well are decoded better and named by the
            encoder. It finds patterns that an encoder does not come upon by itself; 0 leaves that part out, as the
            paper does.
        draws_share: Part of the training that draws controls.
        patience: Number of validations in a row without improvement after which the training ends; without it the
            budget alone ends it.
    """

    GROUPS: ClassVar[dict[str, str]] = {
        "spectrograms": "Data",
        "model": "Model",
        "compressed": "Model",
        "plain_reconstruction": "Objective",
        "batch_size": "Optimisation",
        "patience": "Run",
    }

    data: Path
    _: KW_ONLY
    learning_rate: float = 1e-3
    ema_decay: float = 0.99
    validations: int = 20
    spectrograms: Path | None = None
    submixes: int = 1
    model: dict[str, Any] | None = None
    init_from: Path | None = None
    compressed: int = 40
    expanded: int = 40
    plain_reconstruction: bool = False
    divergence_weight: float = 0.002
    neighbour_seconds: float = 5.0
    transpose: int = 0
    batch_size: int = 20
    draws: int = 0
    draws_share: float = 0.6
    patience: int | None = None


def bassnet_loss(
    output: BassNetOutput, target: Mapping[str, Tensor], partners: Tensor | None = None, divergence_weight: float = 1.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add up the terms of the loss of a batch: equation (9) or, without partners, (10).

    Args:
        output: What the model returned for the windows, with the same `partners`.
        target: What is to be decoded, as `latentstem.losses.reconstruction_errors` takes it.
        partners: Index of each window's partner in the batch.
        divergence_weight: Weight of the divergences; the other terms, means over all steps, have 1.

    Returns:
        The loss, and its terms by name, without their weights.
    """
    if partners is None:
        terms = reconstruction_terms(output, target)
    else:
        terms = cross_reconstruction_terms(output, target, partners)
    weighted = [term * divergence_weight if "divergence" in name else term for name, term in terms.items()]
    return torch.stack(weighted).sum(), terms


def train(settings: BassNetTraining) -> Path:
    """Train a BassNet, validate it, and publish the best weights.

    Args:
        settings: Settings of the training.

    Returns:
        Folder of the published pipeline, with the moving average of the net that validated best.

    Raises:
        latentstem.data.stems.layouts.StemError: If the folder holds no usable track.
        ValueError: If windows or batches cannot be of the given sizes, or the output folder holds another net's state.
    """
    if settings.draws < 0 or not 0 <= settings.draws_share <= 1 or (settings.draws and settings.batch_size % GROUP):
        raise ValueError(
            f"got draws={settings.draws}, draws_share={settings.draws_share} and batch_size={settings.batch_size}; "
            f"expected 0 or more, a share from 0 to 1, and where controls are drawn a multiple of {GROUP}"
        )
    set_seed(settings.seed)
    if settings.init_from is None:
        windows = MultiResolutionWindows(settings.compressed, settings.expanded)
        model = BassNetModel(resolutions=windows.channels, steps=windows.compressed, **(settings.model or {}))
    else:
        start: Any = BassNetPipeline.from_pretrained(settings.init_from)
        windows, model = start.windows, start.model
    control_dim = model.config["control_dim"]
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=1e-2, fused=True)
    run = TrainingRun.of(model, [optimizer], settings)
    set_seed(settings.seed, device_specific=True)  # from here on every process has draws of its own
    tracks, validation = _tracks(settings, run)
    seed = settings.seed + 7919 * run.accelerator.process_index  # every process draws other windows
    shared = (tracks, windows, settings.batch_size)
    of_process = {"transpose": settings.transpose, "seed": seed, "device": run.accelerator.device}
    drawn = BassNetWindows(*shared, settings.neighbour_seconds, **of_process)
    grouped = BassNetWindows(*shared, GROUP_SECONDS, **of_process, group=GROUP) if settings.draws else None
    run.resume()  # the minutes are counted from here
    partners = None if settings.plain_reconstruction else drawn.partners
    places = validation_places(validation, windows)

    drawing = False  # whether the last step drew its controls

    def validate(averaged: BassNetModel) -> dict[str, float]:
        measure_normalizations(averaged, (drawn.batch(settings.steps + step) for step in range(_STATISTICS_BATCHES)))
        errors = validation_errors(averaged, windows, places, settings.batch_size, settings.divergence_weight)
        # While controls are drawn no net is the best yet, and none fails to improve.
        return {f"early_{name}": error for name, error in errors.items()} if drawing else errors

    target = settings.output / "pipeline"
    bar = progress_bar(run.budget, run.accelerator.is_main_process)
    while run.unfinished() and not _stale(run, settings.patience):
        drawing = grouped is not None and run.budget.progress < settings.draws_share
        if grouped is not None and drawing:
            batch = grouped.batch(run.budget.step)
            with run.accelerator.autocast():
                loss, terms = drawn_loss(
                    run.model, batch, grouped, settings.draws, control_dim, settings.divergence_weight
                )
        else:
            batch = drawn.batch(run.budget.step)
            with run.accelerator.autocast():
                output = run.model(batch.mix, batch.bass, partners, sample_posterior=True)
            loss, terms = bassnet_loss(output, batch.target, partners, settings.divergence_weight)
        run.update(loss)
        run.report(bar, {"loss": loss, **terms})
        run.checkpoint(validate, "validation_loss", _publish, target)
    bar.close()
    if run.accelerator.is_main_process:
        _add_patterns(target, tracks, settings.data)
    return target


def _publish(averaged: BassNetModel, folder: Path) -> None:
    BassNetPipeline(averaged).save_pretrained(folder)


def _add_patterns(folder: Path, tracks: Sequence[BassNetTrack], root: Path) -> None:
    """Add to published weights where the controls of known patterns lie, if the tracks tell their patterns."""
    pipe: Any = BassNetPipeline.from_pretrained(folder)
    patterns = measure_patterns(pipe.model, pipe.windows, validation_places(tracks, pipe.windows, 2000), root)
    if patterns:
        file = folder / "model_index.json"
        index = json.loads(file.read_text(encoding="utf-8"))
        index["patterns"] = {name: vars(pattern) for name, pattern in patterns.items()}
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        partial.replace(file)


def _tracks(settings: BassNetTraining, run: TrainingRun) -> tuple[list[BassNetTrack], list[BassNetTrack]]:
    """The spectrograms for training and validation, computed once for all processes."""
    cache = settings.spectrograms or settings.output / "spectrograms"
    with run.accelerator.main_process_first():
        tracks = cache_spectrograms(
            settings.data, settings.target, cache, settings.submixes, settings.seed, settings.workers
        )
        validation = []
        if settings.validation is not None:
            validation = cache_spectrograms(settings.validation, settings.target, cache, workers=settings.workers)
    return tracks, validation


def _stale(run: TrainingRun, patience: int | None) -> bool:
    """Whether none of the last validations was better than one before them."""
    losses = [record["validation_loss"] for record in run.history.records if "validation_loss" in record]
    return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def validation_places(
    tracks: Sequence[BassNetTrack], windows: MultiResolutionWindows, count: int = 400
) -> list[tuple[BassNetTrack, int, int]]:
    """Spread windows evenly over the tracks, each with the whole accompaniment.

    Args:
        tracks: Tracks of any lengths.
        windows: Lengths of the windows.
        count: Number of windows, about; every track has at least one.

    Returns:
        A track, 0, and the first step of each window.
    """
    each = max(1, round(count / max(len(tracks), 1)))
    return [
        (track, 0, int(start))
        for track in tracks
        for start in torch.linspace(0, max(track.steps - windows.expanded, 0), each + 2)[1:-1]
    ]


@torch.no_grad()
def measure_normalizations(model: BassNetModel, batches: Iterator[BassNetBatch]) -> None:
    """Measure the means and variances of the batch normalizations anew.

    Averaged weights have others than the weights of any step, whose running averages the layers hold.

    Args:
        model: The model, which ends in evaluation mode.
        batches: Windows to measure on.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
    model.train()
    for batch in batches:
        model(batch.mix, batch.bass)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()


@torch.no_grad()
def validation_errors(
    model: BassNetModel,
    windows: MultiResolutionWindows,
    places: Sequence[tuple[BassNetTrack, int, int]],
    batch_size: int = 20,
    divergence_weight: float = 1.0,
) -> dict[str, float]:
    """Compute the terms of equation (10), decoded from the means of the controls, and the loss that they add up to.

    Args:
        model: Model in evaluation mode.
        windows: Lengths of the windows.
        places: Windows, as `compress_windows` takes them.
        batch_size: Windows that are decoded at once.
        divergence_weight: Weight of the divergences in the loss.

    Returns:
        Means over the windows by name, with the loss as `"validation_loss"`; empty without windows.
    """
    totals: dict[str, float] = {}
    for first in range(0, len(places), batch_size):
        batch = compress_windows(windows, places[first : first + batch_size], model.device)
        loss, terms = bassnet_loss(model(batch.mix, batch.bass), batch.target, divergence_weight=divergence_weight)
        for name, value in {**terms, "validation_loss": loss}.items():
            totals[name] = totals.get(name, 0.0) + float(value) * len(batch.mix) / len(places)
    return totals


if __name__ == "__main__":
    print(f"{train(parse_settings(BassNetTraining))}: trained weights")
