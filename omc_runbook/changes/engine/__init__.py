"""The engine: executes steps and undoes them."""
