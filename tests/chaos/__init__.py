"""Whatever happens to any process at any instant, nothing is lost and nothing is computed twice."""
