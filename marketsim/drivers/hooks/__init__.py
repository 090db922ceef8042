"""Webhooks: who is told, what is due, how a message is signed and posted, and who delivers it."""
