"""What a command prints: the timeline, tables, progress, and the theme they share."""
