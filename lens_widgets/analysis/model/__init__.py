"""What the model is: its shape, parameters, and what was found out about it."""
