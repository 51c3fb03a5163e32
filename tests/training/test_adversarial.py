"""Adversarial training: the R1 penalty adapts to certainty, and the discriminator learns to tell real from decoded."""

import pytest
import torch

from latentstem.training.adversarial import R1_CERTAINTY, R1_STEP, Adversary
from latentstem.training.engine.budget import Budget
from latentstem.training.engine.run import TrainingRun


@pytest.fixture
def adversary(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    run = TrainingRun(model, [torch.optim.AdamW(model.parameters())], Budget(1), tmp_path, "no")
    return Adversary(run, 1, window_lengths=(512, 1024), channels=32)


class Fixed(torch.nn.Module):
    """A discriminator that gives sounds of mean 1 a score this far above those of mean 0."""

    def __init__(self, distance):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(distance))

    def forward(self, audio):
        return self.weight * audio.mean(dim=(1, 2))


@pytest.mark.parametrize("certainty", [0.0, R1_CERTAINTY - 0.01, R1_CERTAINTY + 0.01, 1.0])
def test_the_penalty_grows_only_while_the_discriminator_is_certain(adversary, certainty):
    adversary.model = torch.nn.ModuleList([Fixed(2 * certainty), Fixed(2 * certainty)])
    adversary.r1_share = 0.5
    adversary.step(torch.ones(2, 1, 8), torch.zeros(2, 1, 8))
    assert adversary.r1_share == pytest.approx(0.5 + (R1_STEP if certainty > R1_CERTAINTY else -R1_STEP))


@pytest.mark.parametrize(("share", "distance"), [(0.0, 0.0), (1.0, 2.0)])
def test_the_penalty_stays_between_nothing_and_its_greatest_weight(adversary, share, distance):
    adversary.model, adversary.r1_share = torch.nn.ModuleList([Fixed(distance)]), share
    adversary.step(torch.ones(2, 1, 8), torch.zeros(2, 1, 8))
    assert adversary.r1_share == share


def test_it_learns_to_tell_real_from_decoded_and_says_so_in_the_decoders_loss(adversary):
    time = torch.arange(8192) / 44100
    real = torch.sin(2 * torch.pi * 220 * time).expand(2, 1, -1)
    fake = 0.3 * torch.randn(2, 1, 8192)
    before = adversary.generator_losses(real, fake)[0].item()
    for _ in range(40):
        adversary.step(real, fake)
    assert adversary.generator_losses(real, fake)[0].item() > before + 0.1
    fake = fake.requires_grad_()
    adversary.step(real, fake)
    assert fake.grad is None
    for index in (0, 1):
        fake.grad = None
        adversary.generator_losses(real, fake)[index].backward()
        assert fake.grad.abs().sum() > 0


@torch.no_grad()
def test_features_match_where_the_sounds_are_equal_and_nowhere_else(adversary):
    real = 0.1 * torch.randn(2, 1, 8192)
    assert float(adversary.generator_losses(real, real.clone())[1]) == pytest.approx(0, abs=1e-6)
    near, far = (float(adversary.generator_losses(real, factor * real)[1]) for factor in (0.9, 0.5))
    assert 0 < near < far
