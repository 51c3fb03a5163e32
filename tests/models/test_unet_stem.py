"""The denoiser: every length, no leaks, conditioned on the mix, saved and adapted without loss, within its budget."""

import json
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig
from torch.utils.flop_counter import FlopCounterMode

from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.nn import reuse_position_tables

CHANNELS = 4


def tiny(seed=0, **kwargs) -> StemUNet1DModel:
    """A small net, in evaluation mode, whose zero-initialised layers have been set to something."""
    torch.manual_seed(seed)
    config = {"attention_levels": (False, True, True)} | kwargs
    unet = StemUNet1DModel(
        latent_channels=CHANNELS,
        block_out_channels=(16, 24, 32),
        layers_per_block=(1, 1, 1),
        attention_head_dim=8,
        embedding_dim=16,
        position_hidden_dim=8,
        **config,
    )
    for parameter in unet.parameters():
        if parameter.count_nonzero() == 0:
            torch.nn.init.normal_(parameter, std=0.2)
    return unet.eval()


def noisy_and_mix(batch=2, frames=13):
    return torch.randn(2, batch, CHANNELS, frames).unbind()


def test_every_length_returns_itself():
    unet = tiny()
    with torch.no_grad():
        for frames in range(1, 71):
            noisy, mix = noisy_and_mix(1, frames)
            out = unet(noisy, 7, {"mix": mix}).sample
            assert out.shape == noisy.shape
            assert out.isfinite().all()


@given(frames=st.integers(1, 30))
def test_items_of_a_batch_do_not_meet(frames):
    unet = tiny()
    noisy, mix = noisy_and_mix(3, frames)
    alone = unet(noisy[1:2], torch.tensor([500]), {"mix": mix[1:2]}).sample
    noisy[0], mix[2] = torch.nan, torch.inf
    together = unet(noisy, torch.tensor([3, 500, 1000]), {"mix": mix}).sample[1:2]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)  # products over more rows round differently


def test_what_follows_does_not_reach_back_beyond_the_receptive_field():
    """Holds only if nothing is normalized over time and nothing is padded to a multiple."""
    unet = tiny(attention_levels=(False, False, False))
    noisy, mix = noisy_and_mix(1, 91)
    whole = unet(noisy, 7, {"mix": mix}).sample
    for frames in (64, 65, 66, 67, 90):
        cut = unet(noisy[..., :frames], 7, {"mix": mix[..., :frames]}).sample
        # Ahead: 1 + 2 frames at full rate, 2 at half, 2 at quarter, and as many on the way up: fewer than 30.
        torch.testing.assert_close(cut[..., :-30], whole[..., : frames - 30], atol=1e-5, rtol=1e-5)


def test_without_attention_a_shift_by_a_whole_coarse_frame_shifts_the_output():
    unet = tiny(attention_levels=(False, False, False))
    noisy, mix = noisy_and_mix(1, 100)
    whole, shifted = unet(noisy, 7, {"mix": mix}).sample, unet(noisy[..., 4:], 7, {"mix": mix[..., 4:]}).sample
    torch.testing.assert_close(shifted[..., 30:], whole[..., 34:], atol=1e-5, rtol=1e-5)


def test_attention_reaches_the_whole_sequence_and_knows_positions():
    unet = tiny()
    noisy, mix = noisy_and_mix(1, 200)
    far = mix.clone()
    far[..., -1] += 5.0
    plain = unet(noisy, 7, {"mix": mix}).sample
    assert (unet(noisy, 7, {"mix": far}).sample[..., 0] != plain[..., 0]).any()
    with torch.no_grad():
        for bias in unet.position_biases.values():
            bias.to_bias.weight.zero_()
    assert not torch.allclose(unet(noisy, 7, {"mix": mix}).sample, plain, atol=1e-4)


def test_the_prediction_depends_on_the_mix():
    unet = tiny()
    noisy, mix = noisy_and_mix()
    right, swapped = unet(noisy, 7, {"mix": mix}).sample, unet(noisy, 7, {"mix": mix.flip(0)}).sample
    assert (right - swapped).square().mean() > 1e-3 * right.square().mean()


def test_dropping_is_per_item_and_equals_no_mix_at_all():
    unet = tiny()
    noisy, mix = noisy_and_mix(3)
    mixed = unet(noisy, 7, {"mix": mix}, dropped={"mix": torch.tensor([True, False, True])}).sample
    without, with_mix = unet(noisy, 7).sample, unet(noisy, 7, {"mix": mix}).sample
    assert torch.equal(mixed[[0, 2]], without[[0, 2]])
    assert torch.equal(mixed[1], with_mix[1])
    assert not torch.allclose(without, with_mix, atol=1e-2)


