"""The objects of the cluster: how they are stored, changed, watched and collected, whatever their kind."""
