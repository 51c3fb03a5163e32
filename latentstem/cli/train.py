"""`latentstem train`: train the nets, with options from the fields of each training's settings."""

import shlex
from collections.abc import Callable
from typing import Any

import typer

from latentstem.cli.errors import library_errors, require_extras

train_app = typer.Typer(help="Train the nets on folders of stems.", no_args_is_help=True)

Training = tuple[type, Callable[[Any], Any]]
"""Settings of a training, and the function that trains with them and returns the folder of the weights."""

# The options of a training are the fields of its settings, whose parser also prints their help.
_ALL_WORDS = {"allow_extra_args": True, "ignore_unknown_options": True}


def _command(
    name: str, module: str, try_them: str | Callable[[Any], str] = "", earlier_name: str | None = None
) -> Callable[[Callable[[], Training]], Callable[[], Training]]:
    """Make a command of a function that imports a training.

    Args:
        name: Name of the command.
        module: Module of the training, which needs the extra `training`.
        try_them: Command that takes the weights, without their folder; or a function of the settings that returns it.
        earlier_name: Name that the command had, which still works.
    """

    def add(load: Callable[[], Training]) -> Callable[[], Training]:
        def run(context: typer.Context) -> None:
            require_extras(f"train {name}", "training", module)
            from latentstem.training.engine.arguments import parse_settings

            kind, train = load()
            settings = parse_settings(kind, context.args, prog=f"latentstem train {name}")
            with library_errors():
                folder = train(settings)
            command = try_them if isinstance(try_them, str) else try_them(settings)
            hint = f"; try them: latentstem {command} {shlex.quote(str(folder))}" if command else ""
            print(f"{folder}: trained weights{hint}")

        for each, hidden in ((name, False), (earlier_name, True)):
            if each is not None:
                train_app.command(
                    each, context_settings=_ALL_WORDS, add_help_option=False, hidden=hidden, help=load.__doc__
                )(run)
        return load

    return add


@_command("autoencoder", "latentstem.training.autoencoder")
def autoencoder() -> Training:
    """Train the autoencoder; --help lists the options."""
    from latentstem.training.autoencoder import AutoencoderTraining, train

    return AutoencoderTraining, train


@_command(
    "unet",
    "latentstem.training.unet",
    try_them=lambda settings: f"accompany MIX {'--adapter' if settings.lora_rank else '--weights'}",
)
def unet() -> Training:
    """Train the denoiser on a trained autoencoder's latents; --help lists the options."""
    from latentstem.training.unet import UNetTraining, train

    return UNetTraining, train


@_command("reranker", "latentstem.training.contrastive", earlier_name="contrastive")
def reranker() -> Training:
    """Train the reranker, which scores how well stems fit mixes; --help lists the options."""
    from latentstem.training.contrastive import ContrastiveTraining, train

    return ContrastiveTraining, train


@_command("bassnet", "latentstem.training.bassnet", try_them="bassnet MIX --weights")
def bassnet() -> Training:
    """Train BassNet, which writes bass lines under a control of a few numbers; --help lists the options."""
    from latentstem.training.bassnet import BassNetTraining, train

    return BassNetTraining, train


@_command("style-encoder", "latentstem.training.style_encoder")
def style_encoder() -> Training:
    """Train the encoder of the sound of a recording; --help lists the options."""
    from latentstem.training.style_encoder import StyleEncoderTraining, train

    return StyleEncoderTraining, train


@_command("prompt-encoder", "latentstem.training.prompt_encoder")
def prompt_encoder() -> Training:
    """Train the joint embedding of sound and words, which loops are asked for by; --help lists the options."""
    from latentstem.training.prompt_encoder import PromptEncoderTraining, train

    return PromptEncoderTraining, train


@_command("loops", "latentstem.training.loops", try_them="loop --bpm 124 --weights")
def loops() -> Training:
    """Train the denoiser of loops, which follows a tempo and a prompt; --help lists the options."""
    from latentstem.training.loops import LoopTraining, train

    return LoopTraining, train