def test_null_is_neither_silence_nor_zeros_and_is_learned_from_dropped_items_only():
    unet = tiny()
    noisy, mix = noisy_and_mix(2)
    null = unet(noisy, 7).sample
    assert not torch.allclose(null, unet(noisy, 7, {"mix": torch.zeros_like(mix)}).sample, atol=1e-2)
    as_a_mix = unet.frame_inputs.nulls["mix"].detach()[None, :, None].expand_as(mix)
    assert torch.equal(null, unet(noisy, 7, {"mix": as_a_mix}).sample)
    for dropped, learns in (([False, False], False), ([False, True], True)):
        unet.zero_grad()
        unet(noisy, 7, {"mix": mix}, {"mix": torch.tensor(dropped)}).sample.square().sum().backward()
        assert bool(unet.frame_inputs.nulls["mix"].grad.any()) is learns


@pytest.mark.parametrize("timestep", [31, 31.0, torch.tensor(31), torch.tensor([31]), torch.tensor([31, 31, 31])])
def test_timesteps_come_as_numbers_scalars_or_one_an_item(timestep):
    unet = tiny()
    noisy, mix = noisy_and_mix(3)
    assert torch.equal(
        unet(noisy, timestep, {"mix": mix}).sample, unet(noisy, torch.tensor([31] * 3), {"mix": mix}).sample
    )
    assert not torch.allclose(
        unet(noisy, timestep, {"mix": mix}).sample, unet(noisy, 900, {"mix": mix}).sample, atol=1e-3
    )


def test_a_tuple_holds_the_same_sample():
    unet = tiny()
    noisy, mix = noisy_and_mix()
    assert torch.equal(unet(noisy, 7, {"mix": mix}, return_dict=False)[0], unet(noisy, 7, {"mix": mix})["sample"])


def test_the_untrained_net_predicts_zero():
    unet = StemUNet1DModel(CHANNELS, (16, 24), (1, 1), 8, (False, True), 16)
    noisy, mix = noisy_and_mix()
    assert unet(noisy, 7, {"mix": mix}).sample.count_nonzero() == 0


def test_gradient_checkpointing_gives_the_same_gradients():
    noisy, mix = noisy_and_mix()
    gradients = []
    for checkpointing in (False, True):
        unet = tiny().train()
        if checkpointing:
            unet.enable_gradient_checkpointing()
            checkpoint = Mock(side_effect=unet._gradient_checkpointing_func)
            unet._gradient_checkpointing_func = checkpoint
        unet(
            noisy, torch.tensor([5, 700]), {"mix": mix}, {"mix": torch.tensor([True, False])}
        ).sample.square().mean().backward()
        gradients.append({name: parameter.grad for name, parameter in unet.named_parameters()})
    assert checkpoint.call_count == 5, "every stage is to be checkpointed: two down, one in the middle, two up"
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_a_net_is_saved_and_loaded_with_equal_weights(tmp_path, has_weights_of):
    unet = tiny(log_n_scaling=True, train_length=32)
    noisy, mix = noisy_and_mix(2, 70)
    unet.save_pretrained(tmp_path)
    loaded = StemUNet1DModel.from_pretrained(tmp_path)
    assert has_weights_of(loaded, unet)
    torch.testing.assert_close(loaded(noisy, 7, {"mix": mix}).sample, unet(noisy, 7, {"mix": mix}).sample)
    assert json.loads((tmp_path / "config.json").read_text())["latent_channels"] == CHANNELS
    assert [file.suffix for file in tmp_path.iterdir() if "model" in file.name] == [".safetensors"]


def test_half_precision_keeps_positions_and_timesteps_exact(tmp_path):
    tiny().save_pretrained(tmp_path)
    unet = StemUNet1DModel.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert unet.dtype == torch.bfloat16
    assert {p.dtype for p in [*unet.position_biases.parameters(), *unet.time_embedding.parameters()]} == {torch.float32}
    noisy, mix = noisy_and_mix()
    out, exact = unet(noisy.bfloat16(), 7, {"mix": mix.bfloat16()}).sample, tiny()(noisy, 7, {"mix": mix}).sample
    assert out.dtype == torch.bfloat16
    # Eight bits of mantissa through some twenty layers.
    assert (out.float() - exact).norm() < 0.05 * exact.norm()


def test_autocast_training_is_finite_and_close():
    unet = tiny().train()
    noisy, mix = noisy_and_mix(2, 40)
    with torch.autocast("cpu", torch.bfloat16):
        out = unet(100 * noisy, torch.tensor([0, 1023]), {"mix": mix}, {"mix": torch.tensor([True, False])}).sample
    out.float().square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in unet.parameters())
    exact = unet(100 * noisy, torch.tensor([0, 1023]), {"mix": mix}, {"mix": torch.tensor([True, False])}).sample
    assert (out.float() - exact).norm() < 0.05 * exact.norm()


