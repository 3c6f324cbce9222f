"""The audit: what freshly trained attackers still read from codes and pictures. It knows nothing of the model."""
