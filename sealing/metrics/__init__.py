"""Metrics: what they are (``definitions``), what is counted (``counting``), how the machine stands (``standing``)."""
