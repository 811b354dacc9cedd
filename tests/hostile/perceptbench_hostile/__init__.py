"""Components each of which is wrong in one way, and modules that cannot be imported."""
