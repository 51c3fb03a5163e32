"""`latentstem train`: train the nets, with options from the fields of each training's settings."""

import shlex

import typer

from latentstem.cli.errors import library_errors, require_extras

train_app = typer.Typer(help="Train the nets on folders of stems.", no_args_is_help=True)

# The options of a training are the fields of its settings, whose parser also prints their help.
_ALL_WORDS = {"allow_extra_args": True, "ignore_unknown_options": True}


@train_app.command("autoencoder", context_settings=_ALL_WORDS, add_help_option=False)
def train_autoencoder(context: typer.Context) -> None:
    """Train the autoencoder; --help lists the options."""
    require_extras("train autoencoder", "training", "latentstem.training.autoencoder")
    from latentstem.training.autoencoder import AutoencoderTraining, train
    from latentstem.training.engine.arguments import parse_settings

    settings = parse_settings(AutoencoderTraining, context.args, prog="latentstem train autoencoder")
    with library_errors():
        print(f"{train(settings)}: trained weights")


@train_app.command("unet", context_settings=_ALL_WORDS, add_help_option=False)
def train_unet(context: typer.Context) -> None:
    """Train the denoiser on a trained autoencoder's latents; --help lists the options."""
    require_extras("train unet", "training", "latentstem.training.unet")
    from latentstem.training.engine.arguments import parse_settings
    from latentstem.training.unet import UNetTraining, train

    settings = parse_settings(UNetTraining, context.args, prog="latentstem train unet")
    with library_errors():
        folder = train(settings)
    option = "--adapter" if settings.lora_rank else "--weights"
    print(f"{folder}: trained weights; try them: latentstem accompany MIX {option} {shlex.quote(str(folder))}")


@train_app.command("reranker", context_settings=_ALL_WORDS, add_help_option=False)
@train_app.command("contrastive", context_settings=_ALL_WORDS, add_help_option=False, hidden=True)  # the earlier name
def train_reranker(context: typer.Context) -> None:
    """Train the reranker, which scores how well stems fit mixes; --help lists the options."""
    require_extras("train reranker", "training", "latentstem.training.contrastive")
    from latentstem.training.contrastive import ContrastiveTraining, train
    from latentstem.training.engine.arguments import parse_settings

    settings = parse_settings(ContrastiveTraining, context.args, prog="latentstem train reranker")
    with library_errors():
        print(f"{train(settings)}: trained weights")


@train_app.command("bassnet", context_settings=_ALL_WORDS, add_help_option=False)
def train_bassnet(context: typer.Context) -> None:
    """Train BassNet, which writes bass lines under a control of a few numbers; --help lists the options."""
    require_extras("train bassnet", "training", "latentstem.training.bassnet")
    from latentstem.training.bassnet import BassNetTraining, train
    from latentstem.training.engine.arguments import parse_settings

    settings = parse_settings(BassNetTraining, context.args, prog="latentstem train bassnet")
    with library_errors():
        folder = train(settings)
    print(f"{folder}: trained weights; try them: latentstem bassnet MIX --weights {shlex.quote(str(folder))}")


@train_app.command("style-encoder", context_settings=_ALL_WORDS, add_help_option=False)
def train_style_encoder(context: typer.Context) -> None:
    """Train the encoder of the sound of a recording; --help lists the options."""
    require_extras("train style-encoder", "training", "latentstem.training.style_encoder")
    from latentstem.training.engine.arguments import parse_settings
    from latentstem.training.style_encoder import StyleEncoderTraining, train

    settings = parse_settings(StyleEncoderTraining, context.args, prog="latentstem train style-encoder")
    with library_errors():
        print(f"{train(settings)}: trained weights")


@train_app.command("prompt-encoder", context_settings=_ALL_WORDS, add_help_option=False)
def train_prompt_encoder(context: typer.Context) -> None:
    """Train the joint embedding of sound and words, which loops are asked for by; --help lists the options."""
    require_extras("train prompt-encoder", "training", "latentstem.training.prompt_encoder")
    from latentstem.training.engine.arguments import parse_settings
    from latentstem.training.prompt_encoder import PromptEncoderTraining, train

    settings = parse_settings(PromptEncoderTraining, context.args, prog="latentstem train prompt-encoder")
    with library_errors():
        print(f"{train(settings)}: trained weights")


@train_app.command("loops", context_settings=_ALL_WORDS, add_help_option=False)
def train_loops(context: typer.Context) -> None:
    """Train the denoiser of loops, which follows a tempo and a prompt; --help lists the options."""
    require_extras("train loops", "training", "latentstem.training.loops")
    from latentstem.training.engine.arguments import parse_settings
    from latentstem.training.loops import LoopTraining, train

    settings = parse_settings(LoopTraining, context.args, prog="latentstem train loops")
    with library_errors():
        folder = train(settings)
    print(f"{folder}: trained weights; try them: latentstem loop --bpm 124 --weights {shlex.quote(str(folder))}")
