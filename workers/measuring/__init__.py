"""The metrics of a machine for Prometheus, where ``[metrics]`` says so: ours, the fleet's, and Temporal's SDK's."""
