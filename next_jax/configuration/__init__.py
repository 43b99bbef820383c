"""From gin files and overrides to one object that can be run; the only room that knows gin."""
