"""Disjoint ranges of the composer's seeds for training, validation and test."""

TRAIN_SEEDS = range(100_000)
VALIDATION_SEEDS = range(100_000, 101_000)
TEST_SEEDS = range(101_000, 102_000)
