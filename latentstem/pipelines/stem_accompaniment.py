"""Stem accompaniment by latent diffusion: from a mix to a stem that fits it (arXiv 2402.01412, figure 1)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from diffusers.guiders.guider_utils import BaseGuidance
from diffusers.models.modeling_utils import ModelMixin
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

from latentstem._checks import check_flags
from latentstem._diffusers import RenamedComponents
from latentstem.conditioning.controls import Controls
from latentstem.guidance.functional import STRONGEST
from latentstem.models.autoencoder_spectral import AutoencoderSpectral
from latentstem.models.contrastive import ContrastiveStemModel
from latentstem.models.style_encoder import StyleEncoder
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.pipelines import input_checks
from latentstem.pipelines.batching import count_samples, expand_conditions, generators_of, match_init_stem
from latentstem.pipelines.call import Beginning, Callback, begin_from, finish, own_guider, set_timesteps, step_callback
from latentstem.pipelines.diffusion import StemDiffusionPipeline, upgrade_schedule
from latentstem.pipelines.init_stem import InitStem, Ranges
from latentstem.pipelines.output import StemPipelineOutput, check_targets
from latentstem.pipelines.reranking import rank_scores
from latentstem.pipelines.sampling_checks import check_sampling
from latentstem.sampling.hooks import DenoisedHook
from latentstem.sampling.objectives import check_trained_schedule, schedule_of


class StemAccompanimentPipeline(RenamedComponents, StemDiffusionPipeline):
    """Generate a stem, such as a bass line, that accompanies a mix.

    The mix may be of any length and level; the stem has the same number of samples, at the level that fits. From a
    given stem the pipeline makes a variation, fills in what is missing, or continues an opening. With a reranker it
    generates several stems and keeps the best.

    Args:
        autoencoder: Codec of the mix, the style reference and the stem, with whose latents the net was trained: an
            `AutoencoderSpectral`, an `EncodecCodec`, an `AutoencoderOobleck` of diffusers, or one of your own (see
            `latentstem.Codec`).
        unet: Denoiser.
        scheduler: A `CosineDDIMScheduler`, any diffusers scheduler of one evaluation a step built from its config, or
            another whose noise levels the net was trained on, flow matching and `IADBScheduler` among them.
        guider: Guidance, with its default scales.
        trained_schedule: Noise schedule that the net was trained on, as `latentstem.sampling.objectives.schedule_of`
            reads it from a scheduler. None takes it from `scheduler`. It is saved with the pipeline, and a scheduler
            that is swapped in later is compared with it.
        reranker: Scores how well stems fit mixes, to keep the best of several; None cannot rank. Never evaluate stems
            with the reranker that chose them.
        target: Name of the stem that the net generates by default, e.g. "bass"; files of its stems are named after it.
        style_encoder: Encoder of the sound of a style reference, for a net with a global condition "style"; None leaves
            the style to grounding.
        targets: Names of the stems that the net generates, in the order of its global condition "target"; None for a
            net that generates `target` alone.
        judge: Deprecated name of `reranker`, under which version 0.1.0 saved it.

    Raises:
        TypeError: The trained schedule is not given and cannot be read from `scheduler`, or `autoencoder` is no codec.
        ValueError: No file could be named after a target, `targets` do not fit `target` or the net, the trained
            schedule lacks an entry or has a wrong one, or the statistics or the style space of `autoencoder` do not fit
            its latents.

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

    model_cpu_offload_seq = "autoencoder->style_encoder->unet->reranker"
    _optional_components = ["reranker", "style_encoder", "judge"]
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
        style_encoder: StyleEncoder | None = None,
        judge: ContrastiveStemModel | None = None,
        targets: Sequence[str] | None = None,
    ):
        super().__init__()
        check_targets(target, targets, unet)
        reranker = self._resolve_renamed("judge", judge, reranker)
        self.register_modules(
            autoencoder=autoencoder,
            unet=unet,
            scheduler=scheduler,
            guider=guider,
            reranker=reranker,
            style_encoder=style_encoder,
        )
        trained = schedule_of(scheduler) if trained_schedule is None else check_trained_schedule(trained_schedule)
        self.register_to_config(trained_schedule=upgrade_schedule(trained), target=target)
        self.register_to_config(targets=None if targets is None else list(targets))
        self._take_format_of(autoencoder)

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
        style_space: bool = False,
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
        conditions: Mapping[str, Tensor] | None = None,
        latents: Tensor | None = None,
        generator: torch.Generator | list[torch.Generator] | int | None = None,
        denoised_hooks: Sequence[DenoisedHook] = (),
        callback_on_step_end: Callable[..., Any] | None = None,
        return_dict: bool = True,
        controls: Controls | None = None,
        style_weights: Sequence[float] | None = None,
        target: str | None = None,
    ) -> None:
        """Refuse a call that cannot work, before anything is computed.

        Raises:
            ArgumentError: The arguments of the call do not go together, or one is out of range.
            ValueError: The scheduler has another noise schedule than the net was trained on.
        """
        check_flags(loop=loop, style_space=style_space)
        input_checks.check_target(target, self.target_names)
        input_checks.check_mix(mix, mix_latents, init_stem, duration)
        input_checks.check_style(style, style_latents, style_space, style_weights)
        if style_space:
            self._style_space()
        input_checks.check_between(-STRONGEST, STRONGEST, style_strength=style_strength)
        channels = self.unet.config.latent_channels
        input_checks.check_latents(channels, (3,), mix_latents=mix_latents)
        input_checks.check_latents(channels, (1, 2, 3), style_latents=style_latents)
        input_checks.check_controls(controls)
        check_sampling(
            self,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            condition_scales=condition_scales,
            num_waveforms_per_prompt=num_waveforms_per_prompt,
            generator=generator,
            conditions=conditions,
            latents=latents,
            denoised_hooks=denoised_hooks,
            callback_on_step_end=callback_on_step_end,
            callback_on_step_end_tensor_inputs=callback_on_step_end_tensor_inputs,
            output_type=output_type,
            return_dict=return_dict,
        )
        input_checks.check_init_stem(init_stem, strength, keep)
        has_mix = mix is not None or mix_latents is not None
        input_checks.check_keep_best(keep_best, num_waveforms_per_prompt, self.reranker is not None, has_mix)

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
        generator: torch.Generator | list[torch.Generator] | int | None = None,
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
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        output_type: Literal["pt", "np", "latent"] = "pt",
        return_dict: bool = True,
        style_space: bool = False,
        controls: Controls | None = None,
        style_weights: Sequence[float] | None = None,
        target: str | None = None,
    ) -> StemPipelineOutput:
        """Generate stems.

        Args:
            mix: Mix to accompany, floats in [-1, 1] at any level: `(batch, channels, samples)`, `(channels, samples)`
                or `(samples,)`.
            sampling_rate: Sampling rate of `mix`, `style` and `init_stem` in Hz; must be the model's, nothing is
                resampled.
            style: Recording whose average sound the stems take on, of any length, shaped as `mix` may be. Several in a
                batch are averaged. A style encoder, if there is one, gives the net its code besides, under the
                condition "style".
            style_strength: How far the average sound moves to the reference: 0 leaves it to the net, 1 reaches it.
            num_inference_steps: Number of denoising steps; some solvers of `IADBScheduler` evaluate the net more than
                once a step.
            guidance_scale: How strongly the stem follows the mix; 1 is without guidance. None takes the saved guider's.
            guidance_rescale: Fraction of the added spread that guidance takes back, 0 to 1. None takes the saved
                guider's.
            condition_scales: How strongly the stem follows single conditions, by name; others have `guidance_scale`.
                None takes the saved guider's.
            num_waveforms_per_prompt: Number of stems for each mix; all stems of the first mix come first.
            keep_best: Number of stems of each mix to return, best first by the reranker's score; the others are not
                decoded. None returns all in the order of their generators. Never evaluate stems with the reranker that
                chose them.
            generator: Random generator of the noise: one for all stems, or a list of one for each, with which stem i
                of a batch is the stem that its generator gives alone. A seed stands for a list: of this seed for the
                first stem, the next one for the second, and so on.
            duration: Length in seconds of a stem without a mix; or, with `mix_latents`, the length where it is not a
                whole number of frames.
            mix_latents: Normalized latents in place of a mix, as `encode_mix` returns them; the stem is then at the
                reference loudness.
            style_latents: Mean `(latent_channels,)` or normalized latents in place of a style recording.
            conditions: Further conditions of the net by the names in its config: `(mixes, channels, frames)` at latent
                rate, or `(mixes, channels)` of global conditions; a batch of 1 serves all mixes.
            latents: Noise to start from, `(stems, latent_channels, frames)`.
            init_stem: Stem to vary, or to keep parts of: as long as the mix, shaped as `mix` may be, one for all mixes
                or one for each. The new stem is as loud as this one.
            strength: How far to go from `init_stem`: the fraction of the steps to run, above 0 and up to 1. Sampling
                starts from `init_stem` at the noise level of the first of them; at 1 it starts from noise alone, and
                only what is kept of `init_stem` matters. None is 0.6, or 1 with `keep`. Steps keep their indices in
                the whole schedule, for hooks, guiders and callbacks alike.
            keep: Ranges (start, end) of `init_stem` in seconds that stay, with None for its end; the rest is filled in,
                or continued where the opening is kept. These samples come back as they were, cross-faded over 20 ms on
                the inside of the ranges' edges.
            loop: Whether the mix is one turn of a loop; the end of the stem then leads into its beginning.
            denoised_hooks: Hooks on each step's clean sample, called in order after guidance and style, and before
                inpainting puts the kept ranges in place.
            callback_on_step_end: Function called with the pipeline, the step, the timestep and the tensors named in
                `callback_on_step_end_tensor_inputs`; `"latents"` in its result replaces the latents.
            callback_on_step_end_tensor_inputs: Names of the callback's tensors, among `"latents"`, `"denoised"` and
                `"mix_latents"`.
            output_type: Kind of output: `"pt"`, `"np"`, or `"latent"` for normalized latents.
            return_dict: Whether to return a `StemPipelineOutput`; False returns a tuple of the audio alone.
            style_space: Whether style moves only the part of the average sound that lies in the autoencoder's
                `StyleSpace`, which tells the instrument. Needs an autoencoder with a style space in its config.
            controls: Tempo, chords, density, register or level of the stems, for a net that knows them; `conditions` of
                the same names come before.
            style_weights: Share of each style of a batch, in proportion, 0 or more; None gives all the same.
            target: Name of the stem to generate, one of those that the net knows; None is the pipeline's own.

        Returns:
            The stems and their sampling rate.

        Raises:
            TypeError: Audio is not of floats, or the scheduler is one that `denoised_coefficients` refuses.
            ValueError: The arguments cannot work; the message says what to do.
        """
        self.check_inputs(
            mix=mix,
            mix_latents=mix_latents,
            duration=duration,
            style=style,
            style_latents=style_latents,
            style_strength=style_strength,
            style_space=style_space,
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
            conditions=conditions,
            latents=latents,
            generator=generator,
            denoised_hooks=denoised_hooks,
            callback_on_step_end=callback_on_step_end,
            return_dict=return_dict,
            controls=controls,
            style_weights=style_weights,
            target=target,
        )
        timesteps = set_timesteps(self, num_inference_steps)
        mix, style, init_stem = (
            None if audio is None else self._prepare(audio, sampling_rate, name)
            for audio, name in ((mix, "mix"), (style, "style"), (init_stem, "init_stem"))
        )

        boundary = self.boundary(loop)
        if mix is not None:
            num_samples = mix.shape[-1]
            mix_latents, gain = self.encode_mix(mix, boundary)
        else:
            if duration is None and init_stem is not None:
                duration = init_stem.shape[-1] / self.sampling_rate
            num_samples = count_samples(duration, mix_latents, boundary)
            gain = torch.ones(1 if mix_latents is None else mix_latents.shape[0])
        hooks = [*self.encode_style(style, style_latents, style_strength, style_space, style_weights), *denoised_hooks]

        begin, kept = Beginning(0, None, []), None
        if init_stem is not None:
            init_stem = match_init_stem(init_stem, num_samples, None if mix_latents is None else len(gain))
            start = InitStem.prepare(init_stem, self.sampling_rate, strength, keep, loop)
            begin = begin_from(self, start, num_inference_steps, boundary, num_waveforms_per_prompt)
            kept, gain = start.kept, start.gain(gain)
            hooks += begin.hooks

        generator = generators_of(generator, len(gain) * num_waveforms_per_prompt)
        frames = boundary.count_frames(num_samples)
        all_conditions = {
            **({} if mix_latents is None else {"mix": mix_latents}),
            **self.encode_style_code(style, style_latents, style_weights),
            **self.encode_target(target),
            **({} if controls is None else controls.conditions(frames, boundary.frames_per_second(num_samples))),
            **(conditions or {}),
        }
        net_conditions = expand_conditions(all_conditions, len(gain), num_waveforms_per_prompt, self._execution_device)
        mix_latents = net_conditions.get("mix")
        gain = gain.repeat_interleave(num_waveforms_per_prompt)
        sample: Tensor = self.prepare_latents(
            len(gain), frames, generator, latents, begin.latents, timesteps[begin.index : begin.index + 1]
        )

        guider = own_guider(
            self.guider,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            condition_scales=condition_scales,
            enabled=None if net_conditions else False,
        )
        names, others = callback_on_step_end_tensor_inputs, {"mix_latents": mix_latents}
        on_step = step_callback(self, callback_on_step_end, names, others)
        sample = self.denoise(sample, net_conditions, guider, hooks, begin.index, boundary, generator, on_step)

        scores = None
        if keep_best is not None and mix_latents is not None:
            scores = self.score(mix_latents[::num_waveforms_per_prompt], sample)
            first = torch.arange(0, len(scores), num_waveforms_per_prompt, device=scores.device)
            ranks = rank_scores(scores.reshape(-1, num_waveforms_per_prompt), keep_best)
            best = (first[:, None] + ranks).flatten()
            sample, gain, scores = sample[best], gain[best.to(gain.device)], scores[best]

        return finish(self, sample, num_samples, gain, boundary, output_type, return_dict, kept, scores)
