"""Losses before and after each training of the recipe `latentstem.recipes.bass_gm`, and the card of its weights."""

from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed

from latentstem import AutoencoderSpectral, ContrastiveStemModel, StemAccompanimentPipeline, StemUNet1DModel
from latentstem.data.splits import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.data.stems.crops import StemCrops
from latentstem.data.stems.folder import StemFolder
from latentstem.losses import MultiScaleSpectralDistance, log_magnitude_distance
from latentstem.recipes.bass_gm_options import SEED, TRAININGS, Recipe, timbre_pairs
from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.card import environment, markdown_table
from latentstem.training.contrastive import contrastive_loss
from latentstem.training.engine.history import read_history
from latentstem.training.latents import LatentTrack, cache_latents
from latentstem.training.style_swap import timbre_swap_loss
from latentstem.training.unet_validation import prediction_errors


@torch.no_grad()
def compare_losses(recipe: Recipe) -> list[dict[str, Any]]:
    """Compute the losses on validation songs before and after each training.

    Args:
        recipe: Options of the recipe, after its trainings.

    Returns:
        Rows with "training", "loss", "before" and "after".
    """
    set_seed(SEED)
    rows = autoencoder_losses(recipe, timbre_pairs(recipe.validation), recipe.validation_songs)
    pipe = StemAccompanimentPipeline.from_pretrained(recipe.trained("unet"))
    latents = cache_latents(
        recipe.validation,
        recipe.target,
        pipe.autoencoder,
        recipe.output / "latents" / "validation",
        submixes=1,
        seed=0,
    )
    untrained: Any = StemUNet1DModel.from_config(pipe.unet.config)
    before, after = (
        prediction_errors(unet.eval(), pipe.scheduler, latents, tuple(range(64, 1024, 128)))
        for unet in (untrained, pipe.unet)
    )
    rows += [
        _row("unet", f"prediction error, {mix}", before[mix].mean(), after[mix].mean()) for mix in ("mix", "swapped")
    ]
    return [*rows, reranker_losses(recipe, latents)]


@torch.no_grad()
def autoencoder_losses(recipe: Recipe, pairs: Path, crops: int) -> list[dict[str, Any]]:
    """Compute the losses of the autoencoder before and after each of its two trainings.

    Args:
        recipe: Options of the recipe, after its trainings.
        pairs: Folder of timbre pairs to compute them on.
        crops: Number of random crops of the folder.

    Returns:
        Rows as those of `compare_losses`.
    """
    untrained = AutoencoderSpectral(**(recipe.autoencoder or {}))
    items = StemCrops(StemFolder(pairs, recipe.target), 24 * untrained.config["hop_length"], seed=0)
    partners, stems = (torch.stack(part) for part in zip(*(items[index] for index in range(crops)), strict=True))
    untrained.set_background(stems)
    nets: tuple[Any, ...] = (
        untrained.eval(),
        *(AutoencoderSpectral.from_pretrained(recipe.trained(t)).eval() for t in ("autoencoder", "decoder")),
    )
    distance = MultiScaleSpectralDistance(untrained.config["sampling_rate"], AutoencoderTraining.window_lengths)

    def losses(net: AutoencoderSpectral) -> dict[str, float]:
        decoded: Any = net(stems)
        partner_latents = net.encode(partners, return_dict=False)[0]
        return {
            "log magnitude": float(log_magnitude_distance(decoded.log_magnitude, net.log_magnitude(stems))),
            "spectral distance": float(distance(decoded.sample, stems)),
            "timbre swap": float(timbre_swap_loss(net, decoded.latents, partner_latents, partners, distance)),
        }

    untrained_losses, autoencoder_losses, decoder_losses = map(losses, nets)
    return [
        _row(training, loss, before[loss], after[loss])
        for training, before, after in (
            ("autoencoder", untrained_losses, autoencoder_losses),
            ("decoder", autoencoder_losses, decoder_losses),
        )
        for loss in before
    ]


@torch.no_grad()
def reranker_losses(recipe: Recipe, latents: list[LatentTrack]) -> dict[str, Any]:
    """Compute the loss of the reranker on whole tracks, with each stem rolled by half its length among the negatives.

    Args:
        recipe: Options of the recipe, after its trainings.
        latents: Latents of the tracks.

    Returns:
        A row as those of `compare_losses`.
    """
    trained: Any = ContrastiveStemModel.from_pretrained(str(recipe.trained("reranker")))
    untrained: Any = ContrastiveStemModel.from_config(trained.config)
    frames = min(track.stem.shape[-1] for track in latents)
    mixes = torch.stack([track.mixes[0, :, :frames] for track in latents])
    stems = torch.stack([track.stem[:, :frames] for track in latents])
    before, after = (
        contrastive_loss(net.eval(), mixes, stems, stems.roll(frames // 2, dims=-1)) for net in (untrained, trained)
    )
    return _row("reranker", "cross entropy of pairs", before, after)


def _row(training: str, loss: str, before: Any, after: Any) -> dict[str, Any]:
    return {"training": training, "loss": loss, "before": float(before), "after": float(after)}


def format_card(recipe: Recipe, command: str, losses: list[dict[str, Any]], seeds: dict[str, int]) -> str:
    """Fill in the model card, `bass_gm_card.md`.

    Args:
        recipe: Options of the recipe, after its trainings.
        command: Command line of the recipe.
        losses: Rows of `compare_losses`.
        seeds: Names of the trainings to their seeds.

    Returns:
        The card in Markdown.
    """
    pipe = StemAccompanimentPipeline.from_pretrained(recipe.trained("unet"))
    reranker: Any = ContrastiveStemModel.from_pretrained(str(recipe.trained("reranker")))
    histories = {training: read_history(recipe.output / training / "history.jsonl") for training in TRAININGS}
    last = {training: records[-1] for training, records in histories.items()}
    best = min(histories["unet"], key=lambda record: record["prediction_error"])
    score = "chord_share" if "chord_share" in best else "onset_f1"
    return (
        Path(__file__)
        .with_name("bass_gm_card.md")
        .read_text()
        .format(
            autoencoder=f"{pipe.autoencoder.num_parameters() / 1e6:.1f}",
            denoiser=f"{pipe.unet.num_parameters() / 1e6:.1f}",
            style_encoder=f"{pipe.style_encoder.num_parameters() / 1e6:.1f}",
            controls=", ".join(recipe.controls),
            styles=recipe.styles,
            reranker=f"{reranker.num_parameters() / 1e6:.1f}",
            songs=recipe.songs,
            duration=f"{recipe.duration:g}",
            seeds=f"{TRAIN_SEEDS[0]} to {TRAIN_SEEDS[recipe.songs - 1]}",
            validation_songs=recipe.validation_songs,
            validation_seeds=f"{VALIDATION_SEEDS[0]} to {VALIDATION_SEEDS[recipe.validation_songs - 1]}",
            command=command,
            trainings=markdown_table(
                ["training", "steps", "minutes", "seed"],
                [[t, str(last[t]["step"]), f"{last[t]['seconds'] / 60:.1f}", str(seeds[t])] for t in TRAININGS],
            ),
            losses=markdown_table(
                ["training", "loss", "before", "after"],
                [[row["training"], row["loss"], f"{row['before']:.4f}", f"{row['after']:.4f}"] for row in losses],
            ),
            pitch_agreement=f"{last['decoder']['pitch_agreement']:.2f}",
            target=recipe.target,
            score={"chord_share": "chord share", "onset_f1": "onset F1"}[score],
            generated=f"{best[score]:.2f}",
            **environment(Path(__file__).parent),
        )
    )
