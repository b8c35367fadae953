"""How the model is run: forwards, lock, worker, cancellation. No widgets, no traitlets."""
