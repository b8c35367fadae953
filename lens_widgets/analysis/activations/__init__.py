"""Any activation, by the name of its hook."""
