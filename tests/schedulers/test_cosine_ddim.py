import math

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st

from latentstem import CosineDDIMScheduler

# diffusers hands tensors to numpy in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

DIVISORS = [2**power for power in range(11)]
PREDICTIONS = ["v_prediction", "epsilon", "sample"]


def perfect_output(scheduler, clean, sample, timestep):
    """What a net that knows the clean sample returns, worked out from the mixture and not from the code."""
    alpha = scheduler.alphas_cumprod[int(timestep)].double()
    noise = (sample.double() - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    outputs = {
        "epsilon": noise,
        "sample": clean.double(),
        "v_prediction": alpha.sqrt() * noise - (1 - alpha).sqrt() * clean,
    }
    return outputs[scheduler.config.prediction_type].float()


def sample_perfectly(scheduler, steps, clean):
    scheduler.set_timesteps(steps)
    sample = torch.randn_like(clean)
    for timestep in scheduler.timesteps:
        sample = scheduler.step(perfect_output(scheduler, clean, sample, timestep), timestep, sample).prev_sample
    return sample


@pytest.mark.parametrize("greatest", [0.95, 0.999])
def test_the_schedule_is_an_angle_growing_evenly_between_the_two_rates(greatest):
    signal = CosineDDIMScheduler(max_signal_rate=greatest, min_signal_rate=0.02).alphas_cumprod.double().sqrt()
    angles = signal.acos()
    assert signal[0].item() == pytest.approx(greatest, abs=1e-6)
    assert signal[-1].item() == pytest.approx(0.02, abs=1e-5)
    step = (math.acos(0.02) - math.acos(greatest)) / 1023
    assert torch.allclose(angles.diff(), torch.full((1023,), step, dtype=torch.float64), rtol=0.02)


@pytest.mark.parametrize("stock_class", [DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler])
def test_diffusers_schedulers_read_the_config(stock_class):
    ours = CosineDDIMScheduler(max_signal_rate=0.98)
    stock = stock_class.from_config(ours.config)
    assert torch.equal(stock.alphas_cumprod, ours.alphas_cumprod)
    assert stock.config.prediction_type == "v_prediction"
    assert stock.config.timestep_spacing == "trailing"
    assert not stock.config.get("clip_sample", False)
    back = CosineDDIMScheduler.from_config(stock.config)
    assert torch.equal(back.alphas_cumprod, ours.alphas_cumprod)
    assert (back.max_signal_rate, back.min_signal_rate) == (0.98, 0.02)


@given(rates=st.tuples(st.floats(0.01, 0.5), st.floats(0.6, 0.9999)), steps=st.integers(2, 1024))
def test_the_betas_tell_the_rates(rates, steps):
    made = CosineDDIMScheduler(steps, *reversed(rates))
    read = CosineDDIMScheduler(steps, trained_betas=made.config.trained_betas)
    assert (read.min_signal_rate, read.max_signal_rate) == pytest.approx(rates, rel=1e-9)
    assert torch.equal(read.alphas_cumprod, made.alphas_cumprod)


def test_a_config_that_says_the_rates_too_is_read_and_held_against_its_betas():
    """As it was saved before the betas alone told them."""
    config = {**CosineDDIMScheduler(max_signal_rate=0.98).config, "max_signal_rate": 0.98, "min_signal_rate": 0.02}
    assert CosineDDIMScheduler.from_config(config).max_signal_rate == 0.98
    with pytest.raises(ValueError, match=r"signal rates 0\.97 and 0\.02; leave trained_betas out"):
        CosineDDIMScheduler.from_config({**config, "max_signal_rate": 0.97})


@pytest.mark.parametrize("steps", DIVISORS)
def test_agrees_with_stock_ddim_for_every_divisor(steps):
    ours = CosineDDIMScheduler()
    stock = DDIMScheduler.from_config(ours.config)
    ours.set_timesteps(steps)
    stock.set_timesteps(steps)
    assert torch.equal(ours.timesteps, stock.timesteps)
    mine = theirs = torch.randn(2, 3, 7)
    for timestep in ours.timesteps:
        output = torch.sin(3 * mine)  # one model for both: two would drift apart on their own
        step = ours.step(output, timestep, mine)
        reference = stock.step(output, timestep, theirs)
        assert torch.allclose(step.pred_original_sample, reference.pred_original_sample, atol=1e-5)
        mine, theirs = step.prev_sample, reference.prev_sample
    assert torch.allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize("prediction_type", PREDICTIONS)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_each_prediction_and_eta_agree_with_stock_ddim(prediction_type, eta):
    ours = CosineDDIMScheduler(prediction_type=prediction_type)
    stock = DDIMScheduler.from_config(ours.config)
    sample, output = torch.randn(2, 2, 3, 7)
    ours.set_timesteps(8)
    stock.set_timesteps(8)
    for timestep in ours.timesteps[3:]:
        mine = ours.step(output, timestep, sample, eta=eta, generator=torch.Generator().manual_seed(1))
        theirs = stock.step(output, timestep, sample, eta=eta, generator=torch.Generator().manual_seed(1))
        assert torch.allclose(mine.prev_sample, theirs.prev_sample, atol=2e-5)


@pytest.mark.parametrize("prediction_type", PREDICTIONS)
@pytest.mark.parametrize("eta", [None, 0.0, 0.7])
def test_a_step_from_the_clean_sample_is_that_of_the_output_which_means_it(prediction_type, eta):
    scheduler = CosineDDIMScheduler(prediction_type=prediction_type)
    scheduler.set_timesteps(8)
    sample, clean = torch.randn(2, 2, 3, 5)
    for timestep in scheduler.timesteps:
        output = perfect_output(scheduler, clean, sample, timestep)
        options = [
            {"generator": torch.Generator().manual_seed(1)} | ({} if eta is None else {"eta": eta}) for _ in "ab"
        ]
        stepped = scheduler.step_from_denoised(clean, timestep, sample, **options[0])
        expected = scheduler.step(output, timestep, sample, **options[1])
        torch.testing.assert_close(stepped.prev_sample, expected.prev_sample, atol=1e-4, rtol=1e-4)
        assert torch.equal(stepped.pred_original_sample, clean)
        again = scheduler.step_from_denoised(
            clean, timestep, sample, return_dict=False, **({"eta": eta} if eta else {})
        )
        assert torch.equal(again[1], clean)
        # Without eta nothing is drawn; after the last step no noise is left to be added.
        arrived = scheduler.previous_signal_rate(timestep) == 1
        assert torch.equal(again[0], stepped.prev_sample) == (not eta or arrived)


def test_the_added_noise_is_a_share_of_that_which_is_left():
    """Whatever eta is, the next sample holds the noise of its timestep: of a part that is predicted and one drawn."""
    scheduler = CosineDDIMScheduler()
    scheduler.set_timesteps(8)
    timestep, arrived = scheduler.timesteps[3:5].tolist()
    signal, noise_rate = scheduler.signal_and_noise_rates(timestep)
    signal_there, noise_there = scheduler.signal_and_noise_rates(arrived)
    clean, noise = torch.full((1, 200_000), 0.7), torch.randn(1, 200_000)
    for eta in (0.0, 0.4, 1.0):
        there = scheduler.step_from_denoised(clean, timestep, signal * clean + noise_rate * noise, eta=eta).prev_sample
        assert there.mean().item() == pytest.approx(signal_there * 0.7, abs=0.01)
        assert there.std().item() == pytest.approx(noise_there, abs=0.01)


@given(steps=st.integers(1, 256), prediction_type=st.sampled_from(PREDICTIONS))
def test_a_perfect_net_recovers_the_data_in_any_number_of_steps(steps, prediction_type):
    clean = 2 * torch.randn(1, 2, 5)
    assert torch.allclose(
        sample_perfectly(CosineDDIMScheduler(prediction_type=prediction_type), steps, clean), clean, atol=1e-4
    )


@pytest.mark.parametrize("solver", [DPMSolverMultistepScheduler, UniPCMultistepScheduler])
def test_fast_solvers_recover_the_data(solver):
    scheduler = solver.from_config(CosineDDIMScheduler().config, final_sigmas_type="zero")
    clean = 2 * torch.randn(1, 2, 5)
    assert torch.allclose(sample_perfectly(scheduler, 16, clean), clean, atol=1e-4)


@given(timesteps=st.lists(st.integers(0, 1023), min_size=1, max_size=4))
def test_noise_and_velocity_undo_each_other(timesteps):
    scheduler = CosineDDIMScheduler()
    clean, noise = torch.randn(2, len(timesteps), 3, 5)
    times = torch.tensor(timesteps)
    noisy = scheduler.add_noise(clean, noise, times)
    velocity = scheduler.get_velocity(clean, noise, times)
    for item, timestep in enumerate(timesteps):
        signal = scheduler.alphas_cumprod[timestep].sqrt()
        rate = (1 - scheduler.alphas_cumprod[timestep]).sqrt()
        assert torch.allclose(signal * noisy[item] - rate * velocity[item], clean[item], atol=1e-5)
        assert torch.allclose(rate * noisy[item] + signal * velocity[item], noise[item], atol=1e-5)


def test_noise_of_an_item_is_that_of_its_generator():
    scheduler = CosineDDIMScheduler()
    scheduler.set_timesteps(4)
    sample, output = torch.randn(2, 3, 2, 5)
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    batch = scheduler.step(output, scheduler.timesteps[1], sample, eta=1.0, generator=generators).prev_sample
    for item in range(3):
        alone = scheduler.step(
            output[item : item + 1],
            scheduler.timesteps[1],
            sample[item : item + 1],
            eta=1.0,
            generator=torch.Generator().manual_seed(item),
        ).prev_sample
        assert torch.equal(batch[item : item + 1], alone)


def test_tuple_and_saved_scheduler_give_the_same(tmp_path):
    scheduler = CosineDDIMScheduler(max_signal_rate=0.95)
    scheduler.save_pretrained(tmp_path)
    loaded = CosineDDIMScheduler.from_pretrained(tmp_path)
    assert torch.equal(loaded.alphas_cumprod, scheduler.alphas_cumprod)
    assert len(loaded) == 1024
    sample, output = torch.randn(2, 1, 2, 5)
    for each in (scheduler, loaded):
        each.set_timesteps(8)
    previous, original = scheduler.step(output, 1023, sample, return_dict=False)
    other = loaded.step(output, torch.tensor(1023), sample)
    assert torch.equal(previous, other.prev_sample)
    assert torch.equal(original, other.pred_original_sample)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_signal_rate": 1.0}, "max_signal_rate < 1"),
        ({"min_signal_rate": 0.0}, "0 < min_signal_rate"),
        ({"min_signal_rate": 0.999}, "min_signal_rate < max_signal_rate"),
        ({"max_signal_rate": 0.02}, "min_signal_rate < max_signal_rate"),
        ({"max_signal_rate": 1.1}, "max_signal_rate=1.1; expected a number from 0 to 1"),
        ({"set_alpha_to_one": False}, "set_alpha_to_one=True"),
        ({"trained_betas": [2.0]}, r"trained_betas\[0\]=2.0; expected a number from -1 to 1"),
        ({"trained_betas": 0.5}, "trained_betas=0.5; expected a list"),
        ({"prediction_type": "score"}, "'score'"),
        ({"clip_sample": True}, "clip_sample=False"),
        ({"timestep_spacing": "leading"}, "'leading'"),
        ({"trained_betas": [0.1] * 1024}, "leave trained_betas out"),
        ({"trained_betas": CosineDDIMScheduler().config.trained_betas[:512]}, "not those of 1024 timesteps"),
    ],
)
def test_refuses_settings_it_would_not_follow(options, message):
    with pytest.raises(ValueError, match=message):
        CosineDDIMScheduler(**options)


