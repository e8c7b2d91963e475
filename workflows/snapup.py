"""The workflow that upgrades one sector with deals."""

from temporalio import workflow

from sealing.sector import SectorInput, Summary
from workflows.sector import SectorWorkflow


@workflow.defn(name="SnapUp")
class SnapUp(SectorWorkflow):
    """Upgrades one sector, from Allocated to Finished or Aborted, by the flow ``snapup``."""

    @workflow.init
    def __init__(self, task: SectorInput) -> None:
        """Stand at the beginning, ready for signals."""
        super().__init__(task)

    @workflow.run
    async def run(self, task: SectorInput) -> Summary:  # noqa: ARG002 - __init__ has taken it: both get the input
        """Run the task to its end. Raises ApplicationError of type Aborted where that is the end."""
        return await self._drive()
