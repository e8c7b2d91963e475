"""What runs beside sealflow, and what writes it: dashboards, rules, configuration."""
