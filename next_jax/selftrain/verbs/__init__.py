"""The steps of the loop; each owns its stage in the work directory."""
