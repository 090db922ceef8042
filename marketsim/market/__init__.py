"""The marketplace: what is sold, to whom, by which services, and where it is all kept."""

__all__: list[str] = []
