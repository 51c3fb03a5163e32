"""From a mix to a stem that fits it: the whole method of arXiv 2402.01412 (figure 1)."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from diffusers.guiders.guider_utils import BaseGuidance
from diffusers.models.modeling_utils import ModelMixin
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

from latentstem._diffusers import RenamedComponents
from latentstem.guidance.inpainting import InpaintRegions
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.models.codec import as_codec
from latentstem.models.contrastive import ContrastiveStemModel
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.nn.position import reuse_position_tables
from latentstem.pipelines.diffusion import StemDiffusionPipeline, upgraded_schedule
from latentstem.pipelines.init_stem import InitStem, Ranges, check_init_stem, first_step
from latentstem.pipelines.output import StemPipelineOutput, check_target
from latentstem.pipelines.reranking import best_of, check_keep_best
from latentstem.sampling.denoised import denoised_coefficients
from latentstem.sampling.hooks import DenoisedHook, step_from_denoised
from latentstem.sampling.objectives import schedule_of


class StemAccompanimentPipeline(RenamedComponents, StemDiffusionPipeline):
    """Generates a stem, such as a bass line, that accompanies a mix.

    The mix may be of any length and level; the stem comes back sample for sample as long and at the level that fits.
    Given a stem to start from, it makes a variation of it, fills in what is missing, or continues an opening. With a
    reranker it generates several stems and keeps the best.

    Args:
        autoencoder: Between audio and latents, for the mix, the style reference and the stem: an `AutoencoderSpectral`,
            an `EncodecCodec`, an `AutoencoderOobleck` of diffusers, or one of your own (see `latentstem.Codec`), with
            whose latents the net was trained.
        unet: The denoiser.
        scheduler: A `CosineDDIMScheduler`, any diffusers scheduler of one evaluation a step built from its config, or
            another whose noise levels the net was trained on, flow matching among them.
        guider: How strongly the mix is followed, by default.
        trained_schedule: The schedule that the net was trained on, as `latentstem.sampling.objectives.schedule_of`
            reads it from a scheduler. None takes it from `scheduler`; it is saved with the pipeline, and a scheduler
            that is swapped in later is held against it.
        reranker: Scores how well stems fit mixes, to keep the best of several; None cannot rank. Never evaluate stems
            with the reranker that chose them.
        target: Name of the stem that the net was trained on, e.g. "bass"; files of its stems are named after it.
        judge: Deprecated name of `reranker`, under which version 0.1.0 saved it.

    Raises:
        TypeError: The trained schedule is not given and cannot be read from `scheduler`, or `autoencoder` is no codec.
        ValueError: `target` is no name for a file.

    Example:
        >>> import torch
        >>> from latentstem import AutoencoderSpectral, CosineDDIMScheduler, RescaledClassifierFreeGuidance
        >>> from latentstem import StemUNet1DModel
        >>> pipe = StemAccompanimentPipeline(
        ...     AutoencoderSpectral(latent_channels=4, channels=16, latent_hidden_channels=16, carriers=8).eval(),
        ...     StemUNet1DModel(latent_channels=4, block_out_channels=(8,), layers_per_block=(1,),
        ...                     attention_head_dim=8, attention_levels=(False,), embedding_dim=16).eval(),
        ...     CosineDDIMScheduler(),
        ...     RescaledClassifierFreeGuidance(),
        ... )
        >>> pipe.set_progress_bar_config(disable=True)
        >>> mix = 0.1 * torch.randn(1, 10_000)
        >>> out = pipe(mix, sampling_rate=44100, num_inference_steps=2, generator=torch.Generator().manual_seed(0))
        >>> out.audios.shape
        torch.Size([1, 1, 10000])

        A given opening is continued by keeping it, in a stem as long as the mix:

        >>> opening = 0.1 * torch.randn(1, 4410)
        >>> stem = torch.cat([opening, torch.zeros(1, 5590)], dim=-1)
        >>> out = pipe(mix, sampling_rate=44100, init_stem=stem, keep=[(0.0, 0.1)], num_inference_steps=2)
        >>> torch.equal(out.audios[0, :, :3000], opening[:, :3000])
        True
    """

    model_cpu_offload_seq = "autoencoder->unet->reranker"
    _optional_components = ["reranker", "judge"]
    _renamed_components = {"judge": "reranker"}
    _callback_tensor_inputs = ["latents", "denoised", "mix_latents"]

    def __init__(
        self,
        autoencoder: AutoencoderSpectral | ModelMixin,
        unet: StemUNet1DModel,
        scheduler: SchedulerMixin,
        guider: BaseGuidance,
        trained_schedule: dict | None = None,
        reranker: ContrastiveStemModel | None = None,
        target: str = "bass",
        judge: ContrastiveStemModel | None = None,
    ):
        super().__init__()
        check_target(target)
        reranker = self._resolve_renamed("judge", judge, reranker)
        self.register_modules(autoencoder=autoencoder, unet=unet, scheduler=scheduler, guider=guider, reranker=reranker)
        self.register_to_config(
            trained_schedule=upgraded_schedule(trained_schedule or schedule_of(scheduler)), target=target
        )
        codec = as_codec(autoencoder)
        self.sampling_rate, self.audio_channels, self.hop_length = (
            codec.sampling_rate,
            codec.audio_channels,
            codec.hop_length,
        )

    @property
    def judge(self) -> ContrastiveStemModel | None:
        """Deprecated name of `reranker`."""
        self._warn_of_renamed("judge")
        return self.reranker

    def check_inputs(
        self,
        *,
        mix: Any = None,
        mix_latents: Tensor | None = None,
        duration: float | None = None,
        style: Any = None,
        style_latents: Tensor | None = None,
        style_strength: float = 1.0,
        num_inference_steps: int = 64,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        condition_scales: Mapping[str, float] | None = None,
        num_waveforms_per_prompt: int = 1,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        output_type: str = "pt",
        init_stem: Any = None,
        strength: float | None = None,
        keep: Ranges | None = None,
        loop: bool = False,
        keep_best: int | None = None,
    ) -> None:
        """Refuse a call that cannot work, before anything is computed.

        Raises:
            ValueError: With what was got, what was expected, and the fix.
        """
        if mix is not None and mix_latents is not None:
            raise ValueError("got both mix and mix_latents; pass one of them")
        if mix is None and mix_latents is None and init_stem is None and duration is None:
            raise ValueError("got no mix; pass one, or duration in seconds for a stem without a mix")
        if duration is not None and (mix is not None or not (math.isfinite(duration) and duration > 0)):
            raise ValueError(
                f"duration must be a positive number of seconds, and only without a mix (the stem is as long as the "
                f"mix), got {duration}"
            )
        if style is not None and style_latents is not None:
            raise ValueError("got both style and style_latents; pass one of them")
        for name, count in (
            ("num_inference_steps", num_inference_steps),
            ("num_waveforms_per_prompt", num_waveforms_per_prompt),
        ):
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {count}")
        for name, value in (
            ("guidance_scale", guidance_scale),
            ("guidance_rescale", guidance_rescale),
            ("style_strength", style_strength),
        ):
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {value}")
        if condition_scales is not None and "condition_scales" not in self.guider.config:
            raise ValueError(
                f"got condition_scales, and {type(self.guider).__name__} weighs all conditions together; use "
                "RescaledClassifierFreeGuidance, or leave condition_scales out"
            )
        unknown = set(callback_on_step_end_tensor_inputs) - set(self._callback_tensor_inputs)
        if unknown:
            raise ValueError(
                f"callback_on_step_end_tensor_inputs must be among {self._callback_tensor_inputs}, got "
                f"{sorted(unknown)}"
            )
        if output_type not in ("pt", "np", "latent"):
            raise ValueError(f'output_type must be "pt", "np" or "latent", got {output_type!r}')
        check_init_stem(init_stem, strength, keep)
        if loop and keep is not None:
            raise ValueError(
                "got keep for a loop: what is kept has no beginning or end there; vary it with strength instead, or "
                "leave out loop"
            )
        has_mix = mix is not None or mix_latents is not None
        check_keep_best(keep_best, num_waveforms_per_prompt, self.reranker is not None, has_mix)
        self._check_scheduler()

    @torch.no_grad()
    def __call__(
        self,
        mix: Tensor | np.ndarray | None = None,
        sampling_rate: int | None = None,
        style: Tensor | np.ndarray | None = None,
        style_strength: float = 1.0,
        num_inference_steps: int = 64,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        condition_scales: Mapping[str, float] | None = None,
        num_waveforms_per_prompt: int = 1,
        keep_best: int | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
        duration: float | None = None,
        mix_latents: Tensor | None = None,
        style_latents: Tensor | None = None,
        conditions: Mapping[str, Tensor] | None = None,
        latents: Tensor | None = None,
        init_stem: Tensor | np.ndarray | None = None,
        strength: float | None = None,
        keep: Ranges | None = None,
        loop: bool = False,
        denoised_hooks: Sequence[DenoisedHook] = (),
        callback_on_step_end: Callable[[Any, int, Tensor, dict[str, Tensor]], dict[str, Tensor]] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        output_type: Literal["pt", "np", "latent"] = "pt",
        return_dict: bool = True,
    ) -> StemPipelineOutput | tuple[Tensor | np.ndarray]:
        """Generates stems.

        Args:
            mix: What to accompany, floats in [-1, 1], `(batch, channels, samples)`, `(channels, samples)` or
                `(samples,)`, at any level.
            sampling_rate: Of `mix`, `style` and `init_stem`, in Hz; must be the model's, nothing is resampled.
            style: A reference whose average sound the stems take on, shaped as `mix` may be, of any length. Several in
                a batch are averaged.
            style_strength: 0 ignores the reference, 1 reaches it.
            num_inference_steps: Steps of the sampler.
            guidance_scale: How strongly the mix is followed, 1 without guidance; None: as the saved guider says.
            guidance_rescale: Share of guidance's added spread taken back; None: as the saved guider says.
            condition_scales: How strongly single conditions of `conditions` are followed, by name; those that are not
                named have `guidance_scale`. None: as the saved guider says.
            num_waveforms_per_prompt: Stems a mix; all stems of the first mix come first.
            keep_best: How many of the stems of each mix to return, best first, as the judge scores them; the others are
                not decoded. None returns all, as they were drawn. Figures that are taken with this judge must never be
                of stems that it chose.
            generator: Of the noise: one for all, or a list of one a stem, by which stem i of a batch is the stem that
                its generator gives alone.
            duration: In place of a mix, the length in seconds of a stem for no mix at all; or, with `mix_latents`, the
                length where it is not a whole number of frames.
            mix_latents: In place of a mix, its normalized latents as `encode_mix` returns them; the stem is then at the
                reference loudness.
            style_latents: In place of a style reference, its mean `(latent_channels,)` or its normalized latents.
            conditions: What else the net is conditioned on, by the names in its config: `(mixes, channels, frames)` at
                latent rate, or `(mixes, channels)` of global conditions; one for all mixes may have a batch of 1.
            latents: Noise to start from, `(stems, latent_channels, frames)`.
            init_stem: A stem to vary, or to keep parts of: as long as the mix, shaped as `mix` may be, one for all
                mixes or one for each. The new stem is as loud as this one.
            strength: How far to go from `init_stem`: the share of the steps that is run, the last of the schedule, from
                `init_stem` at the noise level of the first of them. Above 0; at 1 sampling starts from noise alone, and
                of `init_stem` nothing is heard but what is kept. None: 0.6, or 1 with `keep`. Steps keep their numbers
                in the whole schedule, for hooks, guiders and callbacks alike.
            keep: Ranges (start, end) of `init_stem` in seconds that stay, with None for its end; the rest is filled in,
                or continued where the opening is kept. These samples come back as they were, cross-faded over 20 ms on
                the inside of the ranges' edges.
            loop: Whether the mix is one turn of a loop; the stem then is one too, whose end leads into its beginning.
            denoised_hooks: Called in order on each step's clean sample, after guidance and style, and before what is
                kept is put in place.
            callback_on_step_end: Called with the pipeline, the step, the timestep and the tensors named next; what it
                returns under `"latents"` replaces them.
            callback_on_step_end_tensor_inputs: Among `"latents"`, `"denoised"` and `"mix_latents"`.
            output_type: `"pt"`, `"np"`, or `"latent"` for normalized latents.
            return_dict: False returns a tuple of the audio alone.

        Returns:
            The stems and their sampling rate.

        Raises:
            TypeError: audio that is not of floats, or a scheduler of several evaluations a step.
            ValueError: anything else that cannot work; the message says what to do.
        """
        self.check_inputs(
            mix=mix,
            mix_latents=mix_latents,
            duration=duration,
            style=style,
            style_latents=style_latents,
            style_strength=style_strength,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            condition_scales=condition_scales,
            num_waveforms_per_prompt=num_waveforms_per_prompt,
            callback_on_step_end_tensor_inputs=callback_on_step_end_tensor_inputs,
            output_type=output_type,
            init_stem=init_stem,
            strength=strength,
            keep=keep,
            loop=loop,
            keep_best=keep_best,
        )
        self.scheduler.set_timesteps(num_inference_steps, device=self._execution_device)
        timesteps = self.scheduler.timesteps
        denoised_coefficients(self.scheduler, timesteps[0])  # refuses solvers that cannot serve, before any work
        mix, style, init_stem = (
            None if audio is None else self._prepare(audio, sampling_rate, name)
            for audio, name in ((mix, "mix"), (style, "style"), (init_stem, "init_stem"))
        )

        if mix is not None:
            num_samples = mix.shape[-1]
            mix_latents, gain = self.encode_mix(mix, loop)
        else:
            if duration is None and init_stem is not None:
                duration = init_stem.shape[-1] / self.sampling_rate
            num_samples = self._num_samples(duration, mix_latents, loop)
            gain = torch.ones(1 if mix_latents is None else mix_latents.shape[0])
        hooks = [*self.encode_style(style, style_latents, style_strength), *denoised_hooks]

        begin, init_latents, kept = 0, None, None
        if init_stem is not None:
            init_stem = self._one_a_mix(init_stem, num_samples, gain, mix_latents)
            start = InitStem.prepare(init_stem, self.sampling_rate, strength, keep)
            begin = first_step(start.strength, num_inference_steps)
            if begin and hasattr(self.scheduler, "set_begin_index"):
                self.scheduler.set_begin_index(begin)
            kept, gain = start.kept, start.gain(gain)
            init_latents, _ = self.encode_mix(start.heard, loop)
            init_latents = init_latents.repeat_interleave(num_waveforms_per_prompt, dim=0)
            if kept is not None:
                hooks.append(InpaintRegions.from_ranges(init_latents, kept.ranges, frame_rate=1 / self.hop_length))
            init_latents = init_latents if start.strength < 1 else None

        given = self._conditions_of_items(mix_latents, conditions, len(gain), num_waveforms_per_prompt)
        mix_latents = given.get("mix")
        gain = gain.repeat_interleave(num_waveforms_per_prompt)
        frames = self.count_frames(num_samples, loop)
        sample: Tensor = self.prepare_latents(
            len(gain), frames, generator, latents, init_latents, timesteps[begin : begin + 1]
        )

        # A guider of this call's own: the saved one is shared with other pipelines.
        overrides = {
            "guidance_scale": guidance_scale,
            "guidance_rescale": guidance_rescale,
            "condition_scales": condition_scales,
            "enabled": None if given else False,
        }
        guider = self.guider.new(**{name: value for name, value in overrides.items() if value is not None})
        step_options = {}
        if "generator" in inspect.signature(self.scheduler.step).parameters:
            step_options["generator"] = generator

        bar = self.progress_bar(total=len(timesteps) - begin)  # pyright: ignore[reportCallIssue]
        with bar as progress_bar, reuse_position_tables(self.unet):
            for index, timestep in enumerate(timesteps[begin:], start=begin):
                guider.set_state(step=index, num_inference_steps=len(timesteps), timestep=timestep)
                denoised = self.predict(sample, timestep, given, guider, loop)
                result, denoised = step_from_denoised(self.scheduler, denoised, timestep, sample, hooks, **step_options)
                sample = result.prev_sample
                if callback_on_step_end is not None:
                    tensors: dict[str, Any] = {"latents": sample, "denoised": denoised, "mix_latents": mix_latents}
                    asked = {name: tensors[name] for name in callback_on_step_end_tensor_inputs}
                    sample = callback_on_step_end(self, index, timestep, asked).get("latents", sample)
                progress_bar.update()

        scores = None
        if keep_best is not None and mix_latents is not None:
            scores = self.score(mix_latents[::num_waveforms_per_prompt], sample)
            best = best_of(scores, len(scores) // num_waveforms_per_prompt, keep_best)
            sample, gain, scores = sample[best], gain[best.to(gain.device)], scores[best]

        audios = sample if output_type == "latent" else self.decode_latents(sample, num_samples, gain, kept, loop)
        if output_type == "np":
            audios = audios.cpu().numpy()
        self.maybe_free_model_hooks()
        if not return_dict:
            return (audios,)
        return StemPipelineOutput(audios=audios, sampling_rate=self.sampling_rate, scores=scores)

    def _conditions_of_items(
        self, mix_latents: Tensor | None, more: Mapping[str, Tensor] | None, mixes: int, stems: int
    ) -> dict[str, Tensor]:
        """All conditions by name, one for each stem: the stems of a mix side by side."""
        conditions = {**({} if mix_latents is None else {"mix": mix_latents}), **(more or {})}
        for name, value in conditions.items():
            if len(value) not in (1, mixes):
                raise ValueError(
                    f"got {len(value)} items of condition {name!r} for {mixes} mixes; pass one, or one a mix"
                )
            value = value.to(self._execution_device, torch.float32).expand(mixes, *value.shape[1:])
            conditions[name] = value.repeat_interleave(stems, dim=0)
        return conditions

    def _one_a_mix(self, init_stem: Tensor, num_samples: int, gain: Tensor, mix_latents: Tensor | None) -> Tensor:
        """The stems to start from, one for each mix; without a mix there may be any number."""
        if init_stem.shape[-1] != num_samples:
            raise ValueError(
                f"init_stem is {init_stem.shape[-1]} samples long and the stem is to be {num_samples}; cut it, or pad "
                "it with zeros, to the length of the mix"
            )
        if mix_latents is None or len(init_stem) == len(gain):
            return init_stem
        if len(init_stem) > 1:
            raise ValueError(f"got {len(init_stem)} stems in init_stem for {len(gain)} mixes; pass one, or one a mix")
        return init_stem.expand(len(gain), -1, -1)

    def _num_samples(self, duration: float | None, mix_latents: Tensor | None, loop: bool) -> int:
        """Length of a stem without a mix; `check_inputs` has seen that at least one of the two is given."""
        if duration is None:
            return 0 if mix_latents is None else mix_latents.shape[-1] * self.hop_length
        num_samples = max(1, round(duration * self.sampling_rate))
        if mix_latents is not None and mix_latents.shape[-1] != self.count_frames(num_samples, loop):
            raise ValueError(
                f"duration {duration} s is {num_samples} samples and {self.count_frames(num_samples, loop)} frames, "
                f"but mix_latents has {mix_latents.shape[-1]} frames; leave duration out, or encode a mix as long"
            )
        return num_samples