@torch.no_grad()
def test_lora_changes_the_output_and_returns_from_a_folder(tmp_path):
    noisy, mix = noisy_and_mix()
    unet = tiny()
    plain = unet(noisy, 7, {"mix": mix}).sample
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v", "to_out"], init_lora_weights=False))
    adapted = unet(noisy, 7, {"mix": mix}).sample
    assert not torch.allclose(adapted, plain, atol=1e-3)
    unet.save_lora_adapter(tmp_path)
    fresh = tiny()
    fresh.load_lora_adapter(tmp_path, prefix=None, use_safetensors=True, weight_name="pytorch_lora_weights.safetensors")
    assert torch.equal(fresh(noisy, 7, {"mix": mix}).sample, adapted)
    fresh.disable_adapters()
    # Its weights are frozen now: torch multiplies by these another way, on some processors to other last bits.
    torch.testing.assert_close(fresh(noisy, 7, {"mix": mix}).sample, plain, atol=1e-5, rtol=1e-5)


def test_reused_tables_change_nothing_and_are_computed_once_a_call():
    unet = tiny()
    noisy, mix = noisy_and_mix()
    computed = []
    for bias in unet.position_biases.values():
        bias.to_bias.register_forward_hook(lambda *_: computed.append(1))
    with torch.no_grad():
        expected = [unet(noisy, t, {"mix": mix}).sample for t in (900, 100)]
        computed.clear()
        with reuse_position_tables(unet):
            reused = [unet(noisy, t, {"mix": mix}).sample for t in (900, 100)]
    assert all(torch.equal(a, b) for a, b in zip(reused, expected, strict=True))
    assert len(computed) == 2  # one a resolution


def test_the_default_keeps_its_budget():
    """At most 11 MFLOP a latent frame and forward at 60 s, multiplications and additions counted apart."""
    unet, sample = StemUNet1DModel(), torch.randn(1, 64, 646)
    with FlopCounterMode(display=False) as counter:  # gradients on: attention is spelled out, so it is counted
        unet(sample, 7, {"mix": sample})
    counts = counter.get_flop_counts()["Global"]
    attention = sum(count for operation, count in counts.items() if "bmm" in str(operation))
    # Two products over all pairs of frames: one layer down and one up at half rate, two at quarter rate.
    assert attention == 4 * (2 * 323**2 * 384 + 2 * 162**2 * 448)
    assert counter.get_total_flops() / 646 <= 11e6
    assert 8e6 <= sum(parameter.numel() for parameter in unet.parameters()) <= 12e6


def test_it_learns():
    """A toy: predict the mix, held two frames back, out of noise."""
    unet = tiny().train()
    optimizer = torch.optim.AdamW(unet.parameters(), lr=5e-3)
    losses = []
    for _ in range(30):
        noisy, mix = noisy_and_mix(8, 32)
        prediction = unet(noisy, torch.randint(0, 1024, (8,)), {"mix": mix}).sample
        loss = (prediction - mix.roll(2, dims=-1)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 0.6  # predicting zeros loses 1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"sample": torch.zeros(2, 5, 9)}, r"sample has shape \(2, 5, 9\), expected \(batch, 4, frames"),
        ({"sample": torch.zeros(2, 4, 0)}, r"sample has shape \(2, 4, 0\)"),
        ({"timestep": torch.tensor([1, 2, 3])}, r"timestep has shape \(3,\), expected .* \(2,\)"),
        (
            {"conditions": {"mix": torch.zeros(2, 4, 8)}},
            r"'mix' has shape \(2, 4, 8\), expected \(2, 4, 9\); ",
        ),
        ({"conditions": {"chords": torch.zeros(2, 4, 9)}}, "condition 'chords', and the net takes: mix"),
        (
            {"dropped": {"mix": torch.tensor([True])}},
            r"drops 'mix' is torch.bool of shape \(1,\), expected torch.bool of shape \(2,\)",
        ),
        ({"dropped": {"mix": torch.tensor([1, 0])}}, r"drops 'mix' is torch.int64"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(kwargs, message):
    good = {"sample": torch.zeros(2, 4, 9), "timestep": 1, "conditions": {"mix": torch.zeros(2, 4, 9)}}
    with pytest.raises(ValueError, match=message):
        tiny()(**(good | kwargs))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"layers_per_block": (1, 1)}, "3 widths in block_out_channels, 2 counts in layers_per_block"),
        ({"attention_head_dim": 100}, "got width 384 with attention, expected a multiple of 100 a head"),
    ],
)
def test_sizes_that_do_not_agree_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        StemUNet1DModel(**kwargs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_one_compiled_graph_serves_all_lengths():
    unet = tiny()
    torch.compiler.reset()
    compiled = torch.compile(unet, backend="eager", fullgraph=True, dynamic=True)  # no graph breaks
    with torch.no_grad():
        noisy, mix = noisy_and_mix(frames=13)
        compiled(noisy, 500, {"mix": mix})
        with torch.compiler.set_stance("fail_on_recompile"):
            for frames in (20, 7, 64, 33, 101):
                noisy, mix = noisy_and_mix(frames=frames)
                assert torch.equal(compiled(noisy, 500, {"mix": mix}).sample, unet(noisy, 500, {"mix": mix}).sample)
    torch.compiler.reset()
