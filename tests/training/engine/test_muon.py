"""Muon: orthogonal steps, held against a singular value decomposition and against torch's own optimiser."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.training import autoencoder, unet
from latentstem.training.engine import muon
from latentstem.training.engine.muon import Muon, muon_and_adamw, orthogonalize
from latentstem.training.lora import add_lora

shapes = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12))


@given(shapes, st.integers(0, 2**31 - 1), st.floats(1e-3, 1e3))
def test_singular_vectors_stay_and_singular_values_come_near_one(shape, seed, scale):
    # Of given singular values: a random matrix may have one of 1e-6, which no four rounds bring up.
    generator = torch.Generator().manual_seed(seed)
    left, _, right = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    values = torch.rand(shape[0], 1, min(shape[1:]), generator=generator) + 0.1
    near = orthogonalize(scale * (left * values) @ right)
    values = (left.mT @ near @ right.mT).diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close((left * values[:, None]) @ right, near, atol=1e-4, rtol=0)
    assert values.min() > 0.7 and values.max() < 1.3


def test_every_singular_value_from_the_stated_least_on_is_led_into_the_stated_range():
    values = torch.logspace(math.log10(0.003), 0, 1000, dtype=torch.float64)
    for linear, cubic, quintic in muon.POLAR_EXPRESS_COEFFICIENTS:
        values = linear * values + cubic * values**3 + quintic * values**5
    assert values.min() > 0.78 and values.max() < 1.22


def test_zeros_stay_zeros():
    assert orthogonalize(torch.zeros(2, 3, 4)).abs().max() == 0


def nets(seed: int) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(shape, generator=generator) for shape in ((4, 6), (6, 4), (4, 6), (5, 5))]
    ours, theirs = ([torch.nn.Parameter(weight.clone()) for weight in weights] for _ in range(2))
    return ours, theirs


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has one to compare with since 2.9")
def test_steps_are_those_of_torch_which_computes_them_in_bfloat16(monkeypatch):
    monkeypatch.setattr(muon, "POLAR_EXPRESS_COEFFICIENTS", 5 * [(3.4445, -4.7750, 2.0315)])  # torch's
    ours, theirs = nets(0)
    start = torch.cat([parameter.detach().flatten() for parameter in ours])
    mine = Muon(ours, lr=0.1, momentum=0.9, weight_decay=0.1)
    reference = torch.optim.Muon(theirs, lr=0.1, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        for our, their in zip(ours, theirs, strict=True):
            our.grad = torch.randn(our.shape, generator=generator)
            their.grad = our.grad.clone()
        mine.step()
        reference.step()
    moved, expected = (torch.cat([p.detach().flatten() for p in parameters]) - start for parameters in (ours, theirs))
    assert (moved - expected).norm() < 0.02 * expected.norm()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_the_cpu():
    matrices = torch.randn(3, 64, 192, generator=torch.Generator().manual_seed(0))
    expected = orthogonalize(matrices)
    assert (orthogonalize(matrices.cuda()).cpu() - expected).norm() < 1e-2 * expected.norm()


def test_matrices_without_a_gradient_stay():
    (first, second, *_), _ = nets(0)
    first.grad = torch.ones_like(first)
    before = first.detach().clone(), second.detach().clone()
    Muon([first, second]).step()
    assert not torch.equal(first, before[0]) and torch.equal(second, before[1])


def test_what_is_no_matrix_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\), expected matrices"):
        Muon([torch.nn.Parameter(torch.ones(3))])


@pytest.mark.parametrize(
    ("model", "left_to_adamw", "least"),
    [(StemUNet1DModel(), unet.EMBEDDINGS, 0.95), (AutoencoderSpectral(), autoencoder.OUTER_LAYERS, 0.85)],
)
def test_every_parameter_has_one_optimizer_and_most_of_them_muon(model, left_to_adamw, least):
    muon, adamw = muon_and_adamw(model, left_to_adamw, 1e-3, 1e-2)
    matrices, others = ([p for group in o.param_groups for p in group["params"]] for o in (muon, adamw))
    assert isinstance(muon, Muon) and isinstance(adamw, torch.optim.AdamW)
    assert sorted(map(id, matrices + others)) == sorted(map(id, model.parameters()))
    assert sum(p.numel() for p in matrices) > least * model.num_parameters()
    left = {id(p) for name, p in model.named_parameters() if name.startswith(left_to_adamw)}
    # Names that no layer has any more would leave nothing to AdamW.
    assert all(any(name.startswith(layer) for name, _ in model.named_parameters()) for layer in left_to_adamw)
    assert not left & {id(p) for p in matrices}


def test_what_is_frozen_is_not_trained():
    model = AutoencoderSpectral(channels=16, latent_hidden_channels=16, latent_channels=4, carriers=8)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith("encoder_"))
    given = [p for o in muon_and_adamw(model, (), 1e-3, 1e-2) for group in o.param_groups for p in group["params"]]
    assert sorted(map(id, given)) == sorted(id(p) for p in model.parameters() if p.requires_grad)


def test_adapters_are_trained_by_adamw_alone():
    model = StemUNet1DModel(block_out_channels=(32, 64), layers_per_block=(1, 1), attention_levels=(False, True))
    add_lora(model, 2)
    (adamw,) = muon_and_adamw(model, unet.EMBEDDINGS, 1e-3, 1e-2)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert isinstance(adamw, torch.optim.AdamW)
    assert sorted(map(id, adamw.param_groups[0]["params"])) == sorted(map(id, trained))
