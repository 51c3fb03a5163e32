import itertools

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, UniPCMultistepScheduler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem import CosineDDIMScheduler
from latentstem.audio import active_rms
from latentstem.guidance import InpaintRegions
from latentstem.pipelines.init_stem import KeptRegions, first_step, kept_samples
from latentstem.sampling import signal_and_noise_rates

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SOLVERS = [
    CosineDDIMScheduler,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
    EulerDiscreteScheduler,
]
RATE, SAMPLES = 44100, 30_000
FADE = 882


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def run(pipe, mix=None, **options):
    options = {"sampling_rate": RATE, "num_inference_steps": 8, "generator": seeded(), **options}
    return pipe(mix, **options).audios


@pytest.fixture
def mix():
    return 0.2 * torch.randn(1, SAMPLES, generator=seeded(5))


@pytest.fixture
def stem():
    return 0.1 * torch.sin(torch.arange(SAMPLES) * 0.02)[None]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("strength", [0.1, 0.5, 0.8])
def test_sampling_starts_at_the_noise_level_of_its_first_step(pipe, mix, stem, solver, strength, monkeypatch):
    pipe.scheduler = solver.from_config(pipe.scheduler.config)
    known, _ = pipe.encode_mix(stem[None])
    noise = torch.randn(known.shape, generator=seeded())
    seen, predict = [], pipe.predict

    def watch(latents, timestep, *others):
        rates = torch.tensor(signal_and_noise_rates(pipe.scheduler, timestep))
        scale = rates[0] if solver is EulerDiscreteScheduler else 1.0  # whose x_t is divided by its signal rate
        seen.append((latents * scale, rates))
        return predict(latents, timestep, *others)

    monkeypatch.setattr(pipe, "predict", watch)
    run(pipe, mix, init_stem=stem, strength=strength, output_type="latent")
    (start, (signal, rate)), *_ = seen
    assert len(seen) == round(8 * strength)
    assert torch.allclose(start, signal * known + rate * noise, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_net_that_knows_the_stem_returns_it_whatever_the_strength(pipe, mix, stem, solver, monkeypatch):
    pipe.scheduler = solver.from_config(pipe.scheduler.config)
    known, _ = pipe.encode_mix(stem[None])

    monkeypatch.setattr(pipe, "predict", lambda *arguments: known)  # the clean sample of a perfect net
    for strength in (0.01, 0.4, 1.0):
        out = run(pipe, mix, init_stem=stem, strength=strength, output_type="latent")
        assert torch.allclose(out, known, atol=1e-3)


def test_the_weaker_the_nearer_to_the_stem_down_to_its_round_trip(build_pipeline, mix, stem):
    pipe = build_pipeline(max_signal_rate=0.99999)
    known, _ = pipe.encode_mix(stem[None])

    def distance(strength):
        out = run(pipe, mix, init_stem=stem, strength=strength, num_inference_steps=128, output_type="latent")
        return (out - known).square().mean().sqrt()

    distances = [distance(strength) for strength in (0.001, 0.1, 0.5)]
    assert distances == sorted(distances)
    assert distances[0] < 0.03


def test_strength_one_is_the_run_without_a_stem_at_the_level_of_the_stem(pipe, mix, stem):
    plain = run(pipe, mix, output_type="latent")
    assert torch.equal(run(pipe, mix, init_stem=stem, strength=1.0, output_type="latent"), plain)
    plain_audio, own = run(pipe, mix), run(pipe, mix, init_stem=stem, strength=1.0)
    gains = [pipe.encode_mix(audio[None])[1] for audio in (mix, stem)]
    assert torch.allclose(own, plain_audio * gains[0] / gains[1], atol=1e-5)


def test_a_variation_is_as_loud_as_its_stem_and_not_as_its_mix(pipe, mix, stem):
    loud = run(pipe, mix, init_stem=stem, strength=0.5)
    assert torch.allclose(run(pipe, 0.1 * mix, init_stem=0.1 * stem, strength=0.5), 0.1 * loud, atol=1e-5)
    assert torch.allclose(run(pipe, 0.1 * mix, init_stem=stem, strength=0.5), loud, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_steps_keep_their_numbers_for_hooks_guiders_and_callbacks(pipe, mix, stem, solver, monkeypatch):
    pipe.scheduler = solver.from_config(pipe.scheduler.config)
    steps, guided, called = [], [], []
    predict = pipe.predict

    def watch(latents, timestep, mix_latents, guider, *others):
        guided.append((guider._step, guider._num_inference_steps))
        return predict(latents, timestep, mix_latents, guider, *others)

    monkeypatch.setattr(pipe, "predict", watch)
    run(
        pipe,
        mix,
        init_stem=stem,
        strength=0.5,
        denoised_hooks=[lambda denoised, step: steps.append((step.index, step.total)) or denoised],
        callback_on_step_end=lambda pipe, index, timestep, tensors: called.append((index, float(timestep))) or {},
    )
    assert steps == guided == [(index, 8) for index in (4, 5, 6, 7)]
    assert called == list(enumerate(pipe.scheduler.timesteps.tolist()))[4:]


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_kept_comes_back_as_it_was_and_the_rest_is_made_anew(pipe, mix, stem, solver):
    pipe.scheduler = solver.from_config(pipe.scheduler.config)
    one, two = (run(pipe, mix, init_stem=stem, keep=[(0.0, 0.3)], generator=seeded(i))[0] for i in (0, 1))
    border = round(0.3 * RATE)
    assert torch.equal(one[:, : border - FADE], stem[:, : border - FADE])
    assert torch.equal(two[:, : border - FADE], stem[:, : border - FADE])
    assert not torch.allclose(one[:, border:], two[:, border:], atol=1e-4)
    assert not torch.allclose(one[:, border:], stem[:, border:], atol=1e-2)


def test_what_is_kept_is_heard_by_the_rest_and_what_is_not_kept_is_not(pipe, mix, stem):
    options = {"keep": [(0.0, 0.3)], "output_type": "latent"}
    border = round(0.3 * RATE)
    opening = torch.cat([stem[:, :border], torch.zeros(1, SAMPLES - border)], dim=-1)
    continued = run(pipe, mix, init_stem=opening, **options)
    assert torch.equal(run(pipe, mix, init_stem=stem, **options), continued)
    other = run(pipe, mix, init_stem=opening.flip(-1).roll(border, -1), **options)
    assert not torch.allclose(other[..., 5:], continued[..., 5:], atol=1e-3)
    varied = run(pipe, mix, init_stem=stem, strength=0.5, **options)
    assert not torch.allclose(run(pipe, mix, init_stem=opening, strength=0.5, **options), varied, atol=1e-3)


def test_the_kept_frames_end_as_the_known_latents_whatever_other_hooks_do(pipe, mix, stem):
    known, _ = pipe.encode_mix(stem[None])
    out = run(
        pipe,
        mix,
        init_stem=stem,
        keep=[(0.0, 0.5)],
        strength=0.9,
        denoised_hooks=[lambda denoised, step: 2 * denoised + 1],
        output_type="latent",
    )
    assert torch.allclose(out[..., :4], known[..., :4], atol=1e-5)


def test_an_item_of_a_batch_is_the_single_run(pipe, mix, stem):
    mixes, stems = torch.stack([mix, mix.flip(-1)]), torch.stack([stem, 0.5 * stem.flip(-1)])
    options = {"keep": [(0.1, 0.3)], "strength": 0.8}
    generators = [seeded(i) for i in range(4)]
    batch = run(pipe, mixes, init_stem=stems, num_waveforms_per_prompt=2, generator=generators, **options)
    for item in range(4):
        single = run(pipe, mixes[item // 2], init_stem=stems[item // 2], generator=seeded(item), **options)
        assert torch.allclose(batch[item : item + 1], single, atol=1e-4)
    shared = run(pipe, mixes, init_stem=stem, generator=[seeded(0), seeded(1)], **options)
    assert torch.allclose(shared[:1], run(pipe, mixes[0], init_stem=stem, **options), atol=1e-4)


def test_without_a_mix_a_stem_says_how_long_and_how_many(pipe, mix, stem):
    assert run(pipe, init_stem=torch.stack([stem, stem]), strength=0.5).shape == (2, 1, SAMPLES)
    mix_latents, _ = pipe.encode_mix(mix[None])
    out = run(pipe, mix_latents=mix_latents, init_stem=stem, strength=0.5, output_type="latent")
    assert torch.equal(out, run(pipe, mix, init_stem=stem, strength=0.5, output_type="latent"))


def test_silence_that_is_kept_leaves_the_level_to_the_mix(pipe, mix):
    rest = torch.zeros(1, SAMPLES)
    out = run(pipe, mix, init_stem=rest, keep=[(0.0, 0.3)])
    assert out[..., : round(0.28 * RATE)].abs().max() == 0
    assert torch.allclose(run(pipe, 0.1 * mix, init_stem=rest, keep=[(0.0, 0.3)]), 0.1 * out, atol=1e-5)
    assert active_rms(out) > 0.01 * active_rms(mix[None])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edges=st.lists(st.integers(0, 500), min_size=2, max_size=8, unique=True),
    fade=st.integers(1, 60),
    loudness=st.sampled_from([0.5, 3.0]),
)
def test_originals_are_bit_equal_away_from_edges_and_nothing_leaves_full_scale(edges, fade, loudness):
    edges = sorted(edges[: len(edges) // 2 * 2])
    ranges = list(zip(edges[::2], edges[1::2], strict=True))
    audio, generated = (2 * torch.rand(2, 1, 500) - 1 for _ in range(2))
    out = KeptRegions(audio, ranges, fade).restore(loudness * generated)
    assert out.abs().max() <= 1
    outside = torch.ones(500, dtype=torch.bool)
    for first, after in ranges:
        outside[first:after] = False
        sure = slice(first + fade if first > 0 else 0, max(after - fade, 0) if after < 500 else 500)
        assert torch.equal(out[..., sure], audio[..., sure])
    scaled = out[..., outside] / (loudness * generated[..., outside])
    if scaled.numel():
        assert torch.allclose(scaled, scaled[..., :1].expand_as(scaled), rtol=1e-4)  # one factor a stem


def test_a_cross_fade_is_even_and_a_peak_under_the_originals_does_not_count():
    generated = torch.zeros(1, 1, 1000)
    generated[..., 500] = 9.0
    generated[..., :200] = 0.5
    out = KeptRegions(torch.ones(1, 1, 1000), [(300, 700)], fade=100).restore(generated)
    assert torch.equal(out[..., :200], generated[..., :200])
    assert torch.allclose(out[0, 0, 300:400], (torch.arange(100) + 0.5) / 100)
    assert torch.allclose(out[0, 0, 600:700], (torch.arange(100) + 0.5).flip(0) / 100)


@given(
    edges=st.lists(st.integers(0, 200), min_size=2, max_size=6, unique=True),
    turn=st.integers(0, 199),
    fade=st.integers(1, 60),
)
def test_the_kept_parts_of_a_loop_turn_with_it(edges, turn, fade):
    edges = sorted(edges[: len(edges) // 2 * 2])
    kept = {sample for first, after in zip(edges[::2], edges[1::2], strict=True) for sample in range(first, after)}
    turned = kept_samples([((k + turn) % 200, (k + turn) % 200 + 1) for k in kept], sampling_rate=1, num_samples=200)
    ranges, audio = list(zip(edges[::2], edges[1::2], strict=True)), torch.zeros(1, 1, 200)
    weight = KeptRegions(audio, ranges, fade, loop=True).weight()
    assert torch.equal(KeptRegions(audio, turned, fade, loop=True).weight(), weight.roll(turn))
    mask = InpaintRegions.from_ranges(audio[0], ranges, frame_rate=1.0, fade=fade, loop=True).mask
    assert torch.equal(InpaintRegions.from_ranges(audio[0], turned, 1.0, fade, loop=True).mask, mask.roll(turn))
    torch.testing.assert_close(mask, weight)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.integers(0, 400), st.integers(1, 100))
def test_pieces_are_the_whole_however_it_is_divided(lengths, start, fade):
    kept = KeptRegions(2 * torch.rand(1, 2, sum(lengths)) - 1, [(min(start, sum(lengths) - 1), sum(lengths))], fade)
    generated = 3 * torch.randn(1, 2, sum(lengths))
    firsts = [sum(lengths[:i]) for i in range(len(lengths))]
    muted = [kept.mute(piece, first) for piece, first in zip(generated.split(lengths, -1), firsts, strict=True)]
    peak = torch.cat(muted, dim=-1).abs().amax().clamp(min=1)
    blended = [kept.blend(piece / peak, first) for piece, first in zip(muted, firsts, strict=True)]
    assert torch.equal(torch.cat(blended, dim=-1), kept.restore(generated))


def test_an_end_of_none_is_the_end_of_the_stem(pipe, mix, stem):
    assert kept_samples([(0.5, None), (0.0, 0.25)], sampling_rate=8, num_samples=33) == [(0, 2), (4, 33)]
    named, open_ended = (run(pipe, mix, init_stem=stem, keep=[(0.3, end)]) for end in (SAMPLES / RATE, None))
    assert torch.equal(named, open_ended)
    assert torch.equal(open_ended[0, :, round(0.33 * RATE) :], stem[:, round(0.33 * RATE) :])


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), min_size=1, max_size=6))
def test_ranges_that_overlap_or_touch_become_one(pairs):
    ranges = kept_samples([(start, start + length) for start, length in pairs], sampling_rate=1, num_samples=200)
    wanted = {sample for start, length in pairs for sample in range(start, start + length)}
    assert {sample for first, after in ranges for sample in range(first, after)} == wanted
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ranges))


@given(strength=st.floats(0, 1, exclude_min=True), steps=st.integers(1, 100))
def test_the_share_of_steps_is_the_strength_and_never_none(strength, steps):
    left = steps - first_step(strength, steps)
    assert 1 <= left <= steps
    assert left == 1 or abs(left - strength * steps) <= 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": [(0.0, 0.1)]}, "keep without init_stem"),
        ({"strength": 0.5}, "strength without init_stem"),
        ({"strength": 0.0}, "above 0 and at most 1, got 0.0"),
        ({"strength": 1.2}, "got 1.2"),
        ({"strength": float("nan")}, "got nan"),
        ({"init_stem": torch.zeros(1, 100)}, "100 samples long and the stem is to be 30000"),
        ({"init_stem": torch.zeros(3, 1, SAMPLES)}, "3 stems in init_stem for 1 mixes"),
        ({"keep": []}, "keep is empty"),
        ({"keep": (0.0, 0.5)}, r"pairs .* got 0\.0"),
        ({"keep": [(0.0, float("inf"))]}, "finite seconds"),
        ({"keep": [(None, 0.3)]}, r"finite seconds.* got \(None, 0\.3\)"),
        ({"keep": [("0", "0.3")]}, "finite seconds"),
        ({"keep": [(0.7, None)]}, r"0\.680272 seconds.* got \(0\.7, None\)"),
        ({"keep": [(0.1, 0.2, 0.3)]}, r"pairs .* got \(0\.1, 0\.2, 0\.3\)"),
        ({"keep": [(0.0, 0.2), (0.4, 0.3)]}, r"0 <= start < end <= 0\.680272 seconds.* got \(0\.4, 0\.3\)"),
        ({"keep": [(-0.1, 0.3)]}, r"got \(-0\.1, 0\.3\)"),
        ({"keep": [(0.1, 0.7)]}, r"got \(0\.1, 0\.7\)"),
        ({"init_stem": torch.full((1, SAMPLES), 1.5), "keep": [(0.0, 0.1)]}, "reaches 1.5 in the ranges to keep"),
    ],
)
def test_refuses_stems_and_ranges_that_cannot_work(pipe, mix, stem, options, message):
    given_stem = {} if "without" in message else {"init_stem": stem}
    with pytest.raises(ValueError, match=message):
        run(pipe, mix, **{**given_stem, **options})
