"""``python -m deploy.stack``."""

from __future__ import annotations

from deploy.stack.command import main

if __name__ == "__main__":
    main()
