"""Real sectors of 2 KiB with real Groth16 proofs, through the whole product."""
