"""The recipe of the shipped weights: render the corpus, train both nets, publish.

    python examples/train_bass_gm.py runs/bass-gm --autoencoder-minutes 33 --unet-minutes 33

Needs the `training` extra, FluidSynth and its two soundfonts. It uses every core and the GPU if there is one, and goes
on where it stopped: songs that are whole are not rendered again, both trainings resume from their last good state.
"""

from pathlib import Path
from typing import Annotated

import typer

from latentstem.data.composer import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.data.corpus import write_corpus
from latentstem.training.autoencoder import AutoencoderTraining
from latentstem.training.autoencoder import train as train_autoencoder
from latentstem.training.publish import Publication, publish
from latentstem.training.unet import UNetTraining
from latentstem.training.unet import train as train_unet


def main(
    output: Annotated[Path, typer.Argument(help="Folder of the corpus, the states and the weights.")],
    songs: Annotated[int, typer.Option(min=2, help="Songs to train on.")] = 548,
    duration: Annotated[float, typer.Option(min=4.0, help="Seconds a song.")] = 24.0,
    autoencoder_minutes: Annotated[float, typer.Option(help="Minutes of training.")] = 33.0,
    unet_minutes: Annotated[float, typer.Option(help="Minutes of training.")] = 33.0,
    submixes: Annotated[int, typer.Option(min=1, help="Sub-mixes of each song for the denoiser.")] = 3,
    init_from: Annotated[Path | None, typer.Option(help="Published pipeline to start both nets from.")] = None,
) -> None:
    write_corpus(output / "train", TRAIN_SEEDS[:songs], duration=duration)
    write_corpus(output / "validation", VALIDATION_SEEDS[:24], duration=20.0)
    autoencoder = train_autoencoder(
        AutoencoderTraining(
            data=output / "train",
            validation=output / "validation",
            output=output / "autoencoder",
            minutes=autoencoder_minutes,
            init_from=init_from / "autoencoder" if init_from else None,
        )
    )
    pipeline = train_unet(
        UNetTraining(
            data=output / "train",
            validation=output / "validation",
            output=output / "unet",
            autoencoder=autoencoder,
            minutes=unet_minutes,
            submixes=submixes,
            model={"dropout": 0.1},
            init_from=init_from / "unet" if init_from else None,
        )
    )
    size = publish(Publication(pipeline, output / "bass-gm"))
    print(f"{output / 'bass-gm'}: {size / 1e6:.1f} MB of weights")


if __name__ == "__main__":
    typer.run(main)
