"""The log in the forms that other programs read: one module a form, and a table of them all."""
