"""What is deployed beside sealflow: dashboards, Prometheus' rules."""
