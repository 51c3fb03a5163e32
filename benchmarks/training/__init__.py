"""What trained nets owe to size, position, window, fine-tuning and resuming."""
