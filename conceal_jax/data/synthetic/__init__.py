"""Synthetic faces whose factors, and whose floors, are known exactly."""
