"""BassNet (Grachten, Lattner and Deruty 2020): a variational gated autoencoder of what a bass does with a mix.

It sees windows of the log-magnitude constant-Q spectrograms of both (section 4.1), in several resolutions of time
(section 4.3). A few numbers, the control, say how the bass relates to the mix; with another mix they give another bass
that relates to it in the same way (section 4.4, figures 1 and 3). The losses are `latentstem.losses.variational`.

Where the paper is silent, the config decides. Two of its fields make the net cheaper than the paper's: `patch_size`
puts neighbouring bins and steps side by side as channels, and `control_blocks` shortens the encoder of the control.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from diffusers.utils.outputs import BaseOutput
from einops import rearrange
from torch import Tensor, nn

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem._checks import check_finite, check_tensors
from latentstem.losses.variational import sample_gaussian
from latentstem.models.config_bounds import check_bassnet
from latentstem.nn.dilated import DilatedResidualStack2D, covering_dilations
from latentstem.nn.gating import GatedAutoencoder

# Accelerate, which turns the outputs of a net to float32, makes them anew from a dictionary, their first argument.
_MADE_ANEW: Any = None
_FIRST_LOG_VARIANCE = -4.0


@dataclass
class BassNetEncoderOutput(BaseOutput):
    """The distribution of the control that `BassNetModel.encode` infers.

    Attributes:
        mean: Mean of the control, `(batch, control_dim)`.
        log_variance: Logarithm of its variance, `(batch, control_dim)`.
    """

    mean: Tensor
    log_variance: Tensor = _MADE_ANEW


@dataclass
class BassNetDecoderOutput(BaseOutput):
    """The bass that `BassNetModel.decode` generates; no spectrogram is limited, and no logit.

    Attributes:
        spectrogram: Log-magnitude spectrogram, scaled as those of training were, `(batch, resolutions, steps, bins)`.
        f0: Logits of the bin of the fundamental frequency, `(batch, resolutions, steps, bins)`.
        onset: Logit of a note beginning, `(batch, resolutions, steps)`.
        level: Logit of the level, `(batch, resolutions, steps)`.
    """

    spectrogram: Tensor = _MADE_ANEW
    f0: Tensor = _MADE_ANEW
    onset: Tensor = _MADE_ANEW
    level: Tensor = _MADE_ANEW


@dataclass
class BassNetOutput(BassNetDecoderOutput, BassNetEncoderOutput):
    """What `BassNetModel` returns: the distributions of the controls, and the basses decoded from them.

    Attributes:
        mean: See `BassNetEncoderOutput`, as `log_variance`.
        log_variance: See `BassNetEncoderOutput`.
        spectrogram: See `BassNetDecoderOutput`, as `f0`, `onset` and `level`.
        f0: See `BassNetDecoderOutput`.
        onset: See `BassNetDecoderOutput`.
        level: See `BassNetDecoderOutput`.
    """


class _ControlCoder(nn.Module):
    """Products of factors to mean and log variance of the control, and a control to the factors that it gates with."""

    def __init__(
        self,
        channels: int,
        control_dim: int,
        dilations: Sequence[tuple[int, int]],
        kernel_size: tuple[int, int],
        positions: tuple[int, int] = (1, 1),
    ):
        super().__init__()
        self.stack = DilatedResidualStack2D(channels, channels, dilations, kernel_size, decoder=True)
        self.shape, self.uniform = (channels, *positions), positions == (1, 1)
        self.to_gaussian = nn.Linear(math.prod(self.shape), 2 * control_dim)
        # With as much noise as the prior has, a control that means little yet is not listened to, and comes to mean
        # nothing (it happened in one of two trainings on the paper's set A2).
        nn.init.constant_(self.to_gaussian.bias[control_dim:], _FIRST_LOG_VARIANCE)
        self.from_control = nn.Linear(control_dim, math.prod(self.shape))

    def forward(self, factors: Tensor) -> Tensor:
        products = self.stack(factors)
        if self.uniform:
            products = products.mean((2, 3), keepdim=True)
        return self.to_gaussian(products.flatten(1))

    def decode(self, control: Tensor) -> Tensor:
        # The same at every step and bin, or of each its own: of the same ones one position is enough.
        factors = self.from_control(control).unflatten(1, self.shape)
        return self.stack.decode(factors, uniform=self.uniform)


class _DescriptorHeads(nn.Module):
    """Pitch, onset and level of a generated spectrogram, read from it alone."""

    def __init__(self, patch_channels: int, logits: int, bins: int, channels: int, kernel_size: int):
        super().__init__()
        self.template = nn.Parameter(F.pad(torch.ones(1), (bins - 1, bins - 1)))
        self.pitch_bias = nn.Parameter(torch.zeros(bins))
        self.changes = nn.Conv2d(patch_channels, channels, (kernel_size, 1), padding=(kernel_size // 2, 0))
        self.to_onset = nn.Linear(channels, logits)
        self.to_level = nn.Linear(channels, logits)

    def pitch(self, spectrogram: Tensor) -> Tensor:
        """Correlate each step `(..., bins)` with one template of partials, moved to every bin."""
        bins = spectrogram.shape[-1]
        templates = self.template.unfold(0, bins, 1).flip(1)
        return spectrogram @ templates.to(spectrogram.dtype) + self.pitch_bias

    def onset_and_level(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `(batch, patches in time, logits)` of patches `(batch, channels, steps, bins)`."""
        changes = F.relu(self.changes(patches)).mean(-1).transpose(1, 2)
        return self.to_onset(changes), self.to_level(changes)


