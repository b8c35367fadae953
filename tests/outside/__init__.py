"""A view that lives outside of the package, as CONTRIBUTING.md shows how to write one."""
