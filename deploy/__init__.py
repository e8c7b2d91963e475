"""How sealflow is run beside a production server of Temporal: the files that its deployments share, and the stack."""
