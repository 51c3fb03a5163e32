"""Publication of trained weights in half precision, without a variant in the file names, with a model card.

python -m latentstem.training.publish --pipeline runs/unet/pipeline --target latentstem/weights/bass-gm --card card.md
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

import latentstem
from latentstem._shipped import SHARED
from latentstem.models.contrastive import ContrastiveStemModel
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.engine.run import replace_folder


@dataclass(frozen=True)
class Publication:
    """Settings of a publication.

    Args:
        pipeline: Folder of a trained pipeline.
        target: Folder to write; replaced if it exists.
        card: Markdown file of the model card, copied to `README.md`; without it no card is written.
        shard_mebibytes: Greatest size of a file of weights in MiB, for hosts that limit it; without it one file per
            net.
        reranker: Folder of a trained `ContrastiveStemModel` to publish with the pipeline; without it the reranker of
            the pipeline, if there is one.
        shared_autoencoder: Name of shipped weights whose autoencoder the pipeline is to take, so that it is not copied;
            without it the pipeline has its own.
    """

    pipeline: Path
    target: Path
    card: Path | None = None
    shard_mebibytes: float | None = None
    reranker: Path | None = None
    shared_autoencoder: str | None = None


def publish(settings: Publication) -> int:
    """Save a pipeline in half precision; it loads in single precision.

    Args:
        settings: Settings of the publication.

    Returns:
        Size of all weight files in bytes.
    """
    kind = json.loads((settings.pipeline / "model_index.json").read_text())["_class_name"]
    pipe = getattr(latentstem, kind).from_pretrained(settings.pipeline)
    if settings.reranker is not None:
        pipe.register_modules(reranker=ContrastiveStemModel.from_pretrained(str(settings.reranker)))
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            for parameter in component.parameters():
                parameter.data = parameter.data.to(torch.float16)
    partial = settings.target.with_name(settings.target.name + ".partial")
    # A file holds a header besides its weights; 64 KiB are kept free for it.
    limit = settings.shard_mebibytes
    shard = None if limit is None else int((limit - 1 / 16) * 2**20)
    pipe.save_pretrained(partial, max_shard_size=shard)
    for file in partial.rglob("*.json"):  # drop the path that the weights were loaded from
        config = json.loads(file.read_text())
        config.pop("_name_or_path", None)
        file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    if settings.shared_autoencoder is not None:
        shutil.rmtree(partial / "autoencoder")
        (partial / SHARED).write_text(json.dumps({"autoencoder": settings.shared_autoencoder}) + "\n")
    if settings.card is not None:
        (partial / "README.md").write_text(settings.card.read_text())
    replace_folder(partial, settings.target)
    return sum(file.stat().st_size for file in settings.target.rglob("*.safetensors"))


if __name__ == "__main__":
    size = publish(parse_settings(Publication))
    print(f"{size / 1e6:.1f} MB of weights")