@pytest.mark.parametrize("steps", [0, -3, 1025])
def test_refuses_counts_of_steps_out_of_range(steps):
    with pytest.raises(ValueError, match=f"num_inference_steps={steps}; expected a whole number from 1 to 1024"):
        CosineDDIMScheduler().set_timesteps(steps)


def test_rates_are_told_for_every_timestep_and_no_other():
    scheduler = CosineDDIMScheduler(num_train_timesteps=100)
    times = torch.tensor([0, 99])
    signal, noise = scheduler.signal_and_noise_rates(times)
    torch.testing.assert_close(signal.square() + noise.square(), torch.ones(2))
    assert signal.tolist() == pytest.approx([0.999, 0.02], abs=1e-5)
    for place, timestep in enumerate((0, torch.tensor(99))):
        pair = scheduler.signal_and_noise_rates(timestep)
        assert pair == pytest.approx((float(signal[place]), float(noise[place])), abs=1e-6)
    for outside in (-1, 100, torch.tensor(100), torch.tensor(-1)):
        with pytest.raises(ValueError, match=r"got timestep=-?\d+; expected a number from 0 to 99"):
            scheduler.signal_and_noise_rates(outside)
    for outside in ([0, 100], [-1, 99]):
        with pytest.raises(
            ValueError, match=f"got timesteps from {outside[0]} to {outside[1]}; expected numbers from 0"
        ):
            scheduler.signal_and_noise_rates(torch.tensor(outside))


