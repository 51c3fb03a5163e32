"""Noise schedules and solvers."""

from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler, CosineDDIMSchedulerOutput

__all__ = ["CosineDDIMScheduler", "CosineDDIMSchedulerOutput"]
