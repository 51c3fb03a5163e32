"""From the folder of a finished training to weights that ship: half precision, without a variant's infix, with a card.

python -m latentstem.training.publish --pipeline runs/unet/pipeline --target latentstem/weights/bass-gm --card card.md
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from latentstem.models.contrastive import ContrastiveStemModel
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.run import replace_folder


@dataclass(frozen=True)
class Publication:
    """What to publish, and where.

    Args:
        pipeline: Folder of a trained pipeline.
        target: Folder to write; replaced if it exists.
        card: Markdown of the model card, copied to `README.md`; None writes none.
        shard_mebibytes: Greatest size of a file of weights, for hosts that limit it; None writes one file a net.
        judge: Folder of a trained `ContrastiveStemModel` that goes with it; None takes the pipeline's, if it has one.
    """

    pipeline: Path
    target: Path
    card: Path | None = None
    shard_mebibytes: float | None = None
    judge: Path | None = None


def publish(settings: Publication) -> int:
    """Save a pipeline in half precision; it loads in single precision again.

    Args:
        settings: See `Publication`.

    Returns:
        Bytes of the weight files.
    """
    pipe = StemAccompanimentPipeline.from_pretrained(settings.pipeline)
    if settings.judge is not None:
        pipe.register_modules(reranker=ContrastiveStemModel.from_pretrained(str(settings.judge)))
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            for parameter in component.parameters():
                parameter.data = parameter.data.to(torch.float16)
    partial = settings.target.with_name(settings.target.name + ".partial")
    # A file has a header beside its weights, for which 64 KiB are kept free.
    limit = settings.shard_mebibytes
    shard = None if limit is None else int((limit - 1 / 16) * 2**20)
    pipe.save_pretrained(partial, max_shard_size=shard)
    for file in partial.rglob("*.json"):  # where the weights were loaded from is nobody's business
        config = json.loads(file.read_text())
        config.pop("_name_or_path", None)
        file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    if settings.card is not None:
        (partial / "README.md").write_text(settings.card.read_text())
    replace_folder(partial, settings.target)
    return sum(file.stat().st_size for file in settings.target.rglob("*.safetensors"))


if __name__ == "__main__":
    size = publish(parse_settings(Publication))
    print(f"{size / 1e6:.1f} MB of weights")
