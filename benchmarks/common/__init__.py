"""What the benchmarks share: songs, generation, scores, reports and baselines."""
