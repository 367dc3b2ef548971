"""The step plan and the training loop."""
