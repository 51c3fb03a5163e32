"""Parts of latentstem in another generator: a small transformer that generates curves.

`DynamicPositionBias` with `biased_attention` gives the positions: trained on curves of 64 points, the transformer
generates curves of 256. `StyleGrounding` with `on_denoised` moves the mean of its curves to that of another curve, with
a scheduler of diffusers and without further training. It takes seconds.
"""

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from latentstem import DynamicPositionBias, StyleGrounding, biased_attention, on_denoised


class Transformer(nn.Module):
    """Transformer that predicts the noise in curves `(batch, 2, points)`."""

    def __init__(self, channels: int = 64, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.take_in = nn.Linear(3, channels)  # two curves, and how far the noise has gone
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.bias = DynamicPositionBias(num_heads=heads)
        self.mix = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, 256), nn.GELU(), nn.Linear(256, channels))
        self.give_out = nn.Linear(channels, 2)

    def forward(self, noisy: Tensor, timestep: Tensor) -> Tensor:
        """Predict the noise in curves at timesteps from 0 to 999, `(batch,)` or one for all."""
        time = (timestep.float() / 1000).reshape(-1, 1, 1).expand(len(noisy), 1, noisy.shape[-1])
        hidden = self.take_in(torch.cat([noisy, time], dim=1).transpose(1, 2))
        query, key, value = self.to_qkv(hidden).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = biased_attention(query, key, value, table=self.bias(noisy.shape[-1]))
        hidden = hidden + seen.transpose(1, 2).flatten(2)
        return self.give_out(hidden + self.mix(hidden)).transpose(1, 2)


def curves(count: int, points: int) -> Tensor:
    """Draw sines of one period in 32 points at random phases, and their slopes: `(count, 2, points)`."""
    angle = 2 * torch.pi * (torch.arange(points) / 32 + torch.rand(count, 1))
    return torch.stack([angle.sin(), angle.cos()], dim=1)


torch.manual_seed(0)
model = Transformer()
scheduler = DDIMScheduler(clip_sample=False)  # grounding may lead beyond [-1, 1]
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for _ in range(250):
    clean = curves(16, 64)
    noise = torch.randn_like(clean)
    timestep = torch.randint(scheduler.config.num_train_timesteps, (len(clean),))
    loss = nn.functional.mse_loss(model(scheduler.add_noise(clean, noise, timestep), timestep), noise)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def draw(points: int) -> Tensor:
    sample = torch.randn(8, 2, points, generator=torch.Generator().manual_seed(1))
    scheduler.set_timesteps(25)
    for timestep in scheduler.timesteps:
        sample = scheduler.step(model(sample, timestep), timestep, sample).prev_sample
    return sample


plain = draw(256)
with on_denoised(scheduler, StyleGrounding(torch.tensor([0.5, -0.5]))):
    grounded = draw(256)

period = torch.fft.rfft(plain[:, 0]).abs().mean(0)[1:].argmax() + 1
print(f"loss {loss.item():.3f}; curves of 256 points have a period of {256 / period:.0f}, as those of 64 had")
print(f"mean of the curves: {plain.mean((0, -1)).numpy().round(2)}, grounded {grounded.mean((0, -1)).numpy().round(2)}")
