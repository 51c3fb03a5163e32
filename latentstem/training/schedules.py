"""The noise schedule that a denoiser is trained on unless another scheduler is given, by what the denoiser predicts."""

from typing import Any

from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler


def training_scheduler(prediction_type: str) -> Any:
    """Make the scheduler that a denoiser with this prediction is trained on.

    Args:
        prediction_type: "v_prediction", "epsilon" or "sample" on the cosine schedule, or "flow_prediction" on the
            linear one of flow matching.

    Returns:
        A scheduler of 1024 training timesteps.

    Raises:
        ValueError: If the prediction type is none of the four.

    Example:
        >>> training_scheduler("flow_prediction").config.num_train_timesteps
        1024
    """
    if prediction_type == "flow_prediction":
        return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1024)
    return CosineDDIMScheduler(prediction_type=prediction_type)  # pyright: ignore[reportArgumentType]
