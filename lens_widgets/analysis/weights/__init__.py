"""What the weights alone do: OV, QK and composition."""
