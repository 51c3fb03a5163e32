"""Training loops on Accelerate: the same command on one CPU, one GPU or many."""
