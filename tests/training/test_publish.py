"""Published weights: half precision on disk, single when loaded, and no trace of the machine they came from."""

import pytest
import torch
from safetensors.torch import load_file

from latentstem import ContrastiveStemModel, StemAccompanimentPipeline
from latentstem.training.publish import Publication, publish


@pytest.mark.parametrize("with_reranker", [False, True])
def test_published_weights_are_halves_and_name_no_folder(build_pipeline, tmp_path, with_reranker):
    pipe = build_pipeline(carriers=8, with_reranker=with_reranker)
    pipe.save_pretrained(tmp_path / "trained")
    card = tmp_path / "card.md"
    card.write_text("# card\n")
    size = publish(Publication(tmp_path / "trained", tmp_path / "published", card))
    files = list((tmp_path / "published").rglob("*.safetensors"))
    assert size == sum(file.stat().st_size for file in files) and len(files) == 2 + with_reranker
    assert {tensor.dtype for file in files for tensor in load_file(file).values()} == {torch.float16}
    assert all(str(tmp_path) not in file.read_text() for file in (tmp_path / "published").rglob("*.json"))
    assert (tmp_path / "published" / "README.md").read_text() == "# card\n"
    loaded = StemAccompanimentPipeline.from_pretrained(tmp_path / "published")
    for name, weight in loaded.unet.state_dict().items():
        assert weight.dtype == torch.float32 and torch.equal(weight, pipe.unet.state_dict()[name].half().float())


def test_weights_in_small_files_are_the_same_weights(build_pipeline, tmp_path):
    build_pipeline(carriers=16).save_pretrained(tmp_path / "trained")
    publish(Publication(tmp_path / "trained", tmp_path / "one"))
    limit = 0.09
    size = publish(Publication(tmp_path / "trained", tmp_path / "several", shard_mebibytes=limit))
    files = list((tmp_path / "several").rglob("*.safetensors"))
    assert size > limit * 2**20 >= max(file.stat().st_size for file in files) and len(files) > 2
    one, several = (StemAccompanimentPipeline.from_pretrained(tmp_path / name) for name in ("one", "several"))
    for net in ("autoencoder", "unet"):
        weights = getattr(several, net).state_dict()
        assert all(torch.equal(weights[name], weight) for name, weight in getattr(one, net).state_dict().items())


def test_a_reranker_that_was_trained_apart_is_published_with_it(build_pipeline, tmp_path):
    build_pipeline().save_pretrained(tmp_path / "trained")
    reranker = ContrastiveStemModel(latent_channels=4, channels=8, embedding_channels=4)
    reranker.save_pretrained(tmp_path / "reranker")
    publish(Publication(tmp_path / "trained", tmp_path / "published", reranker=tmp_path / "reranker"))
    loaded = StemAccompanimentPipeline.from_pretrained(tmp_path / "published").reranker
    assert all(torch.equal(loaded.state_dict()[name], w.half().float()) for name, w in reranker.state_dict().items())
    publish(Publication(tmp_path / "published", tmp_path / "again"))
    assert StemAccompanimentPipeline.from_pretrained(tmp_path / "again").reranker is not None
