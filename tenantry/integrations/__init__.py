"""What ties tenantry to web frameworks: a module for each, which alone imports its framework."""
