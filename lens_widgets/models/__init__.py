"""Models to look at: shipped demos, and checkpoints of your own."""
