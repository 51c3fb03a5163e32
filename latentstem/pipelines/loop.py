"""Loops by latent diffusion: from a tempo, a number of bars and a prompt to a loop that repeats without a seam.

The pipeline of LADMG ("Latent audio diffusion for music generation with expressive control"), whose rhythm condition
and whose condition on sound or words stand in two branches of its code; here one net takes both.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from diffusers.guiders.guider_utils import BaseGuidance
from diffusers.models.modeling_utils import ModelMixin
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

import latentstem._diffusers  # noqa: F401  (registers the package with diffusers)
from latentstem.audio.limits import MAX_DURATION
from latentstem.conditioning.controls import Controls
from latentstem.guidance.functional import STRONGEST
from latentstem.guidance.style_grounding import encode_reference
from latentstem.models.prompt_encoder import PromptEncoder
from latentstem.models.unet_stem import StemUNet1DModel
from latentstem.pipelines import input_checks
from latentstem.pipelines.batching import expand_conditions, generators_of
from latentstem.pipelines.call import Beginning, Callback, begin_from, finish, own_guider, set_timesteps, step_callback
from latentstem.pipelines.diffusion import StemDiffusionPipeline
from latentstem.pipelines.errors import ArgumentError
from latentstem.pipelines.init_stem import InitStem, Ranges
from latentstem.pipelines.output import StemPipelineOutput
from latentstem.pipelines.sampling_checks import check_sampling
from latentstem.sampling.hooks import DenoisedHook
from latentstem.sampling.objectives import check_trained_schedule, schedule_of

_MOST_BEATS = 1000  # of a bar, and bars of a loop
_SLOWEST, _FASTEST = 4, 1000  # beats a minute


class LoopPipeline(StemDiffusionPipeline):
    """Generate loops of a tempo and a number of bars, asked for in words or by a recording.

    A loop has a whole number of bars to the sample, and its end leads into its beginning.

    Args:
        autoencoder: Codec of the loops, with whose latents the net was trained: an `AutoencoderSpectral` or any other
            that `latentstem.models.as_codec` takes.
        unet: Denoiser without a mix, with the condition "beat" or "sawtooth" and, for prompts, the global condition
            "prompt".
        scheduler: An `IADBScheduler`, or another whose noise levels the net was trained on.
        guider: Guidance, with its default scales.
        prompt_encoder: Encoder of words and recordings; None takes neither.
        trained_schedule: Noise schedule that the net was trained on, as `latentstem.sampling.objectives.schedule_of`
            reads it from a scheduler. None takes it from `scheduler`.

    Raises:
        TypeError: The trained schedule is not given and cannot be read from `scheduler`, or `autoencoder` is no codec.
        ValueError: The trained schedule or the statistics of `autoencoder` cannot be used.

    Example:
        >>> from latentstem import AutoencoderSpectral, IADBScheduler, LoopPipeline, PromptEncoder
        >>> from latentstem import RescaledClassifierFreeGuidance, StemUNet1DModel
        >>> pipe = LoopPipeline(
        ...     AutoencoderSpectral(latent_channels=4, channels=16, latent_hidden_channels=16, carriers=8).eval(),
        ...     StemUNet1DModel(latent_channels=4, block_out_channels=(8,), layers_per_block=(1,),
        ...                     attention_head_dim=8, attention_levels=(False,), embedding_dim=16,
        ...                     frame_conditions={}, control_conditions={"beat": 4},
        ...                     global_conditions={"prompt": 8}).eval(),
        ...     IADBScheduler(),
        ...     RescaledClassifierFreeGuidance(),
        ...     PromptEncoder({"drums": [], "techno": []}, latent_channels=4, channels=16, code_dim=8).eval(),
        ... )
        >>> pipe.set_progress_bar_config(disable=True)
        >>> out = pipe(bpm=120, bars=1, prompt="techno, no drums", num_inference_steps=2, generator=0)
        >>> out.audios.shape  # four beats of half a second
        torch.Size([1, 1, 88200])
    """

    model_cpu_offload_seq = "autoencoder->prompt_encoder->unet"
    _optional_components = ["prompt_encoder"]
    _callback_tensor_inputs = ["latents", "denoised"]
    reranker = None

    def __init__(
        self,
        autoencoder: ModelMixin,
        unet: StemUNet1DModel,
        scheduler: SchedulerMixin,
        guider: BaseGuidance,
        prompt_encoder: PromptEncoder | None = None,
        trained_schedule: dict | None = None,
    ):
        super().__init__()
        self.register_modules(
            autoencoder=autoencoder, unet=unet, scheduler=scheduler, guider=guider, prompt_encoder=prompt_encoder
        )
        trained = schedule_of(scheduler) if trained_schedule is None else check_trained_schedule(trained_schedule)
        self.register_to_config(trained_schedule=dict(trained))
        self._take_format_of(autoencoder)

    def count_samples(self, bpm: float, bars: int, beats_per_bar: int = 4) -> int:
        """Return the length of a loop in samples.

        Args:
            bpm: Beats a minute.
            bars: Number of bars.
            beats_per_bar: Number of beats in a bar.
        """
        return round(bars * beats_per_bar * 60.0 / bpm * self.sampling_rate)

    def check_inputs(
        self,
        *,
        bpm: float,
        bars: int = 4,
        beats_per_bar: int = 4,
        prompt: str | None = None,
        reference: Any = None,
        chords: str | None = None,
        num_inference_steps: int = 16,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        condition_scales: Mapping[str, float] | None = None,
        num_waveforms_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | int | None = None,
        conditions: Mapping[str, Tensor] | None = None,
        latents: Tensor | None = None,
        init_loop: Any = None,
        strength: float | None = None,
        keep: Ranges | None = None,
        denoised_hooks: Sequence[DenoisedHook] = (),
        callback_on_step_end: Callable[..., Any] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        output_type: str = "pt",
        return_dict: bool = True,
        reference_strength: float = 1.0,
    ) -> None:
        """Refuse a call that cannot work, before anything is computed.

        Raises:
            ArgumentError: The arguments of the call do not go together, or one is out of range.
            ValueError: The scheduler has another noise schedule than the net was trained on.
        """
        input_checks.check_texts(prompt=prompt, chords=chords)
        if bpm is None:
            raise ArgumentError("got no {bpm}; a loop needs a tempo, in beats a minute")
        input_checks.check_between(_SLOWEST, _FASTEST, bpm=bpm)
        input_checks.check_counts(_MOST_BEATS, bars=bars, beats_per_bar=beats_per_bar)
        seconds = self.count_samples(bpm, bars, beats_per_bar) / self.sampling_rate
        if seconds > MAX_DURATION:
            raise ArgumentError(
                "{bars} of {beats_per_bar} beats at {bpm} last {seconds:g} s, over {limit:g} s; ask for fewer",
                seconds=seconds,
                limit=MAX_DURATION,
            )
        if (prompt is not None or reference is not None) and self.prompt_encoder is None:
            raise ArgumentError("got {prompt} or {reference}, and the pipeline has no prompt_encoder; leave them out")
        if chords is not None and "chords" not in self.unet.condition_channels:
            raise ArgumentError("got {chords}, and the net does not know chords; leave them out")
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
        input_checks.check_between(-STRONGEST, STRONGEST, reference_strength=reference_strength)
        for name, value in (("strength", strength), ("keep", keep)):
            if value is not None and init_loop is None:
                raise ArgumentError("got {" + name + "} without {init_loop}; pass the loop to start from")
        input_checks.check_init_stem(init_loop, strength, keep)

    @torch.no_grad()
    def __call__(
        self,
        bpm: float,
        bars: int = 4,
        prompt: str | None = None,
        reference: Tensor | np.ndarray | None = None,
        sampling_rate: int | None = None,
        chords: str | None = None,
        beats_per_bar: int = 4,
        num_inference_steps: int = 16,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        condition_scales: Mapping[str, float] | None = None,
        num_waveforms_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | int | None = None,
        conditions: Mapping[str, Tensor] | None = None,
        latents: Tensor | None = None,
        init_loop: Tensor | np.ndarray | None = None,
        strength: float | None = None,
        keep: Ranges | None = None,
        denoised_hooks: Sequence[DenoisedHook] = (),
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        output_type: Literal["pt", "np", "latent"] = "pt",
        return_dict: bool = True,
        reference_strength: float = 1.0,
    ) -> StemPipelineOutput:
        """Generate loops.

        Args:
            bpm: Beats a minute, from 4 to 1000.
            bars: Number of bars.
            prompt: Words for the sound, such as "dark techno, no hats"; the vocabulary of the encoder knows which.
            reference: Recording whose sound the loops take on, of any length: `(batch, channels, samples)`, `(channels,
                samples)` or `(samples,)`. With a prompt, both count.
            sampling_rate: Sampling rate of `reference` and `init_loop` in Hz; must be the model's, nothing is
                resampled.
            chords: Chord chart, as `ChordChart.parse` reads it, for a net that knows chords.
            beats_per_bar: Number of beats in a bar.
            num_inference_steps: Number of denoising steps; some solvers of `IADBScheduler` evaluate the net more than
                once a step.
            guidance_scale: How strongly the loops follow tempo and prompt; 1 is without guidance. None takes the saved
                guider's.
            guidance_rescale: Fraction of the added spread that guidance takes back, 0 to 1. None takes the saved
                guider's.
            condition_scales: How strongly the loops follow "beat", "prompt" or "chords" by itself; others have
                `guidance_scale`. None takes the saved guider's.
            num_waveforms_per_prompt: Number of loops.
            generator: Random generator of the noise: one for all loops, or a list of one for each; or the seed of the
                first loop, of which each further one has the next.
            conditions: Further conditions of the net by the names in its config, `(1, channels, frames)` at latent rate
                or `(1, channels)`; they come before what is made of the other arguments.
            latents: Noise to start from, `(loops, latent_channels, frames)`.
            init_loop: Loop to vary, of exactly the length of the new ones, shaped as `reference` may be.
            strength: How far to go from `init_loop`: the fraction of the steps to run, above 0 and up to 1. None is
                0.6, or 1 with `keep`.
            keep: Ranges (start, end) of `init_loop` in seconds that stay, with None for its end; the rest is made anew.
                These samples come back as they were, cross-faded over 20 ms on the inside of the ranges' edges.
            denoised_hooks: Hooks on each step's clean sample, called in order after guidance and reference, and before
                inpainting puts the kept ranges in place.
            callback_on_step_end: Function called with the pipeline, the step, the timestep and the tensors named in
                `callback_on_step_end_tensor_inputs`; `"latents"` in its result replaces the latents.
            callback_on_step_end_tensor_inputs: Names of the callback's tensors, among `"latents"` and `"denoised"`.
            output_type: Kind of output: `"pt"`, `"np"`, or `"latent"` for normalized latents.
            return_dict: Whether to return a `StemPipelineOutput`; False returns a tuple of the audio alone.
            reference_strength: How far the average sound moves to that of `reference`: 0 leaves it to the net, 1
                reaches it.

        Returns:
            The loops at the reference loudness, or that of `init_loop`, and their sampling rate.

        Raises:
            TypeError: Audio is not of floats, or the scheduler is one that `denoised_coefficients` refuses.
            ValueError: The arguments cannot work; the message says what to do.
        """
        self.check_inputs(
            bpm=bpm,
            bars=bars,
            beats_per_bar=beats_per_bar,
            prompt=prompt,
            reference=reference,
            chords=chords,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            condition_scales=condition_scales,
            num_waveforms_per_prompt=num_waveforms_per_prompt,
            generator=generator,
            conditions=conditions,
            latents=latents,
            init_loop=init_loop,
            strength=strength,
            keep=keep,
            denoised_hooks=denoised_hooks,
            callback_on_step_end=callback_on_step_end,
            callback_on_step_end_tensor_inputs=callback_on_step_end_tensor_inputs,
            output_type=output_type,
            return_dict=return_dict,
            reference_strength=reference_strength,
        )
        controls = Controls(bpm=bpm, beats_per_bar=beats_per_bar, chords=chords)
        timesteps = set_timesteps(self, num_inference_steps)
        boundary = self.boundary(loop=True)
        num_samples = self.count_samples(bpm, bars, beats_per_bar)
        frames = boundary.count_frames(num_samples)

        begin, kept, gain = Beginning(0, None, []), None, torch.ones(1)
        if init_loop is not None:
            audio = self.prepare_loop(init_loop, sampling_rate, num_samples)
            start = InitStem.prepare(audio, self.sampling_rate, strength, keep, loop=True)
            begin = begin_from(self, start, num_inference_steps, boundary, num_waveforms_per_prompt)
            kept, gain = start.kept, start.gain(gain)
        gain = gain.repeat_interleave(num_waveforms_per_prompt)
        all_conditions = {
            **self.encode_controls(controls, frames, boundary.frames_per_second(num_samples)),
            **self.encode_prompt(prompt, reference, sampling_rate),
            **(conditions or {}),
        }
        net_conditions = expand_conditions(all_conditions, 1, num_waveforms_per_prompt, self._execution_device)
        generator = generators_of(generator, num_waveforms_per_prompt)
        sample: Tensor = self.prepare_latents(
            num_waveforms_per_prompt,
            frames,
            generator,
            latents,
            begin.latents,
            timesteps[begin.index : begin.index + 1],
        )
        guider = own_guider(
            self.guider,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            condition_scales=condition_scales,
        )
        on_step = step_callback(self, callback_on_step_end, callback_on_step_end_tensor_inputs, {})
        heard = None if reference is None else self._prepare(reference, sampling_rate, "reference")
        hooks = [*self.encode_style(heard, None, reference_strength), *denoised_hooks, *begin.hooks]
        sample = self.denoise(sample, net_conditions, guider, hooks, begin.index, boundary, generator, on_step)
        return finish(self, sample, num_samples, gain, boundary, output_type, return_dict, kept)

    @torch.no_grad()
    def encode_prompt(
        self,
        prompt: str | None = None,
        reference: Tensor | np.ndarray | None = None,
        sampling_rate: int | None = None,
    ) -> dict[str, Tensor]:
        """Encode words and a recording as the condition of the net.

        Args:
            prompt: Words for the sound; None gives none.
            reference: Recording with the sound, shaped as in a call; several in a batch are averaged.
            sampling_rate: Sampling rate of the recording in Hz.

        Returns:
            The code `(1, code_dim)` of unit length under "prompt"; empty without words and recording.

        Raises:
            ArgumentError: The prompt has words that are not known.
            ValueError: The recording cannot be used, or is silent.
        """
        codes = []
        if prompt is not None:
            try:
                codes.append(self.prompt_encoder.embed_text([prompt]))
            except ValueError as error:
                raise ArgumentError("{prompt}: {error}", error=error) from error
        if reference is not None:
            audio = self._prepare(reference, sampling_rate, "reference")
            latents, _ = encode_reference(audio, self.autoencoder)
            codes.append(self.prompt_encoder.embed_sound(latents.to(self.prompt_encoder.dtype)))
        if not codes:
            return {}
        code = torch.stack([each.float().mean(0, keepdim=True) for each in codes]).mean(0)
        return {"prompt": torch.nn.functional.normalize(code, dim=-1)}

    def encode_controls(self, controls: Controls, frames: int, frames_per_second: float) -> dict[str, Tensor]:
        """Encode tempo and chords as conditions of the net.

        Args:
            controls: Tempo and chords.
            frames: Number of latent frames of the loop.
            frames_per_second: Rate of its latent frames.

        Returns:
            `(1, channels, frames)` by name: "chords", and the beat as "beat", the phases of `BeatGrid.phases`, or for a
            net that takes it so as "sawtooth", LADMG's.
        """
        features = controls.conditions(frames, frames_per_second)
        grid = controls.beat_grid(frames / frames_per_second)
        if grid is not None and "sawtooth" in self.unet.condition_channels:
            features["sawtooth"] = grid.sawtooth(frames, frames_per_second)[None]
            del features["beat"]
        return features

    def prepare_loop(self, loop: Tensor | np.ndarray, sampling_rate: int | None, num_samples: int) -> Tensor:
        """Check the audio of a loop.

        Args:
            loop: The loop, `(1, channels, samples)`, `(channels, samples)` or `(samples,)`.
            sampling_rate: Its sampling rate in Hz, that of the pipeline.
            num_samples: Length that it must have, from `count_samples`.

        Returns:
            The loop, `(1, channels, samples)`.

        Raises:
            ArgumentError: There are several loops, or it is longer or shorter.
            ValueError: The audio cannot be used.
        """
        audio = self._prepare(loop, sampling_rate, "loop")
        if audio.shape[-1] != num_samples or len(audio) > 1:
            raise ArgumentError(
                "got {count} of {got} samples in {init_loop}, and a loop of {bars} at {bpm} is {expected}; give one, "
                "with its own tempo and number of bars",
                count=len(audio),
                got=audio.shape[-1],
                expected=num_samples,
            )
        return audio
