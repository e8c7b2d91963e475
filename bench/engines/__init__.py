"""Our Sealer beside other durable engines on one machine, each making as many steps: see ``__main__``."""
