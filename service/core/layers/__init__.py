"""What a weight is a weight of: the layer, its axes and its fans."""
