"""Fakes of helpdesks' interfaces over HTTP that tell of the simulated company: for tests, trials and new connectors."""
