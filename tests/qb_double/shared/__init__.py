"""Stand-in for the NPU vendor's compiler: what all its versions share."""
