"""What an MLP's neurons react to and write."""
