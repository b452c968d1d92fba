"""Turns the published Kubernetes schema into the files that ``kubette.api`` reads at run time."""
