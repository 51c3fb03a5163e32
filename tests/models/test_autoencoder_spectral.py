"""The autoencoder: any length, exact length back, tiles equal the whole, local in time, within its budget."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from latentstem import AutoencoderSpectral
from latentstem.models import SpectralDiscriminator
from latentstem.models.spectral_scale import to_log, to_magnitude, to_quiet_magnitude


def tiny(**changes):
    sizes = {"latent_channels": 4, "channels": 16, "latent_hidden_channels": 24, "carriers": 32, "noise_bands": 8}
    settings = {**sizes, "quiet_magnitudes": True, "levels_per_octave": 3} | changes
    torch.manual_seed(0)
    model = AutoencoderSpectral(**settings).eval()
    with torch.no_grad():  # away from the quiet start, so that every path carries something
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@given(st.integers(1, 3 * 4096 + 1), st.sampled_from([(1, 1024, 256), (2, 2048, 512), (1, 4096, 1024)]))
def test_every_length_comes_back_to_the_sample(samples, framing):
    channels, window_length, hop = framing
    model = tiny(audio_channels=channels, window_length=window_length, stft_hop_length=hop)
    audio = 0.1 * torch.randn(2, channels, samples)
    with torch.no_grad():
        latents = model.encode(audio).latents
        decoded = model.decode(latents, num_samples=samples).sample
        assert torch.equal(model(audio).sample, decoded)
    assert latents.shape == (2, 4, -(-samples // 4096))
    assert decoded.shape == audio.shape and decoded.isfinite().all()


@given(st.integers(1, 20 * 4096), st.integers(1, 12))
def test_tiles_equal_the_whole(samples, tile_frames):
    model = tiny()
    audio = 0.1 * torch.randn(1, 1, samples)
    with torch.no_grad():
        latents = model.encode(audio).latents
        whole = model.decode(latents).sample
        model.enable_tiling(tile_frames)
        assert (model.encode(audio).latents - latents).abs().max() < 1e-5
        assert (model.decode(latents).sample - whole).abs().max() < 1e-5
        model.disable_tiling()
        assert torch.equal(model.decode(latents).sample, whole)


@given(st.integers(1, 20 * 4096), st.integers(1, 12), st.lists(st.integers(0, 20 * 4096), max_size=5))
def test_streams_equal_the_tiled_whole_to_the_bit(samples, tile_frames, places):
    model = tiny()
    model.enable_tiling(tile_frames)
    audio = 0.1 * torch.randn(2, 1, samples)
    pieces = torch.tensor_split(audio, sorted(min(place, samples) for place in places), dim=-1)
    with torch.no_grad():
        latents = torch.cat(list(model.encode_stream(pieces)), dim=-1)
        assert torch.equal(latents, model.encode(audio).latents)
        pieces = torch.tensor_split(latents, sorted(place // 4096 for place in places), dim=-1)
        assert torch.equal(torch.cat(list(model.decode_stream(pieces)), dim=-1), model.decode(latents).sample)


def test_what_is_longer_than_a_tile_is_tiled_by_itself(monkeypatch):
    model = tiny()
    lengths = []
    encode = model._encode
    monkeypatch.setattr(model, "_encode", lambda audio: lengths.append(audio.shape[-1]) or encode(audio))
    with torch.no_grad():
        model.encode(torch.zeros(1, 1, 1200 * 4096))
    assert max(lengths) <= (512 + 2 * model.encoder_context_frames) * 4096


def test_a_piece_decoded_at_its_place_equals_the_whole():
    model = tiny()
    latents = torch.randn(1, 4, 40)
    with torch.no_grad():
        whole = model.decode(latents).sample
        piece = model.decode(latents[..., 10:30], start_frame=10).sample
    reach = model.decoder_context_frames * 4096
    assert (piece[..., reach:-reach] - whole[..., 10 * 4096 : 30 * 4096][..., reach:-reach]).abs().max() < 1e-5


def test_nothing_sees_further_than_its_reach_and_training_crops_are_twice_as_long():
    model = tiny()
    audio, changed = (0.1 * torch.randn(1, 1, 40 * 4096) for _ in range(2))
    changed[..., 20 * 4096 :] = audio[..., 20 * 4096 :]
    with torch.no_grad():
        latents = model.encode(audio).latents
        difference = (latents - model.encode(changed).latents).abs().amax((0, 1))
        assert difference[20 + model.encoder_context_frames :].max() == 0
        other = torch.cat([torch.randn(1, 4, 20), latents[..., 20:]], dim=-1)
        difference = (model.decode(latents).sample - model.decode(other).sample).abs().flatten()
        assert difference[(20 + model.decoder_context_frames) * 4096 :].max() == 0
    default = AutoencoderSpectral()
    assert (
        default.encoder_context_frames + default.decoder_context_frames < 12
    )  # half of the 24 frames of a training crop


def test_constant_latents_hold_a_pitch_that_no_period_of_the_latents_allows():
    """What the carriers are for: without them a constant latent can sound multiples of 10.77 Hz only."""
    sounds = {}
    for carriers in (0, 64):
        model = tiny(carriers=carriers, noise_bands=0)
        with torch.no_grad():
            model.decoder_phase.weight.zero_()
            model.decoder_phase.bias.normal_()
            model.decoder_magnitude.weight.zero_()
            model.decoder_magnitude.bias.fill_(0.0 if carriers else 2.0)
            if carriers:
                bank = model.decoder_carriers
                for part in (bank.pitch, bank.partial, bank.noise):
                    part.weight.zero_()
                    part.bias.fill_(-80.0)
                bank.pitch.bias[42] = 0.0  # 27.5 Hz * 2 ** (42 / 72) = 41.2 Hz, the low E
                bank.partial.bias[0] = -2.0
            sounds[carriers] = model.decode(torch.zeros(1, 4, 40)).sample[0, 0, 8 * 4096 : 32 * 4096]
    period = sounds[0].view(-1, 4096)
    assert (period - period[0]).abs().max() < 1e-4 * period.abs().max()
    spectrum = torch.fft.rfft(sounds[64] * torch.hann_window(24 * 4096))[:400].abs()
    assert abs(float(spectrum.argmax()) * 44100 / (24 * 4096) - 41.2) < 0.5


def test_the_longer_window_tells_low_neighbours_apart_where_the_first_does_not():
    """E and F of the lowest octave, equal partials: the low bins are what the encoder can know the semitone by."""
    model, without = tiny(), tiny(low_window_length=0)
    time = torch.arange(20 * 4096) / 44100
    tones = torch.stack([sum(torch.sin(2 * torch.pi * h * f * time) / h for h in range(1, 9)) for f in (41.2, 43.65)])
    with torch.no_grad():
        assert without.encoder_low is None and without.encoder_context_frames < model.encoder_context_frames
        short = model.log_magnitude(0.1 * tones[:, None])[:, 0, : int(1000 * 2048 / 44100) + 1, 32:-32]
        long = model.log_magnitude(0.1 * tones[:, None], 8192, 2048)[:, 0, : model.low_bins, 8:-8]
        apart = [float((view[0] - view[1]).norm() / (view - view.mean()).norm()) for view in (short, long)]
        assert apart[1] > 2 * apart[0]
        latents = model.encode(0.1 * tones[:, None]).latents
        model.encoder_low[-1].weight.zero_()
        assert (model.encode(0.1 * tones[:, None]).latents - latents).abs().max() > 1e-3


def test_silence_and_loudness_stay_finite_and_latents_are_unbounded():
    model = tiny()
    with torch.no_grad():
        for level in (0.0, 1.0, 1e3):
            assert model(level * torch.ones(1, 1, 5000)).sample.isfinite().all()
        assert model.decode(1e3 * torch.randn(1, 4, 3)).sample.isfinite().all()
        model.encoder_out.weight.mul_(1e3)
        assert model.encode(torch.randn(1, 1, 5000)).latents.abs().max() > 50


def test_gradients_reach_every_parameter():
    model = tiny().train()
    output = model(0.1 * torch.randn(2, 1, 5 * 4096))
    (output.sample.square().mean() + output.log_magnitude.mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_magnitudes_invert_log_magnitudes_and_keep_a_gradient_everywhere():
    magnitude = torch.logspace(-6, 0.3, 100, dtype=torch.float64)
    assert torch.allclose(to_magnitude(to_log(magnitude)), magnitude, rtol=1e-6)
    values = torch.linspace(-3, 50, 200, dtype=torch.float64, requires_grad=True)
    result = to_magnitude(values)
    result.sum().backward()
    assert result.isfinite().all() and (values.grad > 0).all() and (result.diff() > 0).all()


def test_quiet_magnitudes_fall_without_end_and_no_steeper():
    loud = torch.linspace(0.11, 5, 100, dtype=torch.float64)
    assert torch.equal(to_quiet_magnitude(loud), to_magnitude(loud))
    values = torch.linspace(-1, 0.5, 400, dtype=torch.float64, requires_grad=True)
    decibels = 20 * torch.log10(to_quiet_magnitude(values))
    decibels.sum().backward()
    assert decibels[0] < -150 and -74 < 20 * torch.log10(to_quiet_magnitude(torch.tensor(0.1))) < -71
    assert (decibels.diff() > 0).all() and values.grad.min() > 20 and values.grad.max() < 98
    assert values.grad.diff().abs().max() < 4  # no kink where the two meet


def test_the_encoder_tells_overtones_apart_that_its_bins_miss():
    """A tone with an overtone 80 and 95 dB under full scale."""
    time = torch.arange(12 * 4096) / 44100
    tone = 0.1 * torch.sin(2 * torch.pi * 110 * time)
    overtone = torch.sin(2 * torch.pi * 3000 * time)
    sounds = torch.stack([tone + 10 ** (level / 20) * overtone for level in (-80, -95)])[:, None]
    model, apart = tiny(levels_per_octave=12), []
    with torch.no_grad():
        for deviation in (0.0, 1.0):
            model.encoder_levels.weight.normal_(std=deviation)
            latents = model.encode(sounds).latents[..., 3:-3]
            apart.append(float((latents[0] - latents[1]).abs().max()))
    assert apart[1] > 5 * apart[0]


def test_saved_and_loaded_alone_it_is_the_same(tmp_path, has_weights_of):
    model = tiny(latents_mean=[0.0] * 4, latents_std=[1.0] * 4)
    model.save_pretrained(tmp_path)
    loaded = AutoencoderSpectral.from_pretrained(tmp_path)
    assert has_weights_of(loaded, model)
    audio = torch.randn(1, 1, 9000)
    with torch.no_grad():
        torch.testing.assert_close(loaded(audio).sample, model(audio).sample)
    assert loaded.config.latents_std == [1.0] * 4


def test_the_default_fits_the_budgets():
    model = AutoencoderSpectral()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, 10 * 44100))
    assert counter.get_total_flops() / 10 < 6e9
    assert sum(p.numel() for p in model.parameters()) * 2 < 38e6  # in fp16, of 60 MB for the whole pipeline


@pytest.mark.parametrize("shape", [(1, 2, 4096), (1, 1, 0), (1, 4096)])
def test_bad_audio_is_named(shape):
    with pytest.raises(ValueError, match="expected"):
        tiny().encode(torch.zeros(shape))


def test_bad_latents_lengths_and_configs_are_named():
    model = tiny()
    for latents, samples in ((torch.zeros(1, 5, 3), None), (torch.zeros(1, 4, 0), None), (torch.zeros(1, 4, 1), 4097)):
        with pytest.raises(ValueError, match="expected"):
            model.decode(latents, num_samples=samples)
    for settings in ({"audio_channels": 3}, {"stft_hop_length": 500}):
        with pytest.raises(ValueError, match="expected"):
            AutoencoderSpectral(**settings)
    with pytest.raises(ValueError, match="expected"):
        model.enable_tiling(0)


@given(st.integers(1, 5000))
def test_the_discriminator_scores_any_length(samples):
    model = SpectralDiscriminator(channels=4)
    scores = model(torch.randn(2, 1, samples))
    assert scores.shape == (2, -(-samples // 2048)) and scores.isfinite().all()


def test_the_discriminator_learns_to_tell_noise_from_a_tone():
    model = SpectralDiscriminator(channels=8)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    tone = torch.sin(torch.arange(8192) * 0.05).expand(4, 1, -1)
    for _ in range(30):
        loss = -(model(tone).mean() - model(torch.randn(4, 1, 8192)).mean()).clamp(max=2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model(tone).mean() > model(torch.randn(4, 1, 8192)).mean() + 0.5
