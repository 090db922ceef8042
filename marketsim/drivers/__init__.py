"""Who runs the engine: real processes, virtual time, recovery and replay."""
