"""Jobs that encode or conceal whole collections, and survive being killed."""
