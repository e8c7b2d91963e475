#!/bin/sh
# Makes Temporal's two databases and brings their tables to this program's version. What is there stays, so that it runs at
# every start, and is also the upgrade. Where and as whom it connects is told by SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER
# and SQL_PASSWORD.
set -eu

bring() {
  export SQL_DATABASE=$1
  temporal-sql-tool create-database
  temporal-sql-tool setup-schema --version 0.0
  temporal-sql-tool update-schema --schema-name "postgresql/v12/$2"
}

bring temporal temporal
bring temporal_visibility visibility
