"""The contrastive model: what its scores mean, whatever its weights."""

import json

import pytest
import torch
from diffusers import configuration_utils
from hypothesis import given
from hypothesis import strategies as st

from latentstem import ContrastiveStemModel


def small_model(**options):
    torch.manual_seed(0)
    small = {"latent_channels": 6, "channels": 16, "embedding_channels": 8, "layers": (1, 1, 1)}
    return ContrastiveStemModel(**{**small, **options}).eval()


@given(st.integers(1, 60), st.integers(1, 3), st.integers(1, 3))
def test_every_length_and_every_pair_is_scored(frames, mixes, stems):
    model = small_model()
    scores = model(torch.randn(mixes, 6, frames), torch.randn(stems, 6, frames))
    assert scores.shape == (mixes, stems) and scores.isfinite().all()
    assert scores.abs().max() <= model.log_scale.exp() * (1 + 1e-5)


def test_a_score_is_the_mean_over_time_of_the_moments_own_scores():
    model = small_model()
    mixes, stems = model.embed_mix(torch.randn(2, 6, 40)), model.embed_stem(torch.randn(3, 6, 40))
    whole = model.compare(mixes, stems)
    parts = [model.compare(mixes[:, t : t + 1], stems[:, t : t + 1]) for t in range(mixes.shape[1])]
    assert torch.allclose(whole, torch.stack(parts).mean(0), atol=1e-5)


def test_a_pair_is_compared_moment_by_moment():
    """The same moments in another order are another stem."""
    model = small_model()
    embedded = model.embed_mix(torch.randn(1, 6, 80))
    scores = model.compare(embedded, torch.cat([embedded, embedded.flip(1)]))
    assert scores[0, 0].item() == pytest.approx(model.log_scale.exp().item(), rel=1e-5)
    assert scores[0, 1] < scores[0, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_half_precision_stems_that_differ_in_one_moment_of_many_are_told_apart(dtype):
    model = small_model().to(dtype)
    mix = model.embed_mix(torch.randn(1, 6, 4000, dtype=dtype))
    other = mix.clone()
    other[:, :5] = -other[:, :5]
    scores = model.compare(mix, torch.cat([mix, other]))
    assert scores.dtype == torch.float32
    assert (scores[0, 1] / scores[0, 0]).item() == pytest.approx(0.99, abs=1e-3)


def test_it_is_saved_and_loaded(tmp_path, has_weights_of):
    model = small_model()
    model.save_pretrained(tmp_path)
    mixes, stems = torch.randn(2, 6, 20), torch.randn(2, 6, 20)
    loaded = ContrastiveStemModel.from_pretrained(tmp_path).eval()
    assert has_weights_of(loaded, model)
    torch.testing.assert_close(loaded(mixes, stems), model(mixes, stems))


def test_a_config_of_0_1_0_loads_where_it_names_the_head_that_is_left(tmp_path, monkeypatch, has_weights_of):
    said = []
    monkeypatch.setattr(configuration_utils.logger, "warning", said.append)
    model = small_model()
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "head": "cosine"}))
    loaded = ContrastiveStemModel.from_pretrained(tmp_path)
    assert said == [] and "head" not in loaded.config
    mixes, stems = torch.randn(2, 6, 20), torch.randn(2, 6, 20)
    assert has_weights_of(loaded, model)
    torch.testing.assert_close(loaded.eval()(mixes, stems), model(mixes, stems))
    (tmp_path / "config.json").write_text(json.dumps({**config, "head": "bilinear"}))
    with pytest.raises(ValueError, match="head='bilinear', expected 'cosine'"):
        ContrastiveStemModel.from_pretrained(tmp_path)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match=r"expected \(batch, 6, frames\)"):
        small_model().embed_mix(torch.randn(2, 5, 20))
    with pytest.raises(ValueError, match="10 and 5 moments"):
        small_model().compare(torch.randn(2, 10, 8), torch.randn(2, 5, 8))
