"""The domain of sealing: flows, sectors, failures, jobs, stores and the manager's protocol. Imports no Temporal."""
