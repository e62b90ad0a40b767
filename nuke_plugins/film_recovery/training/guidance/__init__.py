"""What a training tells about itself: judges of its pairs, of what was learned from them, and of its curve."""
