"""How stages are computed: their tasks, jobs that outlive the worker, and who may run."""
