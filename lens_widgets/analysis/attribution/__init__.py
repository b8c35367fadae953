"""What each part of the model adds to the metric."""
