"""Steps of the flows. Every effect on the outside world happens here; each step is a plain function."""
