"""What tests of the whole share: a plant, which is the manager, the worker and the sectors of one test."""
