"""Folders that earlier versions saved keep loading, and sound as they did.

For the next version: raise `__version__`, run `python tests/saved/save.py` on the commit to be released, and commit the
folder it writes. Never write one again that is there.
"""

import json
import runpy
from pathlib import Path

import pytest
import torch

import latentstem
from latentstem import ContrastiveStemModel, StemAccompanimentPipeline
from latentstem.cli import load_pipeline

SAVED = Path(__file__).parents[1] / "saved"
VERSIONS = sorted(path.parent.name for path in SAVED.glob("*/model_index.json"))


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SAVED / "save.py"))


def deviation(made, version):
    """Of every output from the one that was kept, as a share of its size."""
    kept = json.loads((SAVED / version / "output.json").read_text())
    assert made.keys() == kept.keys()
    pairs = {name: (torch.tensor(made[name]), torch.tensor(kept[name])) for name in kept}
    return {name: ((ours - theirs).norm() / theirs.norm()).item() for name, (ours, theirs) in pairs.items()}


def test_this_version_has_left_a_folder():
    assert latentstem.__version__ in VERSIONS


@torch.no_grad()
@pytest.mark.parametrize("version", VERSIONS)
def test_a_folder_of_an_earlier_version_makes_what_it_made(script, version):
    made = script["output"](StemAccompanimentPipeline.from_pretrained(SAVED / version))
    # Other processors and releases of torch add in another order.
    assert all(share < 1e-3 for share in deviation(made, version).values())


def test_a_folder_that_does_not_say_what_it_makes_makes_a_bass():
    assert "target" not in json.loads((SAVED / "0.1.0" / "model_index.json").read_text())
    assert StemAccompanimentPipeline.from_pretrained(SAVED / "0.1.0").config["target"] == "bass"


@torch.no_grad()
@pytest.mark.parametrize("version", VERSIONS)
def test_what_it_made_depends_on_its_weights(script, version):
    pipe = StemAccompanimentPipeline.from_pretrained(SAVED / version)
    sounding = ["latents", "audio"]
    for net, names in ((pipe.unet, sounding), (pipe.autoencoder, sounding), (pipe.reranker, ["score"])):
        weights = {name: weight.clone() for name, weight in net.state_dict().items()}
        net.load_state_dict({name: 1.1 * weight for name, weight in weights.items()})
        changed = deviation(script["output"](pipe), version)
        net.load_state_dict(weights)
        assert all(changed[name] > 0.01 for name in names)


def test_a_component_saved_under_its_earlier_name_is_loaded_silently_and_saved_under_todays(tmp_path):
    assert (SAVED / "0.1.0" / "judge").is_dir()
    pipe = StemAccompanimentPipeline.from_pretrained(SAVED / "0.1.0")  # the run takes warnings for errors
    assert isinstance(pipe.components["reranker"], ContrastiveStemModel) and "judge" not in pipe.components
    assert load_pipeline(str(SAVED / "0.1.0")).reranker is not None
    pipe.save_pretrained(tmp_path)
    assert (tmp_path / "reranker").is_dir() and not (tmp_path / "judge").exists()
    assert "judge" not in json.loads((tmp_path / "model_index.json").read_text())
    again = StemAccompanimentPipeline.from_pretrained(tmp_path)
    for name, weight in pipe.reranker.state_dict().items():
        assert torch.equal(again.reranker.state_dict()[name], weight)


def test_the_earlier_name_of_a_component_works_with_a_warning():
    pipe = StemAccompanimentPipeline.from_pretrained(SAVED / "0.1.0")
    parts, reranker = pipe.components, pipe.reranker
    with pytest.warns(DeprecationWarning, match="judge is now called reranker"):
        assert pipe.judge is reranker
    del parts["reranker"]
    with pytest.warns(DeprecationWarning, match="judge is now called reranker") as warned:
        assert StemAccompanimentPipeline(**parts, judge=reranker).reranker is reranker
    assert warned[0].filename == __file__
    plain = StemAccompanimentPipeline(**parts)
    with pytest.warns(DeprecationWarning, match="judge is now called reranker"):
        plain.register_modules(judge=reranker)
    assert plain.reranker is reranker


def test_a_reranker_given_in_place_of_the_saved_one_is_used():
    other = ContrastiveStemModel(latent_channels=4, channels=8, embedding_channels=4, layers=(1, 1)).eval()
    assert StemAccompanimentPipeline.from_pretrained(SAVED / "0.1.0", reranker=other).reranker is other


def test_a_folder_is_small():
    for version in VERSIONS:
        assert sum(file.stat().st_size for file in (SAVED / version).rglob("*") if file.is_file()) < 150_000
