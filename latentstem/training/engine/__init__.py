"""What every training loop shares: budget, optimiser, history, state and options."""
