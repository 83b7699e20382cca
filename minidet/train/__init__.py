"""Optimisers, schedules, losses of whole detectors, and a training loop."""
