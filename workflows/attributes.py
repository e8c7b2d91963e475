"""The search attributes by which operators find sectors. Their types are fixed here, once for all."""

from temporalio.common import SearchAttributeKey

SECTOR_ID = SearchAttributeKey.for_keyword("SectorId")
MINER_ID = SearchAttributeKey.for_keyword("MinerId")
SEAL_STATE = SearchAttributeKey.for_keyword("SealState")
SEAL_WORKER = SearchAttributeKey.for_keyword("SealWorker")
FAILURE_LEVEL = SearchAttributeKey.for_keyword("FailureLevel")
PARKED = SearchAttributeKey.for_bool("Parked")

ALL = (SECTOR_ID, MINER_ID, SEAL_STATE, SEAL_WORKER, FAILURE_LEVEL, PARKED)
