"""`make faults`: jobs while processes are killed and frozen, and a checker that reads what truly happened."""
