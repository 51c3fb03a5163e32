"""The recipe of the shipped weights of loops, from nothing to a folder with a model card, in one command.

    python -m latentstem.recipes.loops_gm --output runs/loops-gm

Renders loops on all cores, trains the prompt encoder on their latents and words, then the denoiser, and publishes both.
The autoencoder is that of other weights, which the published folder names and does not copy. Needs the `training`
extra, FluidSynth and its soundfonts. The same command resumes an interrupted run.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import latentstem
from latentstem.data.compose.loops import compose_loop
from latentstem.data.corpus import write_corpus
from latentstem.data.splits import TRAIN_SEEDS, VALIDATION_SEEDS
from latentstem.training.card import environment, markdown_table
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.loops import LoopTraining
from latentstem.training.loops import train as train_loops
from latentstem.training.prompt_encoder import PromptEncoderTraining
from latentstem.training.prompt_encoder import train as train_prompt_encoder
from latentstem.training.publish import Publication, publish

UNET = {"block_out_channels": [128, 192, 224], "layers_per_block": [1, 1, 1], "embedding_dim": 192, "dropout": 0.1}
LOOP = "loop"


@dataclass(frozen=True)
class LoopRecipe:
    """Options of the recipe.

    Args:
        output: Folder of the corpus, the trainings and, in `loops-gm/`, the weights.
        autoencoder: Name of the shipped weights whose autoencoder the loops are encoded with.
        loops: Number of loops to train on.
        validation_loops: Number of loops to validate on.
        duration: Greatest length of all turns of a loop in seconds.
        prompt_minutes: Minutes of the training of the prompt encoder.
        minutes: Minutes of the training of the denoiser.
        workers: Number of processes that render; by default one a processor.
        short: Whether to run everything on a few loops for some seconds, to try the machine.
    """

    output: Path
    autoencoder: str = "bass"
    loops: int = 1500
    validation_loops: int = 60
    duration: float = 20.0
    prompt_minutes: float = 3.0
    minutes: float = 45.0
    workers: int | None = None
    short: bool = False


def main(recipe: LoopRecipe) -> Path:
    """Run the recipe from its present state to a folder of weights with a model card.

    Args:
        recipe: Options of the recipe.

    Returns:
        Folder of the weights.
    """
    train, validation = recipe.output / "train", recipe.output / "validation"
    loops, others, duration = recipe.loops, recipe.validation_loops, recipe.duration
    if recipe.short:
        loops, others, duration = 6, 2, 8.0
    for folder, seeds in ((train, TRAIN_SEEDS[:loops]), (validation, VALIDATION_SEEDS[:others])):
        write_corpus(folder, seeds, (), duration, recipe.workers, compose_loop, mixdown=LOOP)
    shared: dict[str, Any] = {
        "data": train,
        "validation": validation,
        "autoencoder": Path(latentstem.pretrained_path(recipe.autoencoder)) / "autoencoder",
        "latents": recipe.output / "latents",
        "target": LOOP,
    }

    def budget(minutes: float) -> dict[str, Any]:
        return {"steps": 8, "validations": 1} if recipe.short else {"minutes": minutes}

    prompts = {"output": recipe.output / "prompts", **shared, **budget(recipe.prompt_minutes)}
    encoder = train_prompt_encoder(PromptEncoderTraining(**prompts, learning_rate=7e-4))
    net = {"output": recipe.output / "net", **shared, **budget(recipe.minutes)}
    pipeline = train_loops(LoopTraining(**net, prompt_encoder=encoder, model=UNET, ema_decay=0.998))
    card = recipe.output / "card.md"
    card.write_text(format_card(recipe, encoder.parent, pipeline.parent))
    target = recipe.output / "loops-gm"
    size = publish(Publication(pipeline, target, card, shared_autoencoder=recipe.autoencoder))
    print(f"{target}: {size / 1e6:.1f} MB of weights")
    return target


def format_card(recipe: LoopRecipe, prompts: Path, net: Path) -> str:
    """Write the model card.

    Args:
        recipe: Options of the recipe.
        prompts: Folder of the training of the prompt encoder.
        net: Folder of the training of the denoiser.

    Returns:
        Markdown.
    """
    told, error = (json.loads((folder / "history.jsonl").read_text().splitlines()[-1]) for folder in (prompts, net))
    rows = [
        [name, str(end["step"]), f"{end['seconds'] / 60:.1f}"]
        for name, end in (("prompt encoder", told), ("denoiser", error))
    ]
    errors = [error[f"prediction_error{condition}"] for condition in ("", "_swapped", "_none")]
    made = environment(Path(latentstem.__file__).parent)
    return f"""---
license: apache-2.0
library_name: diffusers
tags: [audio, music, loops]
---

# loops-gm

Loops of electronic music from a tempo, chords, words or a recording: weights of `latentstem`, after LADMG.
`LoopPipeline.from_pretrained("loops-gm")` loads them; `latentstem loop` takes them unless others are named. The
autoencoder is that of `{recipe.autoencoder}`.

**Data.** {recipe.loops} loops of house, techno, drum and bass, hip-hop and reggae, of 1 to 8 bars at 60 to 180 beats a
minute, that the repository's composer wrote, in the synthesized instruments and MIT-licensed soundfonts of the band
corpus. No recording of anybody's music.

**Training.** `python -m latentstem.recipes.loops_gm --output runs/loops-gm --loops {recipe.loops}`

{markdown_table(["training", "steps", "minutes"], rows)}

On {recipe.validation_loops} loops that were not trained on: words told right from their sound {told["told"]:.2f}
(chance 0.5); error of the prediction at high noise {errors[0]:.3f} with the loop's own sound as the prompt,
{errors[1]:.3f} with that of another, {errors[2]:.3f} without. {made["machine"]};
{made["versions"]}.

**Measured**: the table of `docs/pages/loops.md`.

**Limits.** Mono. Trained on the loops of one composer, in 4/4; words are those of its vocabulary. The autoencoder was
trained for basses before all, and blurs drums and full mixes.

**Licence.** Apache-2.0.
"""


if __name__ == "__main__":
    main(parse_settings(LoopRecipe))
