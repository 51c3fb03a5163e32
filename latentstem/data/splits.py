"""Seeds of the composer's songs, in ranges that share none: to train on, to validate on, to test on."""

TRAIN_SEEDS = range(100_000)
VALIDATION_SEEDS = range(100_000, 101_000)
TEST_SEEDS = range(101_000, 102_000)
