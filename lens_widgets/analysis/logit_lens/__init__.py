"""What the model would predict from the middle of its layers."""
