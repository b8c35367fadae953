"""What knows Jupyter: a kernel's cells, and the server that carries replies."""
