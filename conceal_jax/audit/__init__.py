"""The audit: what freshly trained attackers read from codes and pictures. It takes arrays and never uses the model."""