class BassNetModel(ModelMixin, ConfigMixin):
    """Infer how a bass relates to a mix, and generate a bass that relates to a mix so.

    All windows are `(batch, resolutions, steps, bins)`. Inside, the channels of a position lie side by side in memory,
    the fast layout on a CPU and the fastest in bfloat16 (`torch.autocast`). Batch normalization needs batches of at
    least two windows in training; to use the model, switch it to `eval()`.

    Args:
        resolutions: Number of resolutions of time in a window: log2(b / a) + 1 for a window a/b (section 4.3).
        steps: Number of steps of a window in each resolution (a).
        bins: Number of bins of the constant-Q spectrograms.
        control_dim: Number of dimensions of the control.
        channels: Number of feature maps of each block.
        blocks: Number of blocks of the encoders of mix and bass, and of the decoder of the bass.
        control_blocks: Number of blocks of the encoder of the control, at most `blocks`; None is as many, as in the
            paper. 0 leaves a linear map of the products' means.
        control_positions: Whether the control is a linear map of the products at all positions, and gates each by
            itself; by default it is one of their mean, and gates all alike. The paper does not say.
        kernel_size: Extent of the blocks' kernels in steps and bins, both odd; the paper gives none.
        patch_size: Number of steps and of bins that are put side by side as channels of one position, each a divisor;
            1 and 1 in the paper. 1 and 3 leave one position a semitone.
        time_dilations: Dilations of the blocks along time, in positions; None takes those of
            `latentstem.nn.covering_dilations`, which see the whole window.
        frequency_dilations: Dilations of the blocks along frequency, in positions; None as for `time_dilations`.
        descriptor_channels: Width of the head that reads onset and level from a generated spectrogram.
        descriptor_kernel_size: Number of positions in time that this head sees at once, odd.

    Raises:
        ValueError: A number is out of bounds, a patch does not divide the window, the control has more blocks than the
            others, or there is not one dilation a block.

    Example:
        >>> import torch
        >>> model = BassNetModel(resolutions=2, steps=10, bins=36, channels=8, blocks=2, control_blocks=1).eval()
        >>> mix, bass = torch.randn(2, 4, 2, 10, 36).unbind()
        >>> control = model.encode(mix, bass).mean
        >>> bass = model.decode(mix, control)
        >>> control.shape, bass.f0.shape, bass.onset.shape
        (torch.Size([4, 2]), torch.Size([4, 2, 10, 36]), torch.Size([4, 2, 10]))
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ["DilatedResidualBlock2D"]
    _repeated_blocks = ["DilatedResidualBlock2D"]

    @register_to_config
    def __init__(
        self,
        resolutions: int = 1,
        steps: int = 40,
        bins: int = 264,
        control_dim: int = 2,
        channels: int = 128,
        blocks: int = 5,
        control_blocks: int | None = None,
        control_positions: bool = False,
        kernel_size: tuple[int, int] = (3, 3),
        patch_size: tuple[int, int] = (1, 1),
        time_dilations: Sequence[int] | None = None,
        frequency_dilations: Sequence[int] | None = None,
        descriptor_channels: int = 16,
        descriptor_kernel_size: int = 5,
    ):
        super().__init__()
        check_bassnet(self.config)
        if steps % patch_size[0] or bins % patch_size[1]:
            raise ValueError(
                f"got patch_size={tuple(patch_size)}; expected divisors of steps={steps} and of bins={bins}"
            )
        if control_blocks is not None and not 0 <= control_blocks <= blocks:
            raise ValueError(f"got control_blocks={control_blocks}; expected 0 to blocks={blocks}, or None")
        kernel = (kernel_size[0], kernel_size[1])
        positions = (steps // patch_size[0], bins // patch_size[1])
        given = (time_dilations, frequency_dilations)
        times, frequencies = (
            tuple(own) if own is not None else covering_dilations(length, blocks, extent)
            for own, length, extent in zip(given, positions, kernel, strict=True)
        )
        if not len(times) == len(frequencies) == blocks:
            raise ValueError(
                f"got {len(times)} time_dilations and {len(frequencies)} frequency_dilations; expected one each for "
                f"{blocks} blocks"
            )
        dilations = tuple(zip(times, frequencies, strict=True))
        patch_channels = resolutions * patch_size[0] * patch_size[1]
        # The factors have seen the whole window: fewer blocks of the control are the first ones, whose reach is short.
        self.gated = GatedAutoencoder(
            DilatedResidualStack2D(patch_channels, channels, dilations, kernel),
            DilatedResidualStack2D(patch_channels, channels, dilations, kernel, decoder=True, rectify=False),
            _ControlCoder(
                channels, control_dim, dilations[:control_blocks], kernel, positions if control_positions else (1, 1)
            ),
        )
        self.heads = _DescriptorHeads(
            patch_channels, resolutions * patch_size[0], bins, descriptor_channels, descriptor_kernel_size
        )
        nn.Module.to(self, memory_format=torch.channels_last)

    @apply_forward_hook
    def encode(self, mix: Tensor, bass: Tensor, return_dict: bool = True) -> BassNetEncoderOutput | tuple[Tensor, ...]:
        """Infer the control: equations (1) and (2).

        Args:
            mix: Windows of the mix, `(batch, resolutions, steps, bins)`.
            bass: Windows of the bass at the same time, shaped like `mix`.
            return_dict: Whether to return the output class or a tuple.

        Returns:
            Mean and log variance of the control.

        Raises:
            ValueError: The shapes are not as above, or windows or results are not finite.
        """
        self._check(mix=mix, bass=bass)
        mean, log_variance = self._encode(self.gated.x_encoder(self._patches(mix)), bass)
        if not return_dict:
            return mean, log_variance
        return BassNetEncoderOutput(mean=mean, log_variance=log_variance)

    @apply_forward_hook
    def decode(
        self, mix: Tensor, control: Tensor, return_dict: bool = True
    ) -> BassNetDecoderOutput | tuple[Tensor, ...]:
        """Generate a bass: equation (4).

        Args:
            mix: Windows of the mix, `(batch, resolutions, steps, bins)`.
            control: Control of each window, `(batch, control_dim)`.
            return_dict: Whether to return the output class or a tuple.

        Returns:
            Spectrogram of the bass, and the logits of its descriptors.

        Raises:
            ValueError: The shapes are not as above, or windows or results are not finite.
        """
        self._check(mix=mix)
        check_tensors(control=control)
        dimensions = self.config["control_dim"]
        if control.shape != (len(mix), dimensions):
            raise ValueError(
                f"got control of shape {tuple(control.shape)}; expected ({len(mix)}, {dimensions}), a point a window"
            )
        decoded = self._decode(self.gated.x_encoder(self._patches(mix)), control)
        return BassNetDecoderOutput(*decoded) if return_dict else decoded

    def forward(
        self,
        mix: Tensor,
        bass: Tensor,
        partners: Tensor | None = None,
        sample_posterior: bool = False,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
        controls: Tensor | None = None,
    ) -> BassNetOutput | tuple[Tensor, ...]:
        """Infer controls and generate from them: equations (1) to (4), and with partners (6) and (7).

        Args:
            mix: Windows of the mix, `(batch, resolutions, steps, bins)`.
            bass: Windows of the bass at the same time, shaped like `mix`.
            partners: For each window the index in the batch of the one whose control it is decoded with, `(batch,)`;
                None is its own.
            sample_posterior: Whether to draw the controls; otherwise they are the means.
            generator: Generator on the device of the windows for the drawing; None is torch's own.
            return_dict: Whether to return the output class or a tuple.
            controls: Controls to decode each window with, several times, in place of inferred ones, `(draws, batch,
                control_dim)`.

        Returns:
            Distributions of the controls, as `encode` returns them, and the basses, as `decode` does: one a window, or
            `draws * batch`, those of the first draw first.

        Raises:
            ValueError: The shapes are not as above, or windows or results are not finite.

        Example:
            >>> import torch
            >>> from latentstem.losses import cross_reconstruction_terms
            >>> model = BassNetModel(steps=10, bins=36, channels=8, blocks=2, control_blocks=1)
            >>> mix, bass = torch.randn(2, 6, 1, 10, 36).unbind()  # three windows, then a neighbour of each
            >>> partners = torch.arange(6).roll(3)
            >>> output = model(mix, bass, partners, sample_posterior=True)
            >>> list(cross_reconstruction_terms(output, {"spectrogram": bass}, partners))
            ['cross_divergence', 'divergence', 'spectrogram']
        """
        self._check(mix=mix, bass=bass)
        if partners is not None and partners.shape != mix.shape[:1]:
            raise ValueError(
                f"got partners of shape {tuple(partners.shape)}; expected one index for each of {len(mix)} windows"
            )
        factors = self.gated.x_encoder(self._patches(mix))
        mean, log_variance = self._encode(factors, bass)
        if controls is None:
            control = sample_gaussian(mean, log_variance, generator) if sample_posterior else mean
            decoded = self._decode(factors, control if partners is None else control[partners])
        elif controls.shape[1:] != mean.shape:
            raise ValueError(
                f"got controls of shape {tuple(controls.shape)}; expected (draws, {', '.join(map(str, mean.shape))})"
            )
        else:
            # Not `repeat`, which does not keep the channels of a position side by side.
            decoded = self._decode(torch.cat(len(controls) * [factors]), controls.flatten(0, 1))
        if not return_dict:
            return (mean, log_variance, *decoded)
        return BassNetOutput(mean, log_variance, *decoded)

    def _encode(self, factors: Tensor, bass: Tensor) -> tuple[Tensor, Tensor]:
        relation = self.gated.relate(factors, self._patches(bass))
        check_finite("the control", relation, {"factors of the mix": factors, "bass": bass})
        mean, log_variance = relation.chunk(2, dim=-1)
        return mean, log_variance

    def _decode(self, factors: Tensor, control: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        patches = self.gated.apply_relation(factors, control)
        check_finite("the bass", patches, {"factors of the mix": factors, "control": control})
        steps, bins = self.config["patch_size"]
        spectrogram = rearrange(patches, "b (k p q) t f -> b k (t p) (f q)", p=steps, q=bins)
        onset, level = (
            rearrange(logits, "b t (k p) -> b k (t p)", p=steps) for logits in self.heads.onset_and_level(patches)
        )
        return spectrogram, self.heads.pitch(spectrogram), onset, level

    def _patches(self, windows: Tensor) -> Tensor:
        steps, bins = self.config["patch_size"]
        patches = rearrange(windows, "b k (t p) (f q) -> b (k p q) t f", p=steps, q=bins)
        return patches.contiguous(memory_format=torch.channels_last)

    def _check(self, **windows: Tensor) -> None:
        check_tensors(**windows)
        sizes = tuple(self.config[name] for name in ("resolutions", "steps", "bins"))
        batch = len(windows["mix"])
        for name, window in windows.items():
            if window.shape != (batch, *sizes):
                raise ValueError(f"got {name} of shape {tuple(window.shape)}; expected {(batch, *sizes)}")
