"""Grafana's dashboards, one a module; ``python -m deploy.dashboards`` writes their files."""
