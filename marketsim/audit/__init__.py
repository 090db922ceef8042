"""The stream on disk: its segments, the proof that they are what was written, its checks and exports."""