def test_one_timestep_serves_a_batch():
    scheduler = CosineDDIMScheduler()
    clean, noise = torch.randn(2, 3, 2, 5, dtype=torch.bfloat16)
    one, each = torch.tensor([700]), torch.tensor([700] * 3)
    for mix in (scheduler.add_noise, scheduler.get_velocity):
        assert (
            torch.equal(mix(clean, noise, one), mix(clean, noise, each)) and mix(clean, noise, one).dtype == clean.dtype
        )


def test_a_scheduler_as_it_is_made_holds_the_whole_schedule():
    scheduler = CosineDDIMScheduler(num_train_timesteps=100)
    assert scheduler.timesteps.tolist() == list(range(99, -1, -1)) and scheduler.num_inference_steps is None
    assert (scheduler.order, scheduler.init_noise_sigma) == (1, 1.0)
    assert (CosineDDIMScheduler().max_signal_rate, CosineDDIMScheduler().min_signal_rate) == (0.999, 0.02)
    sample = torch.randn(2, 3)
    assert scheduler.scale_model_input(sample, 5) is sample
    scheduler.set_timesteps(100)
    assert scheduler.timesteps.tolist() == list(range(99, -1, -1)) and scheduler.num_inference_steps == 100
    with pytest.raises(ValueError, match="num_train_timesteps=0; expected a whole number from 1 to 100000"):
        CosineDDIMScheduler(num_train_timesteps=0)


@pytest.mark.parametrize("name", ["step", "step_from_denoised"])
def test_refuses_steps_of_what_does_not_fit(name):
    scheduler = CosineDDIMScheduler()
    scheduler.set_timesteps(4)
    step = getattr(scheduler, name)
    with pytest.raises(ValueError, match=r"shapes \(1, 2\) and \(2, 2\); expected equal ones"):
        step(torch.zeros(1, 2), 1023, torch.zeros(2, 2))
    for eta in (-0.1, 1.1):
        with pytest.raises(ValueError, match="expected a number from 0 to 1"):
            step(torch.zeros(1, 2), 1023, torch.zeros(1, 2), eta=eta)
    with pytest.raises(ValueError, match="got sample with NaN"):
        step(torch.zeros(1, 2), 1023, torch.full((1, 2), torch.nan))


def test_refuses_timesteps_that_were_not_chosen():
    scheduler = CosineDDIMScheduler()
    scheduler.set_timesteps(4)
    with pytest.raises(ValueError, match="timestep 3 is not one of the 4"):
        scheduler.step(torch.zeros(1), 3, torch.zeros(1))
