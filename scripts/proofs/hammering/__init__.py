"""The parts of the hammer: a world of tenants, workers who know what they have written, and what they do there."""
